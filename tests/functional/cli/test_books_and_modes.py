"""`fiatrails ledger`, `audit`, `mode`, `config`, `db` on a real database."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection, transaction
from pydantic import SecretStr

from fiatrails.controls import audit
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.conf import Config
from fiatrails.ledger import entries
from fiatrails.ledger.accounts import EntryKind
from fiatrails.ledger.entries import EntryDraft, PostingDraft
from fiatrails.ledger.posting import post
from fiatrails.purchases.models import SupplyCursor
from tests.functional.cli.conftest import TOKEN, USER, Make, pay
from tests.kit.commands import Run
from tests.kit.services import DeployedChain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(make_purchase: Make) -> None:
    """One payment in the books."""
    make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")


def tamper(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.mark.usefixtures("paid")
def test_a_sound_ledger_verifies(run: Run) -> None:
    outcome = run("ledger", "verify", "--json")
    assert (outcome.code, outcome.document["ok"], outcome.document["entries"]) == (0, True, 1)
    assert "the ledger verifies: 1 entries" in run("ledger", "verify").out


@pytest.mark.usefixtures("paid")
def test_a_changed_entry_is_found(run: Run) -> None:
    tamper("UPDATE ledger_entry SET memo = 'changed'")
    outcome = run("ledger", "verify", "--json")
    assert (outcome.code, outcome.document["firstBroken"]) == (1, 1)
    assert outcome.document["problems"]
    assert "BROKEN" in run("ledger", "verify").out


@pytest.mark.usefixtures("paid")
def test_the_trial_balance_is_in_whole_units(run: Run) -> None:
    whole = run("ledger", "trial-balance", "--json").document
    assert whole["balanced"]
    assert {a["account"]: a["balance"] for a in whole["accounts"]} == {
        "cash:mpesa:KES": "10.00",
        "pending:KES": "-10.00",
    }
    assert "balanced" in run("ledger", "trial-balance").out


@pytest.mark.usefixtures("paid")
def test_an_unbalanced_ledger_is_a_negative_answer(run: Run) -> None:
    tamper("UPDATE ledger_posting SET amount = amount + 1 WHERE amount > 0")
    assert run("ledger", "trial-balance").code == 1


@pytest.mark.usefixtures("paid")
def test_the_equation_holds(run: Run) -> None:
    outcome = run("ledger", "equation", "--json")
    assert outcome.code == 0
    assert outcome.document["equations"] == [
        {
            "currency": "KES",
            "paid": "10.00",
            "adjusted": "0.00",
            "minted": "0.00",
            "pending": "10.00",
            "suspense": "0.00",
            "refunded": "0.00",
            "holds": True,
        }
    ]
    assert run("ledger", "equation", "--currency", "XXX").code == 2


@pytest.mark.usefixtures("paid")
def test_the_equation_shows_the_shares_of_every_currency_that_was_posted_in(run: Run) -> None:
    lines = (
        PostingDraft("cash:stripe:USD", 1000),
        PostingDraft("creator:anna:USD", -900),
        PostingDraft("platform:USD", -100),
    )
    with transaction.atomic():
        post([EntryDraft("payment:stripe:1", EntryKind.PAYMENT, "", lines)], now=datetime.now(UTC))
    kes, usd = run("ledger", "equation", "--json").document["equations"]
    assert (kes["currency"], kes["pending"], kes["creator"], kes["holds"]) == ("KES", "10.00", "0.00", True)
    assert usd == {
        "currency": "USD",
        "paid": "10.00",
        "adjusted": "0.00",
        "minted": "0.00",
        "pending": "0.00",
        "suspense": "0.00",
        "creator": "9.00",
        "platform": "1.00",
        "refunded": "0.00",
        "holds": True,
    }


@pytest.mark.usefixtures("paid")
def test_a_broken_equation_is_a_negative_answer(run: Run) -> None:
    tamper("UPDATE ledger_posting SET amount = -2000 WHERE amount < 0")
    assert run("ledger", "equation").code == 1


@pytest.mark.usefixtures("paid")
def test_the_books_are_reconciled_without_a_chain(run: Run) -> None:
    outcome = run("ledger", "reconcile", "--books-only", "--json")
    assert (outcome.code, outcome.document) == (0, {"ok": True, "findings": []})
    half_way = run("ledger", "reconcile", "--books-only", "--settled", "--json")
    assert (half_way.code, half_way.document["findings"][0]["invariant"]) == (1, "everything settles")


def test_the_supply_is_shown_as_far_as_it_was_read_also_while_the_chain_is_silent(
    run: Run, address_book: object
) -> None:
    now = datetime.now(UTC)
    with transaction.atomic():
        post(
            [
                entries.minted_outside(change="c:1", reference="0x1", country="KES", amount=20 * TOKEN, memo=""),
                entries.tokens_redeemed(change="c:2", country="KES", amount=3 * TOKEN, memo=""),
                entries.tokens_burned(change="c:3", country="KES", amount=TOKEN // 2, memo=""),
            ],
            now=now,
        )
    unread = run("ledger", "supply").out
    assert "evm:31337 was not read yet" in unread
    SupplyCursor.objects.create(chain="evm:31337", place=7)
    shown = run("ledger", "supply", "--json")
    assert (shown.code, shown.document["readTo"]) == (0, {"evm:31337": 7})
    assert shown.document["assets"] == [
        {"asset": "KES", "inCirculation": "16.5", "redeemed": "3", "burned": "0.5", "mintedOutside": "20",
         "backing": "17", "backingOnChain": None}
    ]  # fmt: skip
    assert "evm:31337 read up to block 7" in run("ledger", "supply").out
    assert run("ledger", "equation").code == 0


def test_a_reconcile_reads_the_supply_up_to_now(run: Run, on_chain: DeployedChain) -> None:
    run("ledger", "reconcile", "--books-only")
    assert not SupplyCursor.objects.exists()
    run("ledger", "reconcile")
    assert SupplyCursor.objects.get().place >= on_chain.deployment.block
    [asset] = run("ledger", "supply", "--json").document["assets"]
    assert asset["backingOnChain"] is not None


def test_the_audit_chain_verifies_until_it_is_changed(run: Run) -> None:
    audit.record("amina", "test", "nothing", {}, now=datetime.now(UTC))
    assert run("audit", "verify", "--json").document["records"] == 1
    tamper("UPDATE controls_audit_record SET actor = 'nobody'")
    outcome = run("audit", "verify", "--json")
    assert (outcome.code, outcome.document["ok"]) == (1, False)


def in_force(run: Run) -> dict[str, bool]:
    return {mode["mode"]: mode["inForce"] for mode in run("mode", "show", "--json").document["modes"]}


def test_a_mode_is_switched_on_and_off(run: Run) -> None:
    arguments = ("--reason", "RPC is down", "--for", "2h", "--actor", "amina", "--yes", "--json")
    on = run("mode", "set", "read-only", "on", *arguments)
    assert (on.code, on.document["inForce"]) == (0, True)
    [shown] = [m for m in run("mode", "show", "--json").document["modes"] if m["mode"] == "read_only"]
    assert (shown["owner"], shown["reason"]) == ("amina", "RPC is down")
    assert shown["expiresAt"].endswith("Z")
    assert AuditRecord.objects.get().actor == "amina"
    off = run("mode", "set", "read_only", "off", "--reason", "RPC is back", "--yes", "--json")
    assert off.document["inForce"] is False
    assert not any(in_force(run).values())


def test_a_variable_outlasts_the_switch_and_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DEGRADED_MODE", "true")
    outcome = run("mode", "set", "degraded", "off", "--reason", "over", "--yes", "--json")
    assert outcome.document["inForce"] is True
    assert "an environment variable still switches degraded on" in outcome.err
    assert in_force(run)["degraded"]


@pytest.mark.parametrize("wrong", [("sleepy", "on"), ("degraded", "maybe"), ("degraded", "on", "--for", "soon")])
def test_a_wrong_mode_is_a_usage_error(run: Run, wrong: tuple[str, ...]) -> None:
    assert run("mode", "set", *wrong, "--reason", "x", "--yes").code == 2


def test_a_mode_holds_commands_back(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 9, receipt="SGR7XK21QP")
    run("mode", "set", "read_only", "on", "--reason", "restore", "--yes")
    refused = run("intent", "refund", "A-1", "--reason", "x", "--yes", "--json")
    assert (refused.code, refused.document["error"]) == (5, "read_only")
    assert run("intent", "create", "--user", USER, "--amount", "1").code == 5


def test_no_secret_is_shown(run: Run, configure: Callable[..., Config]) -> None:
    hidden = "s3cr3t-value-that-must-not-appear"
    current = settings.FIATRAILS
    profile = current.profile.model_copy(
        update={"rpc_urls": (f"https://user:{hidden}@rpc.example/v2/{hidden}?k={hidden}",)}
    )
    configure(
        client_secrets=(("current", SecretStr(hidden)),),
        clearance_key=SecretStr(hidden),
        profile=profile.model_copy(update={"hmac_salt": hidden}),
        redis_url=f"redis://:{hidden}@cache:6379/0",
    )
    text = run("config", "show")
    whole = run("config", "show", "--json")
    assert (text.code, whole.code) == (0, 0)
    assert hidden not in text.out + whole.out
    assert whole.document["profile"]["rpcUrls"] == ["https://rpc.example/..."]
    assert whole.document["deployment"]["redis"] == "redis://cache:6379/..."
    assert whole.document["secrets"]["clientSecrets"] == ["current"]
    assert settings.SECRET_KEY not in text.out + whole.out


def test_migrate_passes_on_to_django(run: Run) -> None:
    assert run("db", "migrate", "--check").code == 0
    assert run("db", "migrate", "--plan").code == 0
    wrong = run("db", "migrate", "no_such_app")
    assert (wrong.code, wrong.err.startswith("error: ")) == (1, True)
