"""What stands on the chain: contracts and signer lanes."""
