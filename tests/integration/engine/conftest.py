"""The ledger's databases: both domains' tables are append-only, and tried by breaking them."""

from tests.integration.ledger.conftest import database, scratch

__all__ = ["database", "scratch"]
