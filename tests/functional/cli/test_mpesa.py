"""`fiatrails mpesa` against the sandbox process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fiatrails.providers.core.models import ProviderRequest
from tests.functional.cli.conftest import Make, Run
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
def test_a_customer_pays_what_the_intent_expects(run: Run, make_intent: Make, api: Receiver) -> None:
    intent = make_intent("A-1", tokens=12)
    outcome = run("mpesa", "simulate", intent.intent_id, "--json")
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


def test_a_prompt_is_queued_for_the_worker(run: Run, make_intent: Make) -> None:
    make_intent("A-1")
    outcome = run("mpesa", "stk-push", "A-1", "--phone", "0712345678", "--json")
    assert (outcome.code, outcome.document["state"], outcome.document["phone"]) == (0, "created", "2547****678")
    assert ProviderRequest.objects.get().kind == "stk_push"
    assert run("mpesa", "stk-push", "A-1", "--phone", "0712345678").code == 4
    assert run("mpesa", "stk-push", "A-1", "--phone", "12").code == 2
    assert run("mpesa", "stk-push", "A-2", "--phone", "0712345678").code == 3
