"""Many workers at once on a real PostgreSQL: a limit of ten admits ten, whatever the interleaving."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from fiatrails.compliance.models import VelocityUsage
from fiatrails.compliance.velocity import store
from fiatrails.compliance.velocity.rules import Usage
from fiatrails.kernel.money import Money
from tests.integration.compliance.velocity_kit import NOON, after, intent, rule, usage

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 50


def together(work: Callable[[int], Any], count: int = WORKERS) -> list[Any]:
    """Runs `work(0)` to `work(count - 1)`, each on a connection of its own that is open before the first begins."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(60)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def admit_alone(asked: Sequence[Usage], rules: Sequence[Any], **when: float) -> list[bool]:
    with transaction.atomic():
        return [v.admitted for v in store.admit(asked, rules, now=after(**when)).values()]


def test_fifty_at_once_under_a_limit_of_ten_are_exactly_ten() -> None:
    rules = [rule(max_count=10)]
    admitted = together(lambda n: admit_alone([usage(n)], rules, microseconds=n)[0])
    assert sum(admitted) == 10
    assert VelocityUsage.objects.count() == 10


def test_fifty_at_once_under_an_amount_spend_all_of_it_and_not_a_cent_more() -> None:
    rules = [rule(max_amount=1000)]
    admitted = together(lambda n: admit_alone([usage(n, 100)], rules)[0])
    assert sum(admitted) == 10


def test_two_limits_at_once_hold_both() -> None:
    """Ten phones of five intents each, two per phone, twelve for the country."""
    rules = [rule("phone", max_count=2), rule("country", max_count=12)]

    def work(number: int) -> bool:
        asked = usage(number, phone=f"2547000000{number % 10:02d}", country="KE")
        return admit_alone([asked], rules)[0]

    admitted = together(work)
    assert sum(admitted) == 12
    by_phone = Counter(number % 10 for number, yes in enumerate(admitted) if yes)
    assert max(by_phone.values()) <= 2


def test_fifty_workers_with_one_intent_count_it_once() -> None:
    rules = [rule(max_count=10)]
    assert all(together(lambda _: admit_alone([usage(1)], rules)[0]))
    assert VelocityUsage.objects.count() == 1


def test_batches_that_overlap_in_any_order_never_wait_for_each_other() -> None:
    """Eight workers, batches of forty over the same thirty payers and phones, shuffled: a deadlock would end one of
    them with an error, a lost count would admit more than the limits."""
    rules = [rule(max_count=4), rule("phone", max_count=5), rule("country", max_count=100)]

    def work(worker: int) -> list[bool]:
        order = random.Random(worker)
        found: list[bool] = []
        for turn in range(5):
            numbers = [worker * 1000 + turn * 40 + n for n in range(40)]
            asked = [usage(n, payer=f"p-{n % 30}", phone=f"2547{n % 29:08d}", country="KE") for n in numbers]
            order.shuffle(asked)
            found += admit_alone(asked, rules)
        return found

    admitted = sum(sum(found) for found in together(work, 8))
    rows = VelocityUsage.objects.values_list("meter", "digest")
    held = Counter((meter, bytes(digest)) for meter, digest in rows)
    assert max(n for (meter, _), n in held.items() if meter == "payer") <= 4
    assert max(n for (meter, _), n in held.items() if meter == "phone") <= 5
    assert sum(n for (meter, _), n in held.items() if meter == "country") == admitted == 100


def test_single_intents_and_batches_at_once_share_the_same_places() -> None:
    """Batches lock the whole, single intents a part of it: each has to wait for the other."""
    rules = [rule(max_count=1000), rule("country", max_count=60)]

    def work(worker: int) -> int:
        admitted = 0
        for turn in range(6):
            size = 25 if worker % 2 else 1
            numbers = [worker * 1000 + turn * 100 + n for n in range(size)]
            admitted += sum(admit_alone([usage(n, payer=f"p-{n}", country="KE") for n in numbers], rules))
        return admitted

    assert sum(together(work, 12)) == 60
    rows = VelocityUsage.objects.filter(meter="country").order_by("running_count")
    assert list(rows.values_list("running_count", flat=True)) == list(range(1, 61))


def test_releases_and_pruning_beside_admissions_disturb_nothing() -> None:
    rules = [rule(max_count=10)]
    admit_alone([usage(n) for n in range(10)], rules)

    def work(number: int) -> int:
        if number == 0:
            return store.prune(rules, now=NOON)
        if number <= 5:
            with transaction.atomic():
                return -store.release([intent(number)], now=NOON)
        return sum(admit_alone([usage(100 + number)], rules))

    together(work, 40)
    with transaction.atomic():
        last = store.admit([usage(900 + n) for n in range(10)], rules, now=NOON)
    live = VelocityUsage.objects.filter(released_at__isnull=True).count()
    assert live == 10
    assert sum(v.admitted for v in last.values()) <= 5


def test_running_totals_stay_whole_under_a_storm() -> None:
    rules = [rule("country", max_count=10_000, window_s=60)]

    def work(worker: int) -> None:
        for turn in range(4):
            numbers = [worker * 100 + turn * 10 + n for n in range(10)]
            admit_alone([Usage(intent(n), Money("KES", n), country="KE") for n in numbers], rules, seconds=-worker)

    together(work, 20)
    rows = list(VelocityUsage.objects.order_by("running_count"))
    assert [row.running_count for row in rows] == list(range(1, 801))
    totals = [sum(int(row.amount) for row in rows[:place]) for place in range(1, 801)]
    assert [int(row.running_amount) for row in rows] == totals
    assert [row.at for row in rows] == sorted(row.at for row in rows)
