"""What the ledger says: balances, the payment equation, and intents that were minted beyond what was paid.

Each is one statement, so it sees one instant, and scans the postings: reports and checks, not the payment
path.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from fiatrails.ledger import accounts
from fiatrails.ledger.accounts import AccountKind, EntryKind


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """Totals of one account in minor or base units; both are >= 0."""

    code: str
    kind: AccountKind
    currency: str
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        """Debits less credits: positive for what we own, negative for what we owe."""
        return self.debits - self.credits


@dataclass(frozen=True, slots=True)
class Equation:
    """*paid = minted + pending + suspense + refunded* in minor units of `currency`.

    `paid` and `refunded` are what payment and refund entries moved through cash; the others are account
    balances whatever moved them, so an entry that takes money where it does not belong shows. Corrections by
    hand that touch those accounts are `adjusted`, and count beside `paid`.
    """

    currency: str
    paid: int
    minted: int
    pending: int
    suspense: int
    refunded: int
    adjusted: int

    @property
    def holds(self) -> bool:
        """Whether both sides are equal and nothing was given out that was not there."""
        right = (self.minted, self.pending, self.suspense, self.refunded)
        return self.paid + self.adjusted == sum(right) and min(right) >= 0


_TRIAL_BALANCE = """
SELECT account.code, account.kind, account.currency,
       coalesce(sum(posting.amount) FILTER (WHERE posting.amount > 0), 0),
       coalesce(-sum(posting.amount) FILTER (WHERE posting.amount < 0), 0)
FROM ledger_account account
LEFT JOIN (
    SELECT account_id, sum(amount) AS amount FROM ledger_posting GROUP BY account_id, sign(amount)
) posting ON posting.account_id = account.id
GROUP BY account.id
ORDER BY account.currency, account.code
"""
_EQUATION = """
SELECT coalesce(sum(total) FILTER (WHERE kind = %(payment)s AND code LIKE 'cash:%%'), 0),
       coalesce(-sum(total) FILTER (WHERE code = %(minted)s), 0),
       coalesce(-sum(total) FILTER (WHERE code = %(pending)s), 0),
       coalesce(-sum(total) FILTER (WHERE code = %(suspense)s), 0),
       coalesce(-sum(total) FILTER (WHERE kind = %(refund)s AND code LIKE 'cash:%%'), 0),
       coalesce(-sum(total) FILTER (WHERE kind = %(adjustment)s
                                    AND code IN (%(minted)s, %(pending)s, %(suspense)s)), 0)
FROM (
    SELECT entry.kind, account.code, sum(posting.amount) AS total
    FROM ledger_account account
    JOIN ledger_posting posting ON posting.account_id = account.id
    JOIN ledger_entry entry ON entry.id = posting.entry_id
    WHERE account.currency = %(currency)s
    GROUP BY entry.kind, account.code
) movement
"""
_OVERDRAWN = """
SELECT entry.reference, sum(posting.amount)
FROM ledger_account account
JOIN ledger_posting posting ON posting.account_id = account.id
JOIN ledger_entry entry ON entry.id = posting.entry_id
WHERE account.code = %s
GROUP BY entry.reference
HAVING sum(posting.amount) > 0
ORDER BY entry.reference
LIMIT %s
"""


def trial_balance() -> list[AccountBalance]:
    """Every account, by currency and code. Debits equal credits per currency, or somebody tampered."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIAL_BALANCE)
        return [
            AccountBalance(code, AccountKind(kind), currency, int(debits), int(credits))
            for code, kind, currency, debits, credits in cursor.fetchall()
        ]


def equation(currency: str) -> Equation:
    """The payment equation of one fiat currency (`KES`); all zero when nothing was posted in it."""
    parameters = {
        "currency": currency,
        "minted": accounts.minted(currency),
        "pending": accounts.pending(currency),
        "suspense": accounts.suspense(currency),
        "payment": EntryKind.PAYMENT.value,
        "refund": EntryKind.REFUND.value,
        "adjustment": EntryKind.ADJUSTMENT.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_EQUATION, parameters)
        paid, minted, pending, suspense, refunded, adjusted = map(int, cursor.fetchone() or (0,) * 6)
    return Equation(currency, paid, minted, pending, suspense, refunded, adjusted)


def overdrawn(currency: str, *, limit: int = 100) -> list[tuple[str, int]]:
    """Intents that were minted or refunded beyond what was paid for them: (intent id, minor units too
    much)."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERDRAWN, [accounts.pending(currency), limit])
        return [(reference, int(excess)) for reference, excess in cursor.fetchall()]
