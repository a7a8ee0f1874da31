"""Provide what every simulator is made of; it knows no provider."""
