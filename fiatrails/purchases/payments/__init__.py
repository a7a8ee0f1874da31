"""The money of purchases: what providers report, whose it is, and how it goes back."""
