"""The review queue for people: Django's admin below `/admin/`, with nothing in it that changes a row by itself."""
