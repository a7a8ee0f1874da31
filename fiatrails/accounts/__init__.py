"""Accounts of people: who may sign in, under which name, and how guessing is slowed down."""
