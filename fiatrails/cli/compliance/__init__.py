"""Who may receive tokens: lists, screening, cases, payers and the on-chain registry."""
