"""The submitter: from an order to a final transaction, one nonce at a time."""
