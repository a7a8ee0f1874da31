"""`fiatrails mpesa` against the sandbox process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from pydantic import SecretStr

from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.clock import SystemClock
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import Conflict, FiatRailsError, OutsideUnknown
from fiatrails.providers.core.models import ProviderRequest
from fiatrails.providers.mpesa.daraja import Daraja
from fiatrails.providers.mpesa.registration import register_urls
from tests.functional.cli.conftest import Make
from tests.kit.commands import Run
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.receiver import Receiver, http_receiver

pytestmark = pytest.mark.django_db(transaction=True)
CALLBACKS = "/api/v1/callbacks/mpesa"


@pytest.fixture
def api() -> Iterator[Receiver]:
    """Somebody in the place of the API."""
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def sandbox(api: Receiver, tmp_path: Path, mpesa_at: Callable[[str], None]) -> Iterator[None]:
    """The sandbox process, which tells `api`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--port", str(port), "--callback-url", api.url, "--state-dir", str(tmp_path / "mpesa")]
    env = {"MPESA_SANDBOX_GATEWAY_SECRET": "s" * 32}
    mpesa_at(url)
    with python_module("sandbox.mpesa", arguments, ready_url=f"{url}/_sandbox/health", env=env):
        yield


@pytest.mark.usefixtures("sandbox")
def test_a_customer_pays_what_the_intent_expects(run: Run, make_purchase: Make, api: Receiver) -> None:
    purchase = make_purchase("A-1", tokens=12)
    outcome = run("mpesa", "simulate", purchase.intent_id, "--json")
    assert outcome.code == 0, outcome.err
    [told] = api.wait(CALLBACKS)
    assert (told.json["txRef"], told.json["amount"]) == ("A-1", "12.00")
    assert told.json["metadata"]["receipt"] == outcome.document["receipt"]
    assert outcome.document["phone"] == "2547****149"


@pytest.mark.usefixtures("sandbox")
def test_duplicates_are_the_same_payment(run: Run, api: Receiver) -> None:
    outcome = run("mpesa", "simulate", "NOT-YET", "--amount", "90", "--duplicates", "4", "--json")
    assert (outcome.code, outcome.document["notices"], outcome.document["acknowledged"]) == (0, 5, 5)
    assert {told.json["metadata"]["receipt"] for told in api.wait(CALLBACKS, 5)} == {outcome.document["receipt"]}


@pytest.mark.usefixtures("sandbox")
def test_a_notice_that_is_not_taken_is_a_negative_answer(run: Run, api: Receiver) -> None:
    api.answer = lambda _: (503, {"error": "degraded"})
    outcome = run("mpesa", "simulate", "A-1", "--amount", "10", "--no-resend")
    assert outcome.code == 1
    assert "503" in outcome.err


@pytest.mark.usefixtures("sandbox")
def test_what_the_sandbox_refuses_is_a_usage_error(run: Run) -> None:
    assert run("mpesa", "simulate", "A-1").code == 2
    assert run("mpesa", "simulate", "A-1", "--amount", "1,5").code == 2
    refused = run("mpesa", "simulate", "A-1", "--amount", "10", "--receipt", "short")
    assert (refused.code, "receipt must be ten characters" in refused.err) == (2, True)


def test_payments_are_simulated_in_a_sandbox_only(run: Run, mpesa_at: Callable[[str], None], api: Receiver) -> None:
    mpesa_at("")
    assert run("mpesa", "simulate", "A-1", "--amount", "10").code == 4
    mpesa_at("http://127.0.0.1:9")
    assert run("mpesa", "simulate", "A-1", "--amount", "10").code == 5
    api.answer = lambda _: (404, {"errorCode": "404.001.03"})
    mpesa_at(api.url)
    assert run("mpesa", "simulate", "A-1", "--amount", "10").code == 4


def test_a_prompt_is_queued_for_the_worker(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    outcome = run("mpesa", "stk-push", "A-1", "--phone", "0712345678", "--json")
    assert (outcome.code, outcome.document["state"], outcome.document["phone"]) == (0, "created", "2547****678")
    assert ProviderRequest.objects.get().kind == "charge"
    assert run("mpesa", "stk-push", "A-1", "--phone", "0712345678").code == 4
    assert run("mpesa", "stk-push", "A-1", "--phone", "12").code == 2
    assert run("mpesa", "stk-push", "A-2", "--phone", "0712345678").code == 3


@pytest.fixture
def daraja_access(configure: Callable[..., Config]) -> None:
    """Credentials that the sandbox takes, and where it shall call."""
    configure(
        mpesa=replace(
            settings.FIATRAILS.providers["mpesa"],
            consumer_key="sandbox-consumer-key",
            consumer_secret=SecretStr("sandbox-consumer-secret"),
            shortcode="600999",
            callback_token=SecretStr("t0ken" * 8),
            callback_base_url="http://127.0.0.1:9/callbacks/till",
        )
    )


@pytest.mark.usefixtures("sandbox", "daraja_access")
def test_the_paybills_addresses_are_registered_and_audited(run: Run) -> None:
    outcome = run("mpesa", "register-urls", "--yes", "--actor", "amina", "--json")
    assert outcome.code == 0, outcome.err
    base = "http://127.0.0.1:9/callbacks/till/<MPESA_CALLBACK_TOKEN>/c2b"
    assert (outcome.document["confirmation"], outcome.document["validation"]) == (
        f"{base}/confirmation",
        f"{base}/validation",
    )
    assert "t0ken" not in outcome.out + outcome.err
    record = AuditRecord.objects.get()
    assert (record.actor, record.action, record.subject) == ("amina", "mpesa.register_urls", "600999")


@pytest.mark.usefixtures("daraja_access")
def test_addresses_that_nobody_took_are_not_audited(run: Run, mpesa_at: Callable[[str], None]) -> None:
    mpesa_at("http://127.0.0.1:9")
    assert run("mpesa", "register-urls", "--yes").code == 5
    assert not AuditRecord.objects.exists()


@pytest.mark.usefixtures("daraja_access")
@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (500, "500.003.1001", Conflict, "already"),
        (400, "400.002.02", Conflict, "refused"),
        (502, "", OutsideUnknown, "again"),
    ],
)
def test_what_mpesa_says_of_the_addresses(
    mpesa_at: Callable[[str], None], status: int, code: str, expected: type[FiatRailsError], words: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/oauth"):
            return httpx.Response(200, json={"access_token": "a", "expires_in": "3599"})
        return httpx.Response(status, json={"errorCode": code, "errorMessage": "words"})

    mpesa_at("http://127.0.0.1:9")
    client = Daraja(settings.FIATRAILS, clock=SystemClock(), transport=httpx.MockTransport(answer))
    with pytest.raises(expected, match=words):
        register_urls(
            client=client, mpesa=settings.FIATRAILS.providers["mpesa"], actor="amina", now=SystemClock().now()
        )
    assert not AuditRecord.objects.exists()
