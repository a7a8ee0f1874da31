"""What spans several domains, with the purchases' own stage."""

from tests.integration.purchases.conftest import address_book, make_purchase, pay_for, stage

__all__ = ["address_book", "make_purchase", "pay_for", "stage"]
