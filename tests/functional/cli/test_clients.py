"""`fiatrails client`: clients and their secrets, as an operator makes, rotates and ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from fiatrails.api.clients import KEY_RING
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.conf import Config
from tests.kit.commands import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """The ring of this process remembers the tables of the test before."""
    KEY_RING.forget()


def signers_of(key_id: str, *, after: timedelta = timedelta(0)) -> list[str]:
    """The secrets that may sign under this key id."""
    KEY_RING.forget()
    found = KEY_RING.candidates(key_id, now=datetime.now(UTC) + after)
    return [key.secret.get_secret_value() for key in found]


def test_a_new_client_signs_with_the_secret_that_was_printed_once(run: Run) -> None:
    assert run("client", "create", "shop", "--quota", "30", "--json").document == {"name": "shop", "quotaPerMin": 30}
    made = run("client", "add-secret", "shop", "--key-id", "shop-1", "--json").document
    assert len(bytes.fromhex(made["secret"])) == 32
    assert signers_of("shop-1") == [made["secret"]]
    assert KEY_RING.quota("shop", now=datetime.now(UTC)) == 30
    listed = run("client", "list", "--json")
    assert made["secret"] not in listed.out
    [shop] = [client for client in listed.document["clients"] if client["name"] == "shop"]
    assert [(key["keyId"], key["valid"], key["validUntil"]) for key in shop["keys"]] == [("shop-1", True, None)]


def test_everything_is_audited_and_no_record_holds_a_secret(run: Run) -> None:
    run("client", "create", "shop", "--actor", "amina")
    made = run("client", "add-secret", "shop", "--key-id", "shop-1", "--actor", "amina", "--json").document
    run("client", "end-secret", "shop-1", "--yes", "--actor", "amina")
    records = list(AuditRecord.objects.order_by("id"))
    assert [r.action for r in records] == ["api_client.create", "api_secret.add", "api_secret.end"]
    assert {r.actor for r in records} == {"amina"}
    assert made["secret"] not in str([r.details for r in records])


def test_a_rotation_has_both_keys_and_then_the_new_one(run: Run) -> None:
    run("client", "create", "shop")
    run("client", "add-secret", "shop", "--key-id", "shop-1")
    run("client", "add-secret", "shop", "--key-id", "shop-2", "--valid-until", "in 90 days")
    assert (len(signers_of("shop-1")), len(signers_of("shop-2"))) == (1, 1)
    outcome = run("client", "end-secret", "shop-1", "--at", "in 7 days", "--yes", "--json")
    assert outcome.document["validUntil"] is not None
    assert len(signers_of("shop-1", after=timedelta(days=6))) == 1
    assert signers_of("shop-1", after=timedelta(days=8)) == []
    assert len(signers_of("shop-2", after=timedelta(days=89))) == 1
    assert signers_of("shop-2", after=timedelta(days=91)) == []


def test_a_secret_of_ones_own_comes_through_a_pipe_and_is_not_printed(run: Run) -> None:
    run("client", "create", "shop")
    secret = "5e" * 32
    arguments = ("client", "add-secret", "shop", "--key-id", "shop-1", "--secret-stdin", "--json")
    outcome = run(*arguments, answers=f"{secret}\n")
    assert (outcome.code, secret in outcome.out) == (0, False)
    assert signers_of("shop-1") == [secret]


def test_nothing_piped_in_is_no_secret(run: Run) -> None:
    run("client", "create", "shop")
    outcome = run("client", "add-secret", "shop", "--key-id", "shop-1", "--secret-stdin", answers="")
    assert (outcome.code, "at least 32" in outcome.err) == (2, True)
    assert signers_of("shop-1") == []


def test_a_key_for_later_does_not_sign_yet(run: Run) -> None:
    run("client", "create", "shop")
    run("client", "add-secret", "shop", "--key-id", "shop-1", "--valid-from", "in 2 hours")
    assert signers_of("shop-1") == []
    assert len(signers_of("shop-1", after=timedelta(hours=3))) == 1


def test_what_cannot_be_done_says_so(run: Run) -> None:
    run("client", "create", "shop")
    assert run("client", "create", "shop").code == 4
    assert run("client", "create", "no such name!").code == 2
    assert run("client", "add-secret", "nobody", "--key-id", "x").code == 3
    assert run("client", "add-secret", "shop", "--key-id", "current").code == 2
    assert run("client", "add-secret", "shop", "--key-id", "x", "--valid-until", "yesterday").code == 2
    assert run("client", "add-secret", "shop", "--key-id", "x", "--valid-until", "1 hour ago").code == 2
    assert run("client", "end-secret", "unknown", "--yes").code == 3


def test_ending_a_key_asks_first(run: Run) -> None:
    run("client", "create", "shop")
    run("client", "add-secret", "shop", "--key-id", "shop-1")
    assert run("client", "end-secret", "shop-1", answers="n\n").code == 1
    assert len(signers_of("shop-1")) == 1


def test_the_default_client_is_listed_with_the_keys_of_the_environment(
    run: Run, configure: Callable[..., Config]
) -> None:
    configure(client_secrets=(("current", SecretStr("c" * 64)), ("new", SecretStr("d" * 64))))
    [default] = run("client", "list", "--json").document["clients"]
    assert (default["name"], [key["keyId"] for key in default["keys"]]) == ("default", ["current", "new"])
