"""What the benchmarks write by themselves has the form that the product reads."""

from __future__ import annotations

import pytest
from django.db import connection

from benchmarks.site import insert_purchases
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.purchases.models import Purchase
from tests.kit.services import DeployedChain


class Burst:
    """As much of a rail as purchases need."""

    def __init__(self, postgres: EmbeddedPostgres, chain: DeployedChain) -> None:
        self.chain = chain
        self.database_url = postgres.dsn_for(connection.settings_dict["NAME"])


@pytest.mark.django_db(transaction=True)
def test_purchases_of_a_burst_are_purchases(postgres: EmbeddedPostgres, deployed_chain: DeployedChain) -> None:
    user = "0x" + "ab" * 20
    insert_purchases(Burst(postgres, deployed_chain), ["burst-0", "burst-1"], [user])  # type: ignore[arg-type]
    made = Purchase.objects.order_by("tx_ref")
    assert [purchase.tx_ref for purchase in made] == ["burst-0", "burst-1"]
    assert {(p.fiat_currency, p.fiat_expected, p.price_rate) for p in made} == {("KES", 1000, 100)}
    assert [delivery.recipient for purchase in made for delivery in purchase.deliveries.all()] == [user, user]
