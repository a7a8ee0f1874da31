"""The lists that are screened against: loaded, kept for ever, swapped as a whole, and refreshed."""
