"""What /metrics says of the tokens in circulation, from the ledger's balances."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import transaction
from django.test import Client

from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = 10**18


def shown() -> list[str]:
    text = Client().get("/metrics").content.decode()
    return [line for line in text.splitlines() if line.startswith("fiatrails_token_supply")]


def add(country: str, *, minted: int, redeemed: int, now: datetime) -> None:
    with transaction.atomic():
        post(
            [
                entries.minted_outside(change=f"{country}:1", reference="r", country=country, amount=minted, memo=""),
                entries.tokens_redeemed(change=f"{country}:2", country=country, amount=redeemed, memo=""),
            ],
            now=now,
        )


def test_tokens_in_circulation_are_shown_by_asset(clock: SteppedClock) -> None:
    assert shown() == []
    add("KES", minted=10 * TOKEN, redeemed=3 * TOKEN, now=clock.now())
    add("UGX", minted=2 * TOKEN, redeemed=TOKEN // 2, now=clock.now())
    assert shown() == ['fiatrails_token_supply{asset="KES"} 7.0', 'fiatrails_token_supply{asset="UGX"} 1.5']
