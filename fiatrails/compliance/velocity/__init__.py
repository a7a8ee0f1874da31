"""Velocity limits: how often, and how much, one payer, phone, wallet, card or country may mint within a window."""
