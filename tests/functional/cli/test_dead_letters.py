"""`fiatrails dlq` and `fiatrails backlog` on a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from fiatrails.controls.models import AuditRecord
from fiatrails.engine import dead_letters, heartbeat
from fiatrails.purchases.models import Purchase
from tests.functional.cli.conftest import Make, pay
from tests.kit.commands import Run

pytestmark = pytest.mark.django_db(transaction=True)


def bury(intent_id: str, *, operation: str = "checkCompliance", ago: timedelta = timedelta()) -> str:
    return dead_letters.add(
        operation=operation,
        subject=intent_id,
        attempts=5,
        last_error="RPC timeout",
        error_class="temporary",
        payload={"txRef": "A-1"},
        now=datetime.now(UTC) - ago,
    )


@pytest.fixture
def stuck(make_purchase: Make) -> Purchase:
    """A paid intent that ran out of attempts."""
    purchase = make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")
    Purchase.objects.update(due_at=None, attempts=8, last_error="RPC timeout")
    return purchase


def test_show_prints_the_shape_of_the_runbook(run: Run) -> None:
    item = bury("0xabc")
    for arguments in ((item,), (item, "--json"), (item.removeprefix("DL-"),)):
        shown = json.loads(run("dlq", "show", *arguments).out)
        assert list(shown) == ["operation", "intentId", "attempts", "lastError", "timestamp", "payload"]
    assert run("dlq", "show", "DL-999999").code == 3


def test_list_groups_by_error(run: Run) -> None:
    bury("0x1")
    bury("0x2", ago=timedelta(hours=3))
    whole = run("dlq", "list", "--json").document
    assert (whole["depth"], whole["groups"][0]["errorClass"], whole["groups"][0]["count"]) == (2, "temporary", 2)
    recent = run("dlq", "list", "--since", "1 hour ago", "--json").document
    assert [item["intentId"] for item in recent["groups"][0]["items"]] == ["0x1"]
    assert "temporary: 2" in run("dlq", "list").out


def test_replaying_one_item_makes_its_intent_due_again(run: Run, stuck: Purchase) -> None:
    item = bury(stuck.intent_id)
    outcome = run("dlq", "replay", "--item-id", item, "--yes", "--actor", "amina", "--json")
    assert outcome.code == 0, outcome.err
    [result] = outcome.document["results"]
    assert (result["restarted"], result["closed"]) == (True, True)
    assert "no live nonce slot" in result["why"]
    assert outcome.document["preview"]["value"] == ["10.00 KES"]
    assert Purchase.objects.get().due_at is not None
    assert AuditRecord.objects.filter(actor="amina", action="dead_letter.replayed").count() == 1


def test_an_item_is_replayed_once(run: Run, stuck: Purchase) -> None:
    item = bury(stuck.intent_id)
    run("dlq", "replay", "--item-id", item, "--yes")
    assert run("dlq", "replay", "--item-id", item, "--yes").code == 4


def test_since_replays_only_what_is_recent(run: Run, stuck: Purchase) -> None:
    bury(stuck.intent_id)
    old = bury("0x2", ago=timedelta(hours=3))
    outcome = run("dlq", "replay", "--since", "1 hour ago", "--yes", "--json")
    assert [result["intentId"] for result in outcome.document["results"]] == [stuck.intent_id]
    assert dead_letters.get(old).state == "open"


def test_a_dry_run_changes_nothing(run: Run, stuck: Purchase) -> None:
    bury(stuck.intent_id)
    outcome = run("dlq", "replay", "--all", "--dry-run", "--json")
    assert (outcome.code, outcome.document["preview"]["count"], outcome.document["results"]) == (0, 1, [])
    assert dead_letters.depth() == 1


def test_replay_shows_counts_and_value_and_asks(run: Run, stuck: Purchase) -> None:
    bury(stuck.intent_id)
    refused = run("dlq", "replay", "--all", answers="n\n")
    assert refused.code == 1
    assert "1 item(s), 10.00 KES paid" in refused.err
    assert dead_letters.depth() == 1
    assert run("dlq", "replay", "--all", answers="y\n").code == 0
    assert dead_letters.depth() == 0


def test_what_needs_a_decision_stays_open_with_advice(run: Run) -> None:
    bury("0x1", operation="surplusPayment")
    outcome = run("dlq", "replay", "--all", "--yes", "--json")
    assert outcome.code == 1
    assert "payments refund" in outcome.document["results"][0]["why"]
    assert dead_letters.depth() == 1


@pytest.mark.parametrize("selection", [(), ("--all", "--since", "1 hour ago"), ("--since", "whenever")])
def test_an_unclear_selection_is_a_usage_error(run: Run, selection: tuple[str, ...]) -> None:
    bury("0x1")
    assert run("dlq", "replay", *selection, "--yes").code == 2
    assert dead_letters.depth() == 1


def test_the_rate_is_kept(run: Run, make_purchase: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("fiatrails.operations.replay.time.sleep", pauses.append)
    for number in range(3):
        bury(make_purchase(f"A-{number}").intent_id)
    run("dlq", "replay", "--all", "--rate", "4", "--yes")
    assert pauses == [0, 0.25, 0.25]


def test_discarding_needs_a_reason_and_happens_once(run: Run) -> None:
    item = bury("0x1")
    assert run("dlq", "discard", item, "--yes").code == 2
    assert run("dlq", "discard", item, "--reason", " ", "--yes").code == 2
    assert (
        run("dlq", "discard", item, "--reason", "paid back by bank", "--yes", "--json").document["state"] == "discarded"
    )
    assert run("dlq", "discard", item, "--reason", "again", "--yes").code == 4


def test_the_backlog_is_woken_and_followed(run: Run, stuck: Purchase) -> None:
    heartbeat.beat("worker", now=datetime.now(UTC))
    Purchase.objects.update(due_at=datetime.now(UTC) + timedelta(hours=1))
    outcome = run("backlog", "process", "--timeout", "0", "--json")
    assert outcome.code == 1
    assert (outcome.document["woken"], outcome.document["unsettled"]) == (1, 1)
    assert outcome.document["after"] == [{"state": "paid", "count": 1, "paid": "10.00 KES"}]
    assert "no worker is running" not in outcome.err
    assert Purchase.objects.get().due_at <= datetime.now(UTC)


def test_an_intent_that_was_given_up_is_woken_and_its_letter_closed(run: Run, stuck: Purchase) -> None:
    bury(stuck.intent_id)
    outcome = run("backlog", "process", "--no-wait", "--json").document
    assert (outcome["woken"], outcome["givenUp"]) == (1, [])
    found = Purchase.objects.get()
    assert (found.attempts, found.due_at is not None, dead_letters.depth()) == (0, True, 0)


def test_an_intent_that_nothing_wakes_is_named(run: Run, stuck: Purchase) -> None:
    outcome = run("backlog", "process", "--no-wait", "--json")
    assert (outcome.document["woken"], outcome.document["givenUp"]) == (0, [stuck.intent_id])
    assert stuck.intent_id in outcome.err


def test_what_is_due_already_and_what_waits_for_coins_is_counted(run: Run, make_purchase: Make) -> None:
    for number in range(2):
        make_purchase(f"A-{number}")
        pay(f"A-{number}", 10, receipt=f"SGR7XK21Q{number}")
    Purchase.objects.filter(tx_ref="A-1").update(state="cleared", due_at=None, waits_for="evm:31337 KES")
    outcome = run("backlog", "process", "--no-wait", "--json").document
    assert (outcome["woken"], outcome["dueAlready"], outcome["givenUp"]) == (1, 1, [])
    assert Purchase.objects.get(tx_ref="A-1").due_at is not None


def test_an_empty_backlog_is_settled(run: Run) -> None:
    outcome = run("backlog", "process", "--json")
    assert (outcome.code, outcome.document["unsettled"]) == (0, 0)
    assert "no worker is running (last seen: never)" in outcome.err


def test_the_backlog_command_may_leave_at_once(run: Run, stuck: Purchase) -> None:
    assert run("backlog", "process", "--no-wait").code == 0
