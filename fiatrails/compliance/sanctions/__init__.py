"""Screening payers against the lists in force: who they are, what was found, which hits somebody released."""
