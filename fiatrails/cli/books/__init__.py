"""The books and the audit log, and whether they can be trusted."""
