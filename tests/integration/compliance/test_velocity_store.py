"""Rolling windows in PostgreSQL: exact edges, repetition, release, clocks that go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from fiatrails.compliance.models import VelocityUsage
from fiatrails.compliance.velocity import store
from fiatrails.compliance.velocity.rules import Usage
from fiatrails.kernel.conf import Config
from fiatrails.kernel.money import MAX_MINOR, Money
from tests.integration.compliance.velocity_kit import HOUR, NOON, admit, after, intent, rule, usage, verdicts

pytestmark = pytest.mark.django_db(transaction=True)


def test_without_rules_the_database_is_not_asked() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert store.admit([usage(1)], (), now=NOON)[intent(1)].admitted
        assert store.admit([], [rule()], now=NOON) == {}
        assert store.prune((), now=NOON) == 0
    assert len(queries) == 0


def test_a_hundred_intents_under_three_rules_cost_one_statement() -> None:
    rules = [rule(), rule("phone"), rule("country", max_count=1000)]
    usages = [usage(n, payer=f"p-{n}", phone=f"2547{n:08d}", country="KE") for n in range(100)]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        store.admit(usages, rules, now=NOON)
    assert len(queries) == 1
    assert VelocityUsage.objects.count() == 300


def test_what_does_not_fit_costs_a_second_statement_and_no_more() -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        store.admit([usage(n) for n in range(100)], [rule()], now=NOON)
    assert len(queries) == 2
    assert VelocityUsage.objects.count() == 10


def test_outside_a_transaction_nothing_is_counted() -> None:
    """The locks would be gone before the caller has used what they protect."""
    with pytest.raises(TransactionManagementError):
        store.admit([usage(1)], [rule()], now=NOON)


def test_under_an_older_snapshot_nothing_is_counted() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(DatabaseError, match="READ COMMITTED"):
            store.admit([usage(1)], [rule()], now=NOON)
        transaction.set_rollback(True)


def test_the_window_rolls_to_the_microsecond() -> None:
    rules = [rule(max_count=1)]
    assert admit([usage(1)], rules) == [True]
    assert admit([usage(2)], rules, after(seconds=HOUR) - timedelta(microseconds=1)) == [False]
    assert admit([usage(2)], rules, after(seconds=HOUR)) == [True]


def test_a_window_does_not_begin_anew_at_midnight() -> None:
    """Ten just before midnight and ten just after would be twenty within a minute."""
    rules = [rule(max_count=10)]
    late = NOON.replace(hour=23, minute=59, second=59)
    assert all(admit([usage(n) for n in range(10)], rules, late))
    assert admit([usage(99)], rules, late + timedelta(seconds=2)) == [False]


def test_what_is_refused_is_not_counted() -> None:
    rules = [rule(max_count=1)]
    admit([usage(1)], rules)
    for number in range(2, 6):
        assert admit([usage(number)], rules, after(minutes=number)) == [False]
    assert admit([usage(9)], rules, after(seconds=HOUR)) == [True]


def test_an_intent_is_counted_once_however_often_it_is_admitted() -> None:
    rules = [rule(max_count=2)]
    for _ in range(3):
        assert admit([usage(1), usage(1)], rules) == [True]
    assert admit([usage(2), usage(1), usage(3)], rules) == [True, True, False]
    assert VelocityUsage.objects.count() == 2


def test_a_crash_before_commit_leaves_nothing_counted() -> None:
    rules = [rule(max_count=1)]
    with transaction.atomic():
        assert store.admit([usage(1)], rules, now=NOON)[intent(1)].admitted
        transaction.set_rollback(True)
    assert admit([usage(2)], rules) == [True]


def test_a_rule_that_is_new_asks_intents_that_were_counted_before_it_and_counts_them_under_it_alone() -> None:
    both = {"payer": "p-1", "phone": "254712345678"}
    admit([usage(1, **both)], [rule(max_count=1)])
    assert admit([usage(1, **both)], [rule(max_count=1), rule("phone", max_count=1)]) == [True]
    assert sorted(VelocityUsage.objects.values_list("meter", flat=True)) == ["payer", "phone"]


def test_a_lower_limit_counts_what_was_admitted_under_the_higher_one() -> None:
    admit([usage(n) for n in range(5)], [rule(max_count=5)])
    assert admit([usage(9)], [rule(max_count=3)], after(minutes=1)) == [False]
    assert admit([usage(9)], [rule(max_count=3, window_s=60)], after(minutes=1)) == [True]


def test_released_intents_make_room_once() -> None:
    rules = [rule(max_count=2)]
    admit([usage(1), usage(2)], rules)
    assert store.release([intent(1), intent(7)], now=after(minutes=1)) == 1
    assert store.release([intent(1)], now=after(minutes=2)) == 0
    assert admit([usage(3), usage(4)], rules, after(minutes=3)) == [True, False]


def test_a_released_intent_that_comes_back_is_counted_again() -> None:
    rules = [rule(max_count=1)]
    admit([usage(1)], rules)
    store.release([intent(1)], now=after(minutes=1))
    assert admit([usage(1)], rules, after(minutes=2)) == [True]
    assert admit([usage(2)], rules, after(minutes=3)) == [False]


def test_a_release_does_not_count_against_what_lies_outside_the_window() -> None:
    """Once the released intent has left the window, its release must not open a second place."""
    rules = [rule(max_count=1)]
    admit([usage(1)], rules)
    store.release([intent(1)], now=after(minutes=59))
    assert admit([usage(2)], rules, after(minutes=61)) == [True]
    assert admit([usage(3)], rules, after(minutes=62)) == [False]


def test_a_clock_that_goes_back_opens_no_place() -> None:
    rules = [rule(max_count=2)]
    assert admit([usage(1)], rules) == [True]
    assert admit([usage(2), usage(3)], rules, after(hours=-2)) == [True, False]
    assert admit([usage(4)], rules, after(hours=-48)) == [False]
    # What the wrong clock admitted counts from the last moment that was known, not from the wrong one.
    assert admit([usage(4)], rules, after(minutes=59)) == [False]
    assert admit([usage(4)], rules, after(minutes=60)) == [True]


def test_amounts_beyond_64_bits_are_added_exactly() -> None:
    limit = 10**4 * MAX_MINOR
    assert limit > 2**63
    rules = [rule(max_amount=limit)]
    assert all(admit([usage(n, MAX_MINOR) for n in range(9_999)], rules))
    assert admit([usage(10_000, MAX_MINOR - 1), usage(10_001, 2), usage(10_002, 1)], rules) == [True, False, True]
    assert admit([usage(10_003, 0)], rules) == [True]


def test_a_rule_in_one_currency_adds_up_that_currency_only() -> None:
    rules = [rule(max_amount=1000), rule(max_count=3)]
    dollars = Usage(intent(1), Money("USD", 900_000), payer="p-1")
    assert admit([dollars, usage(2, 600), usage(3, 600), usage(4, 400), usage(5, 0)], rules) == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_subjects_and_scopes_do_not_share_a_window() -> None:
    rules = [rule(max_count=1), rule("wallet", max_count=1)]
    assert admit([usage(1, payer="same"), usage(2, wallet="same"), usage(3, payer="other")], rules) == [True] * 3


def test_neither_phone_nor_card_is_in_the_table() -> None:
    rules = [rule("phone"), rule("card")]
    admit([usage(1, phone="254712345678", card="fp_4242")], rules)
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(u::text, '|') FROM compliance_velocity_usage u")
        (text,) = cursor.fetchone()
    assert "254712345678" not in text
    assert "fp_4242" not in text
    assert b"254712345678".hex() not in text


def test_a_replaced_key_counts_on_while_the_former_one_is_a_fallback(
    configure: Callable[..., Config], settings: object
) -> None:
    rules = [rule(max_count=2)]
    configure(clearance_key=SecretStr("first"))
    admit([usage(1)], rules)
    configure(clearance_key=SecretStr("second"))
    settings.SECRET_KEY_FALLBACKS = ["first"]  # type: ignore[attr-defined]
    assert admit([usage(2), usage(3)], rules) == [True, False]
    assert admit([usage(1)], rules) == [True]
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    assert admit([usage(3)], rules) == [True]


def test_looking_ahead_says_what_would_be_admitted_and_counts_nothing() -> None:
    rules = [rule(max_count=2)]
    admit([usage(1)], rules)
    with CaptureQueriesContext(connection) as queries:
        ahead = store.would_admit([usage(1), usage(2), usage(3)], rules, now=after(minutes=1))
    assert [verdict.admitted for verdict in ahead.values()] == [True, True, False]
    assert len(queries) == 1
    assert VelocityUsage.objects.count() == 1
    assert store.would_admit([usage(3)], rules, now=after(hours=2))[intent(3)].admitted
    assert store.would_admit([usage(3)], (), now=NOON)[intent(3)].admitted


def test_the_verdict_says_which_limit_and_what_is_to_be_done() -> None:
    rules = [rule(max_count=5), rule("country", max_amount=1500, action="refuse")]
    both = {"payer": "p-1", "country": "KE"}
    verdict = verdicts([usage(1, **both), usage(2, **both)], rules)[intent(2)]
    assert (verdict.code, verdict.action) == ("velocity_country_amount", "refuse")
    assert verdict.reason == "beyond 15.00 KES for one country within 3600 seconds"


def test_pruning_takes_what_no_window_reaches_and_nothing_else() -> None:
    rules = [rule(max_count=3), rule("phone", max_count=3, window_s=60)]
    both = {"payer": "p-1", "phone": "254712345678"}
    for number, minute in enumerate((0, 30, 60)):
        admit([usage(number, **both)], rules, after(minutes=minute))
    now = after(minutes=60, microseconds=1)
    assert store.prune(rules, now=now, limit=1) == 1
    assert [store.prune(rules, now=now, limit=10) for _ in range(2)] == [1, 0]
    assert admit([usage(8), usage(9)], rules, now) == [True, False]


def test_a_chain_that_was_pruned_away_begins_anew() -> None:
    rules = [rule(max_count=1)]
    admit([usage(1)], rules)
    assert store.prune(rules, now=after(hours=2)) == 1
    assert admit([usage(2), usage(3)], rules, after(hours=2)) == [True, False]


@pytest.mark.parametrize("change", ["at = at + interval '1 hour'", "amount = 0", "released_at = NULL", "meter = 'x'"])
def test_what_was_counted_cannot_be_rewritten(change: str) -> None:
    admit([usage(1)], [rule()])
    store.release([intent(1)], now=NOON)
    with pytest.raises(IntegrityError, match="released once"), connection.cursor() as cursor:
        cursor.execute(f"UPDATE compliance_velocity_usage SET {change}")


MINUTES = st.integers(-90, 90)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), MINUTES, st.lists(st.integers(0, 12), min_size=1, max_size=5, unique=True)),
        st.tuples(st.just("release"), MINUTES, st.lists(st.integers(0, 12), min_size=1, max_size=3)),
        st.tuples(st.just("prune"), MINUTES, st.just([])),
    ),
    max_size=14,
)


@dataclass
class Row:
    """One intent that was counted."""

    number: int
    subject: str
    minor: int
    at: datetime
    released: bool = False


class ByHand:
    """The same without running totals: all rows in a list, and windows by looking at every one of them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def admit(self, numbers: list[int], now: datetime) -> list[bool]:
        return [self._admit(number, now) for number in numbers]

    def _admit(self, number: int, now: datetime) -> bool:
        if any(row.number == number and not row.released for row in self.rows):
            return True
        subject, minor = f"p-{number % 3}", 100 * (number % 4)
        chain = [row for row in self.rows if row.subject == subject]
        mine = [row for row in chain if not row.released and row.at > now - timedelta(seconds=HOUR)]
        soon = [row for row in mine if row.at > now - timedelta(minutes=10)]
        if len(mine) + 1 > 3 or sum(row.minor for row in soon) + minor > 400:
            return False
        self.rows.append(Row(number, subject, minor, max([now, *(row.at for row in chain)])))
        return True

    def release(self, numbers: list[int]) -> None:
        for row in self.rows:
            row.released = row.released or row.number in numbers

    def prune(self, now: datetime) -> None:
        self.rows = [row for row in self.rows if row.at >= now - timedelta(seconds=HOUR)]


@given(MOVES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_whatever_happens_the_windows_hold_what_counting_by_hand_gives(moves: list[tuple[str, int, list[int]]]) -> None:
    rules = [rule(max_count=3), rule(max_amount=400, window_s=600)]
    by_hand, now = ByHand(), NOON
    with transaction.atomic():
        for kind, minutes, numbers in moves:
            now += timedelta(minutes=minutes)
            if kind == "admit":
                asked = [usage(n, 100 * (n % 4), payer=f"p-{n % 3}") for n in numbers]
                found = [verdict.admitted for verdict in store.admit(asked, rules, now=now).values()]
                assert found == by_hand.admit(numbers, now)
            elif kind == "release":
                store.release([intent(n) for n in numbers], now=now)
                by_hand.release(numbers)
            else:
                store.prune(rules, now=now)
                by_hand.prune(now)
        transaction.set_rollback(True)
