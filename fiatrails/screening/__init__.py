"""Names, wallets and numbers against sanctions lists. A library: it knows no payment and no payer of ours."""
