"""A million rows in one window: how many rows the database looks at does not grow with them."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from fiatrails.compliance.velocity import store
from fiatrails.compliance.velocity.rules import Usage
from fiatrails.compliance.velocity.store import _Batch
from fiatrails.kernel.money import Money
from tests.integration.compliance.velocity_kit import NOON, after, intent, rule, usage

pytestmark = pytest.mark.django_db(transaction=True)
MILLION = 1_000_000
FILL = """
    INSERT INTO compliance_velocity_usage
        (digest, running_count, running_amount, intent_id, meter, amount, at, released_at)
    SELECT %s, n, n * 100, 'old-' || n, 'country', 100, %s::timestamptz + n * interval '1 millisecond',
           CASE WHEN n %% 10000 = 0 THEN %s::timestamptz END
      FROM generate_series(1, %s) AS n
"""
LOOKED_AT = """
    SELECT seq_scan, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
     WHERE relname = 'compliance_velocity_usage'
"""


class Looked:
    """How many rows the database fetched, and how many sequential scans it made, since `with` began."""

    def __enter__(self) -> Looked:
        self.scans, self.rows = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        scans, rows = self._now()
        self.scans, self.rows = scans - self.scans, rows - self.rows

    def _now(self) -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(LOOKED_AT)
            return cursor.fetchone()


def in_kenya(number: int) -> Usage:
    return usage(number, 100, payer=f"p-{number}", country="KE")


@pytest.mark.slow
def test_a_million_rows_in_one_window_cost_a_few_probes() -> None:
    rules = [rule("country", max_count=MILLION - 50), rule("country", max_count=300_000, window_s=600), rule()]
    (digest,) = _Batch.of([in_kenya(0)], rules[:1]).digests
    with connection.cursor() as cursor:
        # Nobody analyses the table: the plan must be right also before the first statistics.
        cursor.execute(FILL, [digest, NOON, NOON, MILLION])
    now = after(seconds=1000)
    asked = [in_kenya(n) for n in range(100)]
    with transaction.atomic(), Looked() as looked:
        verdicts = list(store.admit(asked, rules, now=now).values())
    # 100 released among a million; 400,000 live rows within ten minutes, which is beyond the second rule.
    assert [verdict.code for verdict in verdicts] == ["velocity_country_count"] * 100
    assert (looked.scans, looked.rows < 1000) == (0, True)


@pytest.mark.slow
def test_exactly_the_room_that_a_million_rows_leave_is_given() -> None:
    rules = [rule("country", max_count=MILLION - 50)]
    (digest,) = _Batch.of([in_kenya(0)], rules).digests
    with connection.cursor() as cursor:
        cursor.execute(FILL, [digest, NOON, NOON, MILLION])
        cursor.execute("ANALYZE compliance_velocity_usage")
    with transaction.atomic(), Looked() as looked:
        verdicts = store.admit([in_kenya(n) for n in range(100)], rules, now=after(seconds=1000))
    # 999,900 live rows; 999,950 are allowed.
    assert [verdict.admitted for verdict in verdicts.values()] == [True] * 50 + [False] * 50
    assert (looked.scans, looked.rows < 1000) == (0, True)
    assert store.prune(rules, now=after(seconds=1000 + 3600), limit=10) == 10


def test_a_batch_of_new_payers_looks_at_nobody_else() -> None:
    """In one session, in which the plan was made while the table was empty; nobody has analysed it since."""
    rules = [rule(max_count=5), rule("wallet", max_count=5)]
    for turn in range(40):
        with transaction.atomic(), Looked() as looked:
            store.admit([of_somebody(turn * 100 + n) for n in range(100)], rules, now=NOON)
    assert (looked.scans, looked.rows) == (0, 0)
    with transaction.atomic(), Looked() as looked:
        store.admit([of_somebody(n) for n in range(4000, 4100)], rules, now=after(minutes=1))
        again = [Usage(intent(10_000 + n), Money("KES", 1), payer=f"p-{n}", wallet=f"w-{n}") for n in range(100)]
        store.admit(again, rules, now=after(minutes=1))
    # First, last and head of two hundred chains that have one row each.
    assert (looked.scans, looked.rows) == (0, 600)


def of_somebody(number: int) -> Usage:
    return Usage(intent(number), Money("KES", 1), payer=f"p-{number}", wallet=f"w-{number}")
