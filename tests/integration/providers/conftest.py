"""The native M-PESA rail against the simulator as a real process. Callbacks are held until a test hands them on."""

from __future__ import annotations

import base64
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings as django_settings
from django.test import Client
from pydantic import SecretStr

from fiatrails.kernel.conf import Config
from fiatrails.ledger.verify import equation, verify
from fiatrails.providers.core.models import Payment, ProviderRequest
from fiatrails.providers.mpesa import confirmations
from fiatrails.providers.mpesa.answers import Accepted
from fiatrails.providers.mpesa.charging import Push
from fiatrails.providers.mpesa.daraja import Daraja
from fiatrails.providers.mpesa.requests import drive_due
from fiatrails.providers.mpesa.tools import Tools
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import charges, surplus
from fiatrails.purchases.payments.counting import PURCHASES
from fiatrails.purchases.payments.unmatched import alarm_unmatched
from tests.integration.purchases.conftest import address_book, make_purchase
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.receiver import Received, Receiver, http_receiver

__all__ = ["address_book", "make_purchase"]
TOKEN = "a-token-of-the-tests-that-nobody-guesses"
SHORTCODE = "174379"
PHONE = "254708374149"
_runs = itertools.count(1)


class MovableClock:
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **kwargs: float) -> None:
        self.ahead += timedelta(**kwargs)


@dataclass
class Rail:
    """Our side and the simulator's."""

    http: httpx.Client
    seen: list[Received]
    client: Daraja
    clock: MovableClock
    run: str
    handed_on: int = 0
    web: Client = field(default_factory=Client)

    @property
    def tools(self) -> Tools:
        return Tools(clock=self.clock, client=self.client, purchases=PURCHASES)

    def arrived(self) -> list[Received]:
        mine = [r for r in list(self.seen) if r.path.startswith(f"/cb/{self.run}/")]
        return [r for r in mine if not r.path.endswith("/c2b/validation")]

    def post(self, path: str, body: Any, *, source: str = "127.0.0.1", token: str = TOKEN) -> Any:
        data = body if isinstance(body, bytes) else httpx.Request("POST", "http://x", json=body).content
        return self.web.post(
            f"/cb/{self.run}/{token}/{path}", data=data, content_type="application/json", REMOTE_ADDR=source
        )

    def hand_on(self, received: Received) -> Any:
        return self.post(received.path.split(f"/{TOKEN}/", 1)[1], received.body)

    def hand_on_new(self) -> None:
        waiting = self.arrived()[self.handed_on :]
        self.handed_on += len(waiting)
        for received in waiting:
            assert self.hand_on(received).status_code == 200

    def wait_for(self, count: int, *, path: str = "/") -> list[Received]:
        def found() -> list[Received]:
            return [received for received in self.arrived() if path in received.path]

        self.until(lambda: len(found()) >= count)
        return found()

    def work(self) -> None:
        """One pass of everything that a worker does for the native rail."""
        drive_due(tools=self.tools)
        confirmations.confirm_due(tools=self.tools)
        alarm_unmatched(clock=self.clock)
        charges.report_ended(now=self.clock.now())
        surplus.settle_returns(now=self.clock.now())

    def run_until(self, done: Callable[[], Any], *, hand_on: bool = True) -> Any:
        """Works, hands callbacks on, and lets time pass until it is done."""

        def step() -> Any:
            if hand_on:
                self.hand_on_new()
            self.work()
            self.clock.advance(seconds=2)
            return done()

        return self.until(step)

    def settle(self, passes: int = 12) -> None:
        """Works until nothing moves any more, some minutes of the rail's time."""
        for _ in range(passes):
            self.hand_on_new()
            self.work()
            self.clock.advance(seconds=20)
            time.sleep(0.03)

    def until(self, done: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            value = done()
            if value:
                return value
            time.sleep(0.02)
        raise TimeoutError(self.situation())

    def situation(self) -> str:
        requests = [(r.kind, r.state, r.last_error, r.result) for r in ProviderRequest.objects.all()]
        events = [(e.event_key, e.state, e.last_error) for e in Payment.objects.all()]
        return f"requests {requests}; events {events}; arrived {[r.path for r in self.arrived()]}"

    def control(self, name: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"/_sandbox/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def book(self, **query: str) -> dict[str, Any]:
        return dict(self.http.get("/_sandbox/book", params=query).json())

    def push(self, purchase: Purchase) -> ProviderRequest:
        return charges.start(intent_id=purchase.intent_id, charger=Push(PHONE), now=self.clock.now())

    def pay_bill(self, reference: str, amount: Any = 10) -> str:
        return str(self.control("pay", amount=amount, billRef=reference, msisdn=PHONE)["receipt"])


@dataclass
class Simulator:
    """The process, and everything that it sent."""

    http: httpx.Client
    receiver: Receiver
    seen: list[Received]


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """One simulator for the session; every test has addresses of its own."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with http_receiver() as receiver, tempfile.TemporaryDirectory() as state_dir:
        arguments = ["--port", str(port), "--callback-url", receiver.url, "--state-dir", state_dir, "--seed", "11"]
        arguments += ["--answer-delay-ms", "10", "--result-delay-ms", "5", "--shortcode", SHORTCODE]
        with (
            python_module("sandbox.mpesa", arguments, ready_url=f"{url}/_sandbox/health"),
            httpx.Client(base_url=url, timeout=10) as http,
        ):
            seen: list[Received] = []

            def keep(received: Received) -> tuple[int, Any]:
                seen.append(received)
                return 200, {"ResultCode": "0", "ResultDesc": "Accepted"}

            receiver.answer = keep
            yield Simulator(http, receiver, seen)


@pytest.fixture
def mpesa_config(simulator: Simulator, configure: Callable[..., Config], address_book: Path) -> Config:
    """This process configured for the simulator, with short pauses between attempts."""
    http, receiver = simulator.http, simulator.receiver
    current = django_settings.FIATRAILS
    retry = current.profile.retry.model_copy(update={"initial_backoff_ms": 1, "max_backoff_ms": 20})
    return configure(
        profile=current.profile.model_copy(update={"retry": retry}),
        mpesa=replace(
            current.providers["mpesa"],
            base_url=str(http.base_url),
            consumer_key="sandbox-consumer-key",
            consumer_secret=SecretStr("sandbox-consumer-secret"),
            shortcode=SHORTCODE,
            passkey=SecretStr("sandbox-passkey"),
            initiator_name="testapi",
            security_credential=SecretStr(_sealed(http)),
            callback_token=SecretStr(TOKEN),
            callback_base_url=f"{receiver.url}/cb/{next(_runs)}",
            allowed_sources=("127.0.0.1", "10.1.0.0/16"),
        ),
    )


def _sealed(http: httpx.Client) -> str:
    key = load_pem_public_key(http.get("/_sandbox/public-key").json()["pem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return base64.b64encode(key.encrypt(b"sandbox-initiator", padding.PKCS1v15())).decode()


@pytest.fixture
def rail(simulator: Simulator, mpesa_config: Config, settings: Any, transactional_db: None) -> Iterator[Rail]:
    """Both sides, all calm, the paybill's addresses registered."""
    http = simulator.http
    settings.ROOT_URLCONF = "tests.integration.providers.urls"
    http.delete("/_sandbox/faults")
    http.post("/_sandbox/stk", json={"behaviour": "pay"})
    clock = MovableClock()
    client = Daraja(mpesa_config, clock=clock)
    rail = Rail(
        http, simulator.seen, client, clock, mpesa_config.providers["mpesa"].callback_base_url.rsplit("/", 1)[1]
    )
    assert isinstance(client.register_c2b_urls(response_type="Completed"), Accepted)
    yield rail
    client.close()
    assert verify().ok
    assert equation("KES").holds
