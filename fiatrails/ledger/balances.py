"""What the ledger says: balances, the payment equation, and intents that were minted beyond what was paid.

`balance` and `balances_of` take the same short time however long the history is, and may be asked on a payment's path.
The others scan the postings, each in one statement, so that it sees one instant: reports and checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from fiatrails.ledger import accounts
from fiatrails.ledger.accounts import FAMILIES, TERM_OF_KIND, EquationTerm, Side, account_spec
from fiatrails.ledger.models import Account

_OWED_SIDES = (Side.PENDING, Side.DELIVERED, Side.SUSPENSE)


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """Totals of one account in minor or base units; both are >= 0."""

    code: str
    kind: str
    currency: str
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        """Debits less credits: positive for what we own, negative for what we owe."""
        return self.debits - self.credits


@dataclass(frozen=True, slots=True)
class Equation:
    """*paid + adjusted = pending + delivered + suspense + returned* in the smallest units of `currency`.

    `paid` and `returned` are what entries of those terms moved through cash. `owed` are the balances of the families on
    the other sides, by family and whatever moved them, so an entry that takes money where it does not belong shows.
    Corrections by hand that touch those families are `adjusted`, and count beside `paid`.

    Where everything is delivered as country tokens, `delivered` is `minted`, and the sentence reads *paid = minted +
    pending + suspense + refunded*.
    """

    currency: str
    paid: int
    returned: int
    adjusted: int
    owed: Mapping[str, int]

    def side(self, side: Side) -> int:
        """Return the sum of one side's families."""
        return sum(amount for family, amount in self.owed.items() if FAMILIES[family].side is side)

    @property
    def pending(self) -> int:
        """What known payers paid and neither got nor got back."""
        return self.side(Side.PENDING)

    @property
    def delivered(self) -> int:
        """What stands against tokens, creators and the platform."""
        return self.side(Side.DELIVERED)

    @property
    def suspense(self) -> int:
        """What was received for no intent."""
        return self.side(Side.SUSPENSE)

    @property
    def minted(self) -> int:
        """The part of `delivered` that stands behind country tokens."""
        return self.owed["minted"]

    @property
    def refunded(self) -> int:
        """Another name of `returned`."""
        return self.returned

    @property
    def holds(self) -> bool:
        """Whether both sides are equal and nothing was given out that was not there."""
        right = (*self.owed.values(), self.returned)
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
_MOVEMENTS = """
SELECT entry.kind, split_part(account.code, ':', 1) AS family, sum(posting.amount)
FROM ledger_account account
JOIN ledger_posting posting ON posting.account_id = account.id
JOIN ledger_entry entry ON entry.id = posting.entry_id
WHERE account.currency = %s
GROUP BY entry.kind, family
"""
_BY_KIND = """
SELECT account.code, entry.kind, -sum(posting.amount)
FROM ledger_account account
JOIN ledger_posting posting ON posting.account_id = account.id
JOIN ledger_entry entry ON entry.id = posting.entry_id
WHERE split_part(account.code, ':', 1) = %s
GROUP BY account.code, entry.kind
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
# What links the chain grew by since the newest checkpoint is bounded, and each is found by its number. The bound is
# read first and given as a constant: from a subquery the planner would expect a third of the chain. A checkpoint that
# is written meanwhile changes nothing, as this statement goes by the bound.
_LAST_CHECKPOINT = """
SELECT account.id, coalesce((SELECT max(seq) FROM ledger_checkpoint), 0) FROM ledger_account account WHERE code = %s
"""
_BALANCE = """
SELECT coalesce((SELECT balance FROM ledger_checkpoint WHERE account_id = %(account)s AND seq <= %(seq)s
                 ORDER BY seq DESC LIMIT 1), 0)
     + coalesce((SELECT sum(posting.amount) FROM ledger_chain link
                 JOIN ledger_posting posting ON posting.entry_id = link.entry_id
                 WHERE link.seq > %(seq)s AND posting.account_id = %(account)s), 0)
"""
_CURRENCIES = "SELECT DISTINCT currency FROM ledger_account WHERE split_part(code, ':', 1) = ANY (%s) ORDER BY 1"


def balance(account_code: str) -> int:
    """Return debits less credits of one account in its smallest unit, from closed entries: those that are committed.

    What the caller's own transaction has posted is not counted yet. 0 for an account that was never posted to;
    BadInput for one outside the chart.
    """
    account_spec(account_code)
    with connection.cursor() as cursor:
        cursor.execute(_LAST_CHECKPOINT, [account_code])
        found = cursor.fetchone()
        if found is None:
            return 0
        cursor.execute(_BALANCE, {"account": found[0], "seq": found[1]})
        [amount] = cursor.fetchone() or (0,)
    return int(amount)


def balances_of(family: str) -> dict[str, int]:
    """Return `balance` of every account of a family of few accounts, by code."""
    codes = Account.objects.filter(code__startswith=f"{family}:").values_list("code", flat=True)
    return {code: balance(code) for code in codes.order_by("code")}


def trial_balance() -> list[AccountBalance]:
    """Return every account, by currency and code. Debits equal credits per currency, or somebody tampered."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIAL_BALANCE)
        return [
            AccountBalance(code, kind, currency, int(debits), int(credits))
            for code, kind, currency, debits, credits in cursor.fetchall()
        ]


def credited_by_kind(family: str) -> dict[str, dict[str, int]]:
    """Return per account of the family what entries of each kind credited to it, debits taken off."""
    found: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_BY_KIND, [family])
        for code, kind, amount in cursor.fetchall():
            found.setdefault(code, {})[kind] = int(amount)
    return found


def currencies() -> list[str]:
    """Return the currencies in which anything was posted that the payment equation speaks of, sorted."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENCIES, [[name for name, family in FAMILIES.items() if family.side is not None]])
        return [currency for (currency,) in cursor.fetchall()]


def equation(currency: str) -> Equation:
    """Return the payment equation of one currency (`KES`); all zero when nothing was posted in it."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVEMENTS, [currency])
        moved = {(kind, family): int(amount) for kind, family, amount in cursor.fetchall()}
    cash = {name for name, family in FAMILIES.items() if family.side is Side.CASH}
    owing = [name for name, family in FAMILIES.items() if family.side in _OWED_SIDES]

    def total(term: EquationTerm, families: set[str]) -> int:
        return sum(a for (kind, name), a in moved.items() if TERM_OF_KIND.get(kind) is term and name in families)

    return Equation(
        currency=currency,
        paid=total(EquationTerm.PAID, cash),
        returned=-total(EquationTerm.RETURNED, cash),
        adjusted=-total(EquationTerm.ADJUSTED, set(owing)),
        owed={name: -sum(amount for (_, family), amount in moved.items() if family == name) for name in owing},
    )


def overdrawn(currency: str, *, limit: int = 100) -> list[tuple[str, int]]:
    """Return the intents that were minted or refunded beyond what was paid for them: (intent id, minor units too
    much)."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERDRAWN, [accounts.pending(currency), limit])
        return [(reference, int(excess)) for reference, excess in cursor.fetchall()]
