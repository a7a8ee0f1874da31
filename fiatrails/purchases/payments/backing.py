"""What the books hold for a purchase. Its row says `paid`; only the ledger's entries say that money came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from fiatrails.engine import dead_letters
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.money import Money
from fiatrails.kernel.rows import json_rows
from fiatrails.purchases import letters
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, hold

ALARM = "notInBooks"
# By the keys that `ledger.entries` gives to what may move an intent's money: each is one look into a unique index. An
# index over references would cost every callback a write. The entry names the intent too, so that pointing a payment
# of another one at this purchase brings nothing.
_IN_BOOKS = """
WITH wanted AS (
    SELECT intent_id, account FROM json_to_recordset(%s::json) AS t(intent_id text, account text)
), moved AS (
    SELECT wanted.intent_id, account, unnest(ARRAY[
        'payment:' || provider || ':' || money, 'match:' || provider || ':' || money,
        'refund:' || wanted.intent_id || ':' || money]) AS key
    FROM wanted JOIN (
        SELECT p.intent_id, p.provider, coalesce(nullif(p.receipt, ''), event.event_key) AS money
        FROM rb_core_payment p JOIN rb_core_inbox_event event ON event.id = p.id
        WHERE p.intent_id IN (SELECT intent_id FROM wanted)
    ) payment ON payment.intent_id = wanted.intent_id
    UNION ALL
    SELECT intent_id, account, unnest(ARRAY[
        'adjustment:over:' || intent_id, 'adjustment:short:' || intent_id, 'adjustment:undone:' || intent_id,
        'refund:' || intent_id, 'mint:' || intent_id])
    FROM wanted
)
SELECT moved.intent_id, -sum(posting.amount)
FROM moved
JOIN ledger_entry entry ON entry.key = moved.key AND entry.reference = moved.intent_id
JOIN ledger_posting posting ON posting.entry_id = entry.id
JOIN ledger_account account ON account.id = posting.account_id AND account.code = moved.account
GROUP BY moved.intent_id
"""


def in_books(purchases: Sequence[Purchase]) -> dict[str, int]:
    """Return what the ledger holds for each of the purchases and was neither minted nor refunded, in minor units, by
    intent id. One statement, whatever their number."""
    if not purchases:
        return {}
    wanted = [{"intent_id": each.intent_id, "account": f"pending:{each.fiat_currency}"} for each in purchases]
    with connection.cursor() as cursor:
        cursor.execute(_IN_BOOKS, [json_rows(wanted)])
        found = {str(intent_id): int(amount) for intent_id, amount in cursor.fetchall()}
    return {each.intent_id: found.get(each.intent_id, 0) for each in purchases}


def hold_unbacked(purchases: Sequence[Purchase], *, now: datetime) -> list[Step]:
    """Hold, in memory, those of the locked purchases whose price the books do not hold, with an alarm each, and return
    their steps. What they say was paid becomes what the books hold."""
    held = in_books(purchases)
    return [_hold(each, held[each.intent_id], now) for each in purchases if held[each.intent_id] < each.fiat_expected]


def _hold(purchase: Purchase, held_minor: int, now: datetime) -> Step:
    expected = Money(purchase.fiat_currency, purchase.fiat_expected)
    claimed = Money(purchase.fiat_currency, purchase.fiat_paid)
    purchase.fiat_paid = max(0, held_minor)
    books = Money(purchase.fiat_currency, purchase.fiat_paid)
    reason = f"the row said {purchase.state} with {claimed}, the books hold {books} of {expected}"
    dead_letters.add(
        operation=ALARM,
        subject=purchase.intent_id,
        attempts=1,
        last_error=f"{reason}: rows were changed by hand, or entries were lost; nothing is minted",
        error_class=dead_letters.PERMANENT,
        payload=letters.payload(purchase),
        now=now,
    )
    hold(purchase, Hold.NOT_IN_BOOKS, now=now, reason=reason)
    return Step(purchase.intent_id, purchase.state, "books", reason)


def clear_alarms(*, now: datetime) -> int:
    """End the alarms of purchases that are no longer held for the books; return how many ended."""
    letters = DeadLetter.objects.filter(operation=ALARM, state=DeadLetter.State.OPEN)
    open_ones = set(letters.values_list("subject", flat=True)[:1_000])
    waiting = Purchase.objects.filter(intent_id__in=open_ones, state=State.HELD.value, hold=Hold.NOT_IN_BOOKS.value)
    ended = open_ones - set(waiting.values_list("intent_id", flat=True))
    for intent_id in sorted(ended):
        dead_letters.close_alarm(
            ALARM, intent_id, reason="the intent is no longer held for the books", actor="worker", now=now
        )
    return len(ended)
