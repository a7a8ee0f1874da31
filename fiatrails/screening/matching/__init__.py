"""Sanctions lists of OFAC: reading them, and screening names and wallets against them. No database, no network."""
