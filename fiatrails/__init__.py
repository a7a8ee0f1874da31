"""FiatRails: one confirmed fiat payment leads to exactly one mint."""
