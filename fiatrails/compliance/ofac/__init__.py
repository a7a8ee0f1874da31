"""Sanctions lists of OFAC: reading them, and screening names and wallets against them. Pure: no database, no network."""
