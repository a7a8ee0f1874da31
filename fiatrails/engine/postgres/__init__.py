"""The database backend: limits that hold with and without a pooler, and connections that fall silent are given up."""
