"""Where a request or a payer is, and whether this deployment serves that country."""
