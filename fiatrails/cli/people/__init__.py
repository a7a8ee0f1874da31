"""Who may sign in, and which clients may call the API."""
