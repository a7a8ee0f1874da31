"""Each invariant is broken once, past every guard of the database, and the violation names the offender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from fiatrails.chains.core.chain import Outcome, OutcomeKind
from fiatrails.chains.evm.contracts.history import MintEvent
from fiatrails.ledger.accounts import EntryKind
from fiatrails.ledger.entries import EntryDraft, PostingDraft
from fiatrails.ledger.posting import post
from fiatrails.operations.invariants.checks import Violation, check_books, check_chain, check_settled
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN, USER, paid
from tests.integration.purchases.stage import NO_POOL, Stage, fresh, lane, tampering

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]
HASH = "0x" + "77" * 32
OTHER = "0x" + "b2" * 20


class World:
    """One purchase in each interesting state, brought there by the product itself."""

    def __init__(self, pay_for: Make, make_purchase: Make, stage: Stage, patch: pytest.MonkeyPatch) -> None:
        lane(stage.clock)
        self.minted = pay_for("TX-MINTED")
        stage.settle()
        seen = [Outcome(self.minted.intent_id, OutcomeKind.EXECUTED, HASH, 5, "")]
        patch.setattr("fiatrails.chains.evm.chain.EvmChain.collect", lambda *_, **__: seen)
        collect_outcomes(now=stage.clock.now())
        self.submitted = pay_for("TX-SUBMITTED")
        stage.settle()
        self.refunded = pay_for("TX-REFUNDED")
        refunds.refund(
            intent_id=self.refunded.intent_id,
            actor="ops",
            reason="asked",
            now=stage.clock.now(),
            external_reference="bank-17",
        )
        self.held = pay_for("TX-HELD", kes=9)
        self.waiting = make_purchase("TX-WAITING", now=stage.clock.now())
        record_payments([paid("TX-STRANGER", 10, receipt="R9")], now=stage.clock.now())
        self.paid = pay_for("TX-PAID")


@pytest.fixture
def world(pay_for: Make, make_purchase: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(pay_for, make_purchase, stage, monkeypatch)


def tamper(statement: str, *parameters: object) -> None:
    with tampering() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount != 0, "nothing was tampered with"


def found(violations: list[Violation]) -> dict[str, tuple[str, ...]]:
    return {violation.invariant: violation.offenders for violation in violations}


MONEY = "the money of an intent is what its credited payments add up to"
UNPAID = "an intent that waits for money or ended without it has none"
RECEIPT = "a receipt is credited once"
ONE_SLOT = "an intent owns at most one place in a nonce slot"
CLEARED = "nothing is submitted without a clearance"
MINTED = "an executed intent has its mint in the ledger, and no other has"
LEDGER = "the ledger verifies"
AUDIT = "the audit trail verifies"
EQUATION = "paid = minted + pending + refunded"
OVERDRAWN = "no intent is minted beyond what was paid"
PENDING = "pending in the ledger = money of open intents"


def test_an_untouched_database_has_no_findings(world: World) -> None:
    assert sorted(Purchase.objects.values_list("state", flat=True)) == [
        "awaiting_payment", "executed", "held", "paid", "refunded", "submitting",
    ]  # fmt: skip
    assert check_books() == []


def test_an_empty_database_has_no_findings(db: None) -> None:
    assert [*check_books(), *check_settled()] == []


def test_money_that_no_payment_brought(world: World) -> None:
    tamper("UPDATE purchases_purchase SET fiat_paid = fiat_paid + 1 WHERE intent_id = %s", world.held.intent_id)
    assert found(check_books())[MONEY] == (world.held.intent_id,)
    assert PENDING in found(check_books())


def test_a_payment_that_was_moved_to_another_purchase(world: World) -> None:
    tamper(
        "UPDATE rb_core_payment SET intent_id = %s WHERE intent_id = %s",
        world.waiting.intent_id,
        world.paid.intent_id,
    )
    assert set(found(check_books())[MONEY]) == {world.waiting.intent_id, world.paid.intent_id}


def test_money_of_a_purchase_that_ended(world: World) -> None:
    with tampering() as cursor:
        cursor.execute("ALTER TABLE purchases_purchase DROP CONSTRAINT purchase_money_not_lost")
        try:
            cursor.execute("UPDATE purchases_purchase SET state = 'expired' WHERE id = %s", [world.paid.pk])
            findings = found(check_books())
        finally:
            cursor.execute("UPDATE purchases_purchase SET state = 'paid' WHERE id = %s", [world.paid.pk])
            cursor.execute(
                "ALTER TABLE purchases_purchase ADD CONSTRAINT purchase_money_not_lost"
                " CHECK (NOT (state IN ('expired', 'cancelled', 'failed')) OR fiat_paid = 0)"
            )
    assert findings[UNPAID] == (world.paid.intent_id,)


def test_money_of_a_purchase_that_still_waits_for_it(world: World) -> None:
    tamper("UPDATE purchases_purchase SET fiat_paid = 1000 WHERE intent_id = %s", world.waiting.intent_id)
    assert found(check_books())[UNPAID] == (world.waiting.intent_id,)


def test_a_receipt_that_was_credited_twice(world: World) -> None:
    with tampering() as cursor:
        cursor.execute("DROP INDEX payment_receipt_once")
        try:
            cursor.execute("UPDATE rb_core_payment SET receipt = 'RTX-PAID' WHERE receipt = 'R9'")
            findings = found(check_books())
        finally:
            cursor.execute("UPDATE rb_core_payment SET receipt = 'R9' WHERE tx_ref = 'TX-STRANGER'")
            cursor.execute(
                "CREATE UNIQUE INDEX payment_receipt_once ON rb_core_payment (provider, receipt) WHERE credits"
            )
    assert findings[RECEIPT] == ("mpesa:RTX-PAID",)


def test_a_purchase_in_two_slots(world: World, stage: Stage) -> None:
    row = acts.occupy_slot(world.submitted, stage.clock, state="released")
    with tampering() as cursor:
        cursor.execute("DROP INDEX intent_in_one_slot")
        try:
            cursor.execute("UPDATE evm_slot_intent SET state = 'live' WHERE id = %s", [row.pk])
            findings = found(check_books())
        finally:
            cursor.execute("UPDATE evm_slot_intent SET state = 'released' WHERE id = %s", [row.pk])
            cursor.execute(
                "CREATE UNIQUE INDEX intent_in_one_slot ON evm_slot_intent (intent_id) WHERE state <> 'released'"
            )
    assert findings == {ONE_SLOT: (world.submitted.intent_id,)}


@pytest.mark.parametrize("how", ["DELETE FROM compliance_decision", "UPDATE compliance_decision SET cleared = false"])
def test_an_order_without_a_clearance(world: World, how: str) -> None:
    tamper(f"{how} WHERE intent_id = %s", world.submitted.intent_id)
    assert found(check_books()) == {CLEARED: (world.submitted.intent_id,)}


def test_an_executed_purchase_without_its_mint(world: World) -> None:
    tamper("UPDATE purchases_purchase SET state = 'executed' WHERE intent_id = %s", world.submitted.intent_id)
    assert found(check_books())[MINTED] == (world.submitted.intent_id,)


def test_a_mint_of_a_purchase_that_is_not_executed(world: World) -> None:
    tamper("UPDATE purchases_purchase SET state = 'mined' WHERE intent_id = %s", world.minted.intent_id)
    assert found(check_books())[MINTED] == (world.minted.intent_id,)


def test_a_mint_of_a_purchase_that_does_not_exist(world: World) -> None:
    tamper("DELETE FROM purchases_purchase WHERE intent_id = %s", world.minted.intent_id)
    assert found(check_books())[MINTED] == (world.minted.intent_id,)


def test_an_entry_that_was_rewritten(world: World) -> None:
    tamper("UPDATE ledger_entry SET memo = 'x' WHERE kind = 'mint'")
    [problem] = found(check_books())[LEDGER]
    assert problem.startswith("chain broken at")


def test_a_guard_that_was_switched_off(world: World) -> None:
    tamper("ALTER TABLE ledger_posting DISABLE TRIGGER append_only")
    try:
        findings = found(check_books())
    finally:
        tamper("ALTER TABLE ledger_posting ENABLE TRIGGER append_only")
    assert findings == {LEDGER: ("guard missing or disabled: append_only on ledger_posting",)}


def test_an_audit_record_that_was_rewritten(world: World) -> None:
    tamper("UPDATE controls_audit_record SET actor = 'nobody'")
    assert list(found(check_books())) == [AUDIT]


def test_money_that_left_beside_the_books(world: World) -> None:
    tamper(
        "UPDATE ledger_posting SET amount = amount + 100 WHERE amount < 0 AND entry_id ="
        " (SELECT id FROM ledger_entry WHERE kind = 'payment' AND reference = %s)",
        world.paid.intent_id,
    )
    findings = found(check_books())
    assert "KES" in findings[EQUATION][0]
    assert findings[PENDING] == ("KES: 2800 and 2900",)


def test_a_mint_beyond_what_was_paid(world: World) -> None:
    tamper(
        "UPDATE ledger_posting SET amount = amount * 2 WHERE currency = 'KES' AND entry_id ="
        " (SELECT id FROM ledger_entry WHERE kind = 'mint')"
    )
    [offender] = found(check_books())[OVERDRAWN]
    assert offender == f"{world.minted.intent_id}: 1000"


def test_an_open_purchase_that_is_gone(world: World) -> None:
    tamper("DELETE FROM purchases_purchase WHERE intent_id = %s", world.paid.intent_id)
    assert found(check_books())[PENDING] == ("KES: 2900 and 1900",)


def test_money_in_a_currency_that_no_country_of_the_profile_has(world: World, stage: Stage) -> None:
    lines = (
        PostingDraft("cash:stripe:USD", 500),
        PostingDraft("pending:USD", -400),
        PostingDraft("fees:stripe:USD", -100),
    )
    with transaction.atomic():
        post([EntryDraft("payment:stripe:1", EntryKind.PAYMENT, "", lines)], now=stage.clock.now())
    findings = found(check_books())
    assert "USD" in findings[EQUATION][0]
    assert findings[PENDING] == ("USD: 400 and 0",)


def test_a_purchase_whose_money_is_in_a_currency_without_postings(world: World) -> None:
    tamper("UPDATE purchases_purchase SET fiat_currency = 'USD' WHERE intent_id = %s", world.paid.intent_id)
    offenders = [offender for f in check_books() if f.invariant == PENDING for offender in f.offenders]
    assert offenders == ["KES: 2900 and 1900", "USD: 0 and 1000"]


def test_what_is_left_half_way(world: World) -> None:
    assert set(found(check_settled())["everything settles"]) == {
        f"{world.paid.intent_id} paid",
        f"{world.submitted.intent_id} submitting",
    }


# -- against the chain -------------------------------------------------------------------------------------------


@pytest.fixture
def chain(world: World, monkeypatch: pytest.MonkeyPatch) -> list[MintEvent]:
    """What the chain shows: exactly the one mint. A test adds to it or takes from it."""
    seen = [MintEvent(world.minted.intent_id, USER, 10 * TOKEN, HASH, 5)]
    monkeypatch.setattr("fiatrails.chains.evm.contracts.history.head", lambda *, pool: 9)
    monkeypatch.setattr("fiatrails.chains.evm.contracts.history.mints", lambda **_: iter(seen))
    return seen


def compared() -> dict[str, tuple[str, ...]]:
    return found(check_chain(pool=NO_POOL))


def test_a_chain_that_agrees_has_no_findings(chain: Any) -> None:
    assert compared() == {}


def test_a_payment_that_was_minted_twice(world: World, chain: list[MintEvent]) -> None:
    chain.append(chain[0])
    findings = compared()
    assert findings["one payment, one mint"] == (world.minted.intent_id,)
    assert findings["token supply by our mints = ledger"] == (f"chain {20 * TOKEN}, ledger {10 * TOKEN}",)


@pytest.mark.parametrize(("user", "amount"), [(OTHER, 10 * TOKEN), (USER, 11 * TOKEN)])
def test_a_mint_of_other_terms(world: World, chain: list[MintEvent], user: str, amount: int) -> None:
    chain[0] = MintEvent(world.minted.intent_id, user, amount, HASH, 5)
    [offender] = compared()["every mint is the one that was paid for"]
    assert offender == f"{world.minted.intent_id}: minted {amount} to {user}"


def test_a_mint_that_nobody_ordered(chain: list[MintEvent]) -> None:
    stranger = "0x" + "99" * 32
    chain.append(MintEvent(stranger, USER, TOKEN, HASH, 6))
    assert compared() == {"every mint is the one that was paid for": (f"{stranger}: minted, and unknown here",)}


def test_a_mint_of_what_was_not_paid(world: World, chain: list[MintEvent]) -> None:
    chain.append(MintEvent(world.held.intent_id, USER, 10 * TOKEN, HASH, 6))
    expected = (f"{world.held.intent_id}: minted without its payment",)
    assert compared() == {"every mint is the one that was paid for": expected}


def test_a_mint_of_what_was_refunded(world: World, chain: list[MintEvent]) -> None:
    """Its payment came in full, and went back: minting it gives the money out twice."""
    assert fresh(world.refunded).fiat_paid == 1000
    chain.append(MintEvent(world.refunded.intent_id, USER, 10 * TOKEN, HASH, 6))
    expected = (f"{world.refunded.intent_id}: minted and refunded",)
    assert compared() == {"every mint is the one that was paid for": expected}


def test_an_executed_purchase_that_the_chain_does_not_know(world: World, chain: list[MintEvent]) -> None:
    chain.clear()
    assert compared()["what is called executed is on the chain"] == (world.minted.intent_id,)


def test_token_supply_that_the_ledger_tells_otherwise(chain: Any) -> None:
    tamper(
        "UPDATE ledger_posting SET amount = amount * 2 WHERE account_id ="
        " (SELECT id FROM ledger_account WHERE code = 'token_supply:KES.token')"
    )
    assert compared()["token supply by our mints = ledger"] == (f"chain {10 * TOKEN}, ledger {20 * TOKEN}",)
