"""What the chain reported of an order, applied to purchase and ledger; the submitter's reports are the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from fiatrails.chains.core.chain import Outcome, OutcomeKind
from fiatrails.chains.evm.models import SlotIntent
from fiatrails.engine.models import DeadLetter
from fiatrails.ledger.balances import trial_balance
from fiatrails.ledger.models import Entry
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.ledger.verify import equation
from fiatrails.operations.replay import open_items, replay_item
from fiatrails.purchases import decisions
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.outcomes import collect_outcomes
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN
from tests.integration.purchases.stage import Stage, fresh, lane, letters, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]
Tell = Callable[..., int]
HASH = "0x" + "77" * 32


@pytest.fixture
def submitted(pay_for: Make, stage: Stage) -> Make:
    """A purchase whose order owns a nonce."""

    def make(tx_ref: str = "TX-1") -> Purchase:
        if not Purchase.objects.exists():
            lane(stage.clock)
        purchase = pay_for(tx_ref)
        stage.settle()
        assert fresh(purchase).state == "submitting"
        return fresh(purchase)

    return make


@pytest.fixture
def tell(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Has the submitter report outcomes, all in one batch."""

    def report(*outcomes: Outcome) -> int:
        monkeypatch.setattr("fiatrails.chains.evm.chain.EvmChain.collect", lambda *_, **__: list(outcomes))
        return collect_outcomes(now=stage.clock.now())

    return report


def news(purchase: Purchase, kind: OutcomeKind, *, code: str = "", block: int | None = 5) -> Outcome:
    on_chain = kind in (OutcomeKind.MINED, OutcomeKind.EXECUTED)
    return Outcome(purchase.intent_id, kind, HASH if on_chain else None, block if on_chain else None, code)


def test_mined_then_executed_posts_the_mint(submitted: Make, tell: Tell, stage: Stage) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.MINED))
    found = fresh(purchase)
    assert (found.state, found.delivery.transaction, found.delivery.place) == ("mined", HASH, 5)
    assert equation("KES").minted == 0
    tell(news(purchase, OutcomeKind.EXECUTED))
    found = fresh(purchase)
    assert (found.state, found.executed_at) == ("executed", stage.clock.now())
    assert (equation("KES").minted, equation("KES").pending) == (1000, 0)
    assert {a.code: a.balance for a in trial_balance()}["token_supply:KES.token"] == -10 * TOKEN
    assert timeline(purchase)[-3:] == ["submitting", "mined", "executed"]
    acts.require_clean_books()


def test_a_reorganisation_takes_mined_back(submitted: Make, tell: Tell) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.MINED))
    tell(news(purchase, OutcomeKind.UNMINED))
    found = fresh(purchase)
    placed = (found.delivery.transaction, found.delivery.place)
    assert (found.state, *placed, found.due_at) == ("submitting", None, None, None)
    tell(news(purchase, OutcomeKind.MINED, block=6))
    assert (fresh(purchase).state, fresh(purchase).delivery.place) == ("mined", 6)


def test_executed_without_a_word_of_mined_is_executed(submitted: Make, tell: Tell) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.EXECUTED))
    assert (fresh(purchase).state, fresh(purchase).delivery.transaction) == ("executed", HASH)
    acts.require_clean_books()


def test_executed_twice_posts_once(submitted: Make, tell: Tell) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.EXECUTED), news(purchase, OutcomeKind.EXECUTED))
    tell(news(purchase, OutcomeKind.EXECUTED))
    assert Entry.objects.filter(kind="mint").count() == 1
    assert (equation("KES").minted, timeline(purchase).count("executed")) == (1000, 1)
    acts.require_clean_books()


@pytest.mark.parametrize("kind", [OutcomeKind.MINED, OutcomeKind.UNMINED, OutcomeKind.RELEASED])
def test_late_news_of_what_is_executed_changes_nothing(submitted: Make, tell: Tell, kind: OutcomeKind) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.EXECUTED))
    tell(news(purchase, kind))
    delivery = fresh(purchase).delivery
    assert (fresh(purchase).state, delivery.transaction, delivery.releases) == ("executed", HASH, 0)
    acts.require_clean_books()


def test_a_payer_who_lost_compliance_on_the_way_is_asked_about_again(submitted: Make, tell: Tell, stage: Stage) -> None:
    purchase = submitted()
    stage.registry.refused.add(purchase.delivery.recipient)
    tell(news(purchase, OutcomeKind.RELEASED, code="not_compliant"))
    found = fresh(purchase)
    assert (found.state, found.due_at, found.delivery.releases) == ("paid", stage.clock.now(), 1)
    stage.step()
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "not_compliant")


@pytest.mark.parametrize(
    "code",
    [
        "invalid_amount",
        "invalid_user",
        "over_per_mint_limit",
        "token_refused",
        "escrow_pending",
        "escrow_refunded",
        "escrow_failed",
    ],
)
def test_what_a_repetition_cannot_change_waits_for_a_person(
    submitted: Make, tell: Tell, stage: Stage, code: str
) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.RELEASED, code=code))
    found = fresh(purchase)
    assert (found.state, found.hold, found.due_at) == ("held", "chain_refused", None)
    assert code in found.reason
    assert stage.step(days=3) == 0
    acts.require_clean_books()
    SlotIntent.objects.update(state="released")
    decisions.accept(intent_id=purchase.intent_id, actor="ops", reason="limit raised", now=stage.clock.now())
    stage.step()
    assert (fresh(purchase).state, SlotIntent.objects.count()) == ("submitting", 2)


@pytest.mark.parametrize("code", ["rate_limited", "reverted", "paused", ""])
def test_what_may_pass_is_ordered_again_alone_after_a_pause(
    submitted: Make, tell: Tell, stage: Stage, code: str
) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.MINED))
    tell(news(purchase, OutcomeKind.RELEASED, code=code))
    found = fresh(purchase)
    delivery = found.delivery
    assert (found.state, delivery.alone, delivery.releases, delivery.transaction) == ("paid", True, 1, None)
    assert found.due_at is not None
    assert found.due_at >= stage.clock.now() + timedelta(seconds=1)
    assert stage.step(milliseconds=900) == 0
    SlotIntent.objects.update(state="released")
    stage.step(seconds=60)
    assert (fresh(purchase).state, SlotIntent.objects.count()) == ("submitting", 2)


def test_an_order_that_the_chain_keeps_skipping_is_held_in_the_end(submitted: Make, tell: Tell, stage: Stage) -> None:
    purchase = submitted()
    for round_ in range(1, 9):
        tell(news(purchase, OutcomeKind.RELEASED, code="rate_limited"))
        assert fresh(purchase).delivery.releases == round_
        if round_ < 8:
            assert fresh(purchase).state == "paid"
            Purchase.objects.filter(pk=purchase.pk).update(state="submitting", due_at=None)
            Delivery.objects.update(state="submitting")
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "chain_refused")


def test_other_terms_than_ordered_raise_a_dead_letter_once(submitted: Make, tell: Tell) -> None:
    purchase = submitted()
    tell(news(purchase, OutcomeKind.MINED, code="terms_differ"))
    tell(news(purchase, OutcomeKind.EXECUTED, code="terms_differ"))
    assert letters() == [("mintTermsDiffer", purchase.intent_id)]
    letter = DeadLetter.objects.get()
    assert (letter.error_class, letter.payload["txHash"]) == ("permanent", HASH)
    assert fresh(purchase).state == "executed"


def test_news_of_an_unknown_purchase_is_logged_and_its_neighbours_are_applied(
    submitted: Make, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    purchase = submitted()
    stranger = Outcome("0x" + "99" * 32, OutcomeKind.EXECUTED, HASH, 5, "")
    assert tell(stranger, news(purchase, OutcomeKind.EXECUTED)) == 2
    assert fresh(purchase).state == "executed"
    assert "outcome.unknown_intent" in capsys.readouterr().out
    acts.require_clean_books()


def test_a_batch_is_applied_together_or_not_at_all(submitted: Make, tell: Tell, monkeypatch: Any) -> None:
    first, second = submitted("TX-1"), submitted("TX-2")

    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the ledger is away")

    with monkeypatch.context() as broken:
        broken.setattr("fiatrails.purchases.outcomes.post", refuse)
        tell(news(first, OutcomeKind.EXECUTED), news(second, OutcomeKind.EXECUTED))
    assert {fresh(first).state, fresh(second).state} == {"submitting"}
    assert Delivery.objects.filter(news__isnull=False).count() == 2
    tell(news(first, OutcomeKind.EXECUTED), news(second, OutcomeKind.EXECUTED))
    assert equation("KES").minted == 2000
    assert not Delivery.objects.filter(news__isnull=False).exists(), "what came again is not applied a third time"
    acts.require_clean_books()


class Ledger:
    """The ledger, which refuses the mints of some purchases, whatever else is posted with them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused: set[str] = set()
        monkeypatch.setattr("fiatrails.purchases.outcomes.post", self.post)

    def post(self, drafts: Sequence[EntryDraft], *, now: datetime) -> None:
        if self.refused & {draft.reference for draft in drafts}:
            raise RuntimeError("an entry of that key has other postings")
        post(drafts, now=now)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


def test_an_outcome_that_cannot_be_applied_stops_no_neighbour(
    submitted: Make, tell: Tell, stage: Stage, ledger: Ledger
) -> None:
    bad, *good = [submitted(f"TX-{n}") for n in range(3)]
    ledger.refused.add(bad.intent_id)
    assert tell(*(news(purchase, OutcomeKind.EXECUTED) for purchase in (bad, *good))) == 3
    stage.step()
    assert [fresh(purchase).state for purchase in (bad, *good)] == ["submitting", "executed", "executed"]
    assert (fresh(bad).delivery.attempts, fresh(bad).delivery.state) == (1, "submitting")
    assert "other postings" in fresh(bad).delivery.last_error
    assert equation("KES").minted == 2000
    acts.require_clean_books()


def test_an_outcome_that_failed_is_applied_once_it_can_be(
    submitted: Make, tell: Tell, stage: Stage, ledger: Ledger
) -> None:
    purchase = submitted()
    ledger.refused.add(purchase.intent_id)
    tell(news(purchase, OutcomeKind.EXECUTED))
    stage.step()
    ledger.refused.clear()
    assert stage.step() == 0, "retried only after a pause"
    stage.step(minutes=10)
    found = fresh(purchase)
    assert (found.state, found.delivery.transaction, found.delivery.news) == ("executed", HASH, None)
    assert (equation("KES").minted, stage.step(days=1)) == (1000, 0)
    acts.require_clean_books()


def test_an_outcome_that_keeps_failing_is_given_up_and_can_be_replayed(
    submitted: Make, tell: Tell, stage: Stage, ledger: Ledger
) -> None:
    purchase = submitted()
    ledger.refused.add(purchase.intent_id)
    tell(news(purchase, OutcomeKind.EXECUTED))
    for _ in range(12):
        stage.step(hours=1)
    assert letters() == [("applyOutcome", purchase.intent_id)]
    assert (fresh(purchase).state, fresh(purchase).delivery.due_at) == ("submitting", None)
    ledger.refused.clear()
    [letter] = open_items()
    assert replay_item(item_id=letter.item_id, actor="ops", now=stage.clock.now()).restarted
    stage.step()
    assert (fresh(purchase).state, letters()) == ("executed", [])
    acts.require_clean_books()


def test_what_comes_later_replaces_what_was_set_aside(
    submitted: Make, tell: Tell, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase = submitted()
    with monkeypatch.context() as broken:
        broken.setattr("fiatrails.purchases.outcomes.persist", lambda *_, **__: 1 / 0)
        tell(news(purchase, OutcomeKind.MINED, block=5))
    assert fresh(purchase).delivery.news["kind"] == "mined"
    tell(news(purchase, OutcomeKind.EXECUTED, block=6))
    stage.step(days=1)
    found = fresh(purchase)
    assert (found.state, found.delivery.place, found.delivery.news) == ("executed", 6, None)
    acts.require_clean_books()


def test_nothing_to_tell_is_no_work(tell: Tell) -> None:
    assert tell() == 0


def test_what_the_submitter_stored_is_told_once(submitted: Make, stage: Stage) -> None:
    """With the real `take`: mined and executed in two steps, then silence."""
    purchase = submitted()
    SlotIntent.objects.update(state="executed", tx_hash=HASH, block_number=5, report_due=True)
    assert [collect_outcomes(now=stage.clock.now()) for _ in range(3)] == [1, 1, 0]
    assert timeline(purchase)[-2:] == ["mined", "executed"]
    acts.require_clean_books()


def test_a_mint_that_no_row_expects_raises_an_alarm_and_stops_nobody(
    submitted: Make, pay_for: Make, tell: Tell
) -> None:
    """After a restored backup the chain may be ahead of the rows; the neighbours of that purchase go on."""
    waiting = submitted()
    unexpected = pay_for("TX-AHEAD")
    Purchase.objects.filter(pk=unexpected.pk).update(state="paid")
    tell(news(unexpected, OutcomeKind.EXECUTED), news(waiting, OutcomeKind.EXECUTED))
    assert fresh(unexpected).state == "paid"
    assert fresh(waiting).state == "executed"
    assert letters() == [("mintUnexpected", unexpected.intent_id)]
