"""The invariants. Each check returns violations; none means that it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Sum

from fiatrails.chains.core.chain import History, Settlement
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.registry import chains
from fiatrails.controls import audit
from fiatrails.ledger.accounts import EntryKind
from fiatrails.ledger.balances import credited_by_kind, currencies, equation, overdrawn
from fiatrails.ledger.verify import verify
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.states import PENDING_MONEY, DeliveryState, State

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated invariant, with the first offenders."""

    invariant: str
    offenders: tuple[str, ...]


# Each selects the ids that violate the sentence.
_BOOK_QUERIES = {
    "the money of an intent is what its credited payments add up to": """
        SELECT b.intent_id FROM purchases_purchase b
        LEFT JOIN (SELECT p.intent_id, sum(p.amount_minor) AS paid
                     FROM rb_core_payment p JOIN rb_core_inbox_event m ON m.id = p.id
                    WHERE p.state = 'applied' OR p.state = 'refunded' AND NOT EXISTS (
                          -- Surplus that went back was never the purchase's.
                          SELECT FROM ledger_entry s
                           WHERE s.key = 'refund:' || p.provider || ':' || coalesce(p.receipt, m.event_key))
                    GROUP BY p.intent_id) e USING (intent_id)
        LEFT JOIN (SELECT entry.reference AS intent_id, -sum(posting.amount) AS adjusted
                     FROM ledger_entry entry JOIN ledger_posting posting ON posting.entry_id = entry.id
                     JOIN ledger_account account ON account.id = posting.account_id
                    WHERE entry.kind = 'adjustment' AND account.code LIKE 'pending:%%'
                    GROUP BY entry.reference) a USING (intent_id)
        WHERE b.fiat_paid <> coalesce(e.paid, 0) + coalesce(a.adjusted, 0)""",
    "an intent that waits for money or ended without it has none": """
        SELECT intent_id FROM purchases_purchase
        WHERE state IN ('awaiting_payment', 'expired', 'cancelled', 'failed') AND fiat_paid <> 0""",
    "a receipt is credited once": """
        SELECT provider || ':' || receipt FROM rb_core_payment WHERE credits
        GROUP BY provider, receipt HAVING count(*) > 1""",
    "an intent owns at most one place in a nonce slot": """
        SELECT intent_id FROM evm_slot_intent WHERE state <> 'released' GROUP BY intent_id HAVING count(*) > 1""",
    "nothing is submitted without a clearance": """
        SELECT s.intent_id FROM evm_slot_intent s
        WHERE NOT EXISTS (SELECT FROM compliance_decision d WHERE d.intent_id = s.intent_id AND d.cleared)""",
    "a purchase is executed when all its deliveries are": """
        SELECT b.intent_id FROM purchases_purchase b
        LEFT JOIN LATERAL (SELECT bool_and(d.state = 'executed') AS done FROM purchases_delivery d
                            WHERE d.purchase_id = b.id) d ON true
        WHERE (b.state = 'executed') IS DISTINCT FROM d.done""",
    "an executed intent has its mint in the ledger, and no other has": """
        SELECT coalesce(b.intent_id, e.reference) FROM purchases_purchase b
        FULL JOIN (SELECT reference FROM ledger_entry WHERE kind = 'mint') e ON e.reference = b.intent_id
        WHERE coalesce(b.state = 'executed', false) <> (e.reference IS NOT NULL)""",
}


def check_books() -> list[Violation]:
    """Check everything that the database alone can show, as of one instant."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # One snapshot for all the queries; beside running workers two statements would see two moments.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return [*_offending_rows(), *_ledger_violations(), *_pending_violations()]


def _offending_rows() -> Iterator[Violation]:
    for sentence, statement in _BOOK_QUERIES.items():
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} LIMIT %s", [SHOWN])
            offenders = tuple(str(row[0]) for row in cursor.fetchall())
        if offenders:
            yield Violation(sentence, offenders)


def _ledger_violations() -> Iterator[Violation]:
    result = verify()
    if not result.ok:
        yield Violation("the ledger verifies", result.problems)
    trail = audit.verify()
    if not trail.ok:
        yield Violation("the audit trail verifies", trail.problems)
    for currency in currencies():
        books = equation(currency)
        if not books.holds:
            yield Violation("paid = minted + pending + refunded", (str(books),))
        excess = overdrawn(currency)
        if excess:
            yield Violation("no intent is minted beyond what was paid", tuple(f"{i}: {m}" for i, m in excess[:SHOWN]))


def _pending_violations() -> Iterator[Violation]:
    """Compare the ledger's pending balance with the money of the purchases that are neither minted nor refunded."""
    rows = Purchase.objects.filter(state__in=[state.value for state in PENDING_MONEY])
    purchases = dict(rows.values_list("fiat_currency").annotate(Sum("fiat_paid")))
    for currency in sorted(purchases.keys() | set(currencies())):
        books, paid = equation(currency).pending, purchases.get(currency, 0)
        if paid != books:
            yield Violation("pending in the ledger = money of open intents", (f"{currency}: {books} and {paid}",))


def check_chain(*, pool: RpcPool) -> list[Violation]:
    """Compare every settlement on the chains with the rows: each delivery at most once, the exact amount to the exact
    recipient, none that was not paid for, and every executed delivery really there. Mints for deposits of others count
    in `check_supply`. The rows are read after the head of the chain was fixed; OutsideUnknown when a chain does not
    answer."""
    histories = {chain.name: chain.history(pool=pool) for chain in chains()}
    settlements = [settlement for history in histories.values() for settlement in history.settlements]
    return [*_double_mints(settlements), *_wrong_mints(settlements), *_missing_mints(histories), *_booked(settlements)]


def _double_mints(settlements: list[Settlement]) -> Iterator[Violation]:
    counts = Counter(mint.reference for mint in settlements)
    twice = tuple(reference for reference, count in counts.items() if count > 1)
    if twice:
        yield Violation("one payment, one mint", twice[:SHOWN])


def _wrong_mints(settlements: list[Settlement]) -> Iterator[Violation]:
    references = [mint.reference for mint in settlements]
    rows = Delivery.objects.filter(reference__in=references).select_related("purchase")
    known = {row.reference: row for row in rows}
    wrong = []
    for mint in settlements:
        delivery = known.get(mint.reference)
        if delivery is None:
            if not mint.outside:
                wrong.append(f"{mint.reference}: minted, and unknown here")
        elif (mint.recipient, mint.asset, mint.amount) != (delivery.recipient, delivery.asset, int(delivery.amount)):
            wrong.append(f"{mint.reference}: minted {mint.amount} to {mint.recipient}")
        elif delivery.purchase.fiat_paid != delivery.purchase.fiat_expected:
            wrong.append(f"{mint.reference}: minted without its payment")
        elif delivery.purchase.state in (State.REFUNDING, State.REFUNDED):
            wrong.append(f"{mint.reference}: minted and {delivery.purchase.state}")
    if wrong:
        yield Violation("every mint is the one that was paid for", tuple(wrong[:SHOWN]))


def _missing_mints(histories: Mapping[str, History]) -> Iterator[Violation]:
    missing: list[str] = []
    for name, history in histories.items():
        on_chain = {mint.reference for mint in history.settlements}
        executed = Delivery.objects.filter(chain=name, state=DeliveryState.EXECUTED.value, place__lte=history.until)
        references = executed.values_list("reference", flat=True)
        missing += [reference for reference in references if reference not in on_chain]
    if missing:
        yield Violation("what is called executed is on the chain", tuple(missing[:SHOWN]))


def _booked(settlements: list[Settlement]) -> Iterator[Violation]:
    """Compare the mints that the ledger books for purchases with those of the purchases that the rows call executed."""
    executed = set(Delivery.objects.filter(purchase__state=State.EXECUTED.value).values_list("reference", flat=True))
    minted = sum(mint.amount for mint in settlements if mint.reference in executed)
    ledger = sum(kinds.get(EntryKind.MINT, 0) for kinds in credited_by_kind("token_supply").values())
    if minted != ledger:
        yield Violation("token supply by our mints = ledger", (f"chain {minted}, ledger {ledger}",))


def check_settled() -> list[Violation]:
    """Check, when faults have stopped and time has passed, that nothing is left half-way and nothing waits for a
    person."""
    half_way = [s.value for s in PENDING_MONEY if s is not State.HELD]
    left = Purchase.objects.filter(state__in=half_way).values_list("intent_id", "state")[:SHOWN]
    return [Violation("everything settles", tuple(f"{i} {s}" for i, s in left))] if left else []
