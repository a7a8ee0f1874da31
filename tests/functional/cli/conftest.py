"""The CLI as a person uses it, in this process: arguments in, exit code, stdout and stderr out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from structlog.testing import capture_logs

from fiatrails.controls import modes
from fiatrails.kernel.conf import Config
from fiatrails.kernel.money import Money
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.opening import NewPurchase, create_purchase
from fiatrails.purchases.payments.record import record_payments
from tests.kit.commands import Outcome, Run, invoke

USER = "0x" + "a1" * 20
TOKEN = 10**18
Make = Callable[..., Purchase]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A process of its own logs to stderr; in this one, the log must not stand between two answers."""
    with capture_logs():
        yield


@pytest.fixture
def run() -> Run:
    """Runs `fiatrails` with these arguments; `answers` is what is typed."""

    def run_here(*arguments: str, answers: str | None = None) -> Outcome:
        modes.forget_cached()
        return invoke(arguments, answers=answers)

    return run_here


@pytest.fixture
def address_book(tmp_path: Path, configure: Callable[..., Config]) -> Path:
    """Contracts that nobody calls."""

    def address(number: int) -> str:
        return f"0x{number:040x}"

    contracts = {
        "UserRegistry": address(1),
        "ComplianceManager": {"proxy": address(2), "implementation": address(3)},
        "USDStablecoin": address(4),
        "KES": {"CountryToken": address(5), "MintEscrow": address(6), "countryCode": "KES"},
    }
    path = tmp_path / "deployments.json"
    path.write_text(json.dumps({"31337": {"chainId": 31337, "block": 1, "contracts": contracts}}))
    configure(deployments_path=path)
    return path


@pytest.fixture
def mpesa_at(configure: Callable[..., Config]) -> Callable[[str], None]:
    """Points MPESA_BASE_URL somewhere."""

    def point(url: str) -> None:
        configure(mpesa=replace(settings.FIATRAILS.providers["mpesa"], base_url=url))

    return point


@pytest.fixture
def make_purchase(address_book: Path) -> Make:
    """An intent for some tokens, by default ten."""

    def make(tx_ref: str, *, tokens: int = 10, user: str = USER) -> Purchase:
        request = NewPurchase(user=user, amount=tokens * TOKEN, country_code="KES", tx_ref=tx_ref)
        return create_purchase(request=request, client="default", now=datetime.now(UTC))

    return make


def pay(tx_ref: str, kes: int, *, receipt: str) -> None:
    """A trusted payment, as the gateway's callback brings it."""
    event = PaymentEvent(
        provider="mpesa",
        channel="gateway",
        event_key=f"gateway:{receipt}",
        receipt=receipt,
        tx_ref=tx_ref,
        paid=Money("KES", kes * 100),
        phone="254712345678",
        occurred_at=None,
        raw=b"{}",
        trusted=True,
    )
    record_payments([event], now=datetime.now(UTC))
