"""Purchases without a chain: an address book that names contracts nobody calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings

from fiatrails.kernel.conf import Config
from fiatrails.kernel.money import Money
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.opening import NewPurchase, create_purchase
from fiatrails.purchases.payments.record import record_payments
from tests.conftest import SteppedClock
from tests.integration.purchases.stage import Registry, Stage

USER = "0x" + "a1" * 20
TOKEN = 10**18


def address(number: int) -> str:
    return f"0x{number:040x}"


@pytest.fixture(autouse=True)
def address_book(tmp_path: Path, configure: Callable[..., Config]) -> Path:
    contracts = {
        "UserRegistry": address(1),
        "ComplianceManager": {"proxy": address(2), "implementation": address(3)},
        "USDStablecoin": address(4),
        "KES": {"CountryToken": address(5), "MintEscrow": address(6), "countryCode": "KES"},
    }
    path = tmp_path / "deployments.json"
    path.write_text(json.dumps({"31337": {"chainId": 31337, "block": 1, "contracts": contracts}}))
    configure(deployments_path=path, profile=replace_limits(settings.FIATRAILS))
    return path


def replace_limits(config: Config) -> object:
    limits = config.profile.limits.model_copy(update={"daily_mint": 5000 * TOKEN, "max_mint": 3000 * TOKEN})
    return config.profile.model_copy(update={"limits": limits})


@pytest.fixture
def make_purchase() -> Callable[..., Purchase]:
    def make(tx_ref: str, *, now: datetime, tokens: int = 10, user: str = USER, client: str = "default") -> Purchase:
        request = NewPurchase(user=user, amount=tokens * TOKEN, country_code="KES", tx_ref=tx_ref)
        return create_purchase(request=request, client=client, now=now)

    return make


@pytest.fixture
def pay_for(make_purchase: Callable[..., Purchase], clock: SteppedClock) -> Callable[..., Purchase]:
    """Makes a purchase of ten tokens and pays it, exactly unless `kes` says otherwise."""

    def make(tx_ref: str, *, kes: int = 10, receipt: str | None = None, user: str = USER) -> Purchase:
        purchase = make_purchase(tx_ref, now=clock.now(), user=user)
        record_payments([paid(tx_ref, kes, receipt=receipt or f"R{tx_ref}")], now=clock.now())
        return Purchase.objects.get(pk=purchase.pk)

    return make


@pytest.fixture
def stage(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A worker whose registry is the test's."""
    registry = Registry()
    monkeypatch.setattr("fiatrails.compliance.clearing.look_up", registry.look_up)
    return Stage(clock, registry)


def paid(
    tx_ref: str, kes: int, *, receipt: str | None = None, raw: bytes = b"{}", trusted: bool = True
) -> PaymentEvent:
    return PaymentEvent(
        provider="mpesa",
        channel="gateway",
        event_key=f"gateway:{receipt or tx_ref}",
        receipt=receipt,
        tx_ref=tx_ref,
        paid=Money("KES", kes * 100),
        phone="254712345678",
        occurred_at=None,
        raw=raw,
        trusted=trusted,
    )
