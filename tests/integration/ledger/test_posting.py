"""Posting through the API: once per key, in the caller's transaction, from several threads."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.models import Account, Entry, Link, Posting
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.ledger.verify import verify

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def payment(receipt: str, minor: int = 1500, intent_id: str = "0x01") -> EntryDraft:
    return entries.payment_received(provider="mpesa", receipt=receipt, intent_id=intent_id, money=Money("KES", minor))


def posted(*drafts: EntryDraft, now: datetime = NOW) -> list[str]:
    with transaction.atomic():
        return post(drafts, now=now)


def test_an_entry_is_written_whole() -> None:
    assert posted(payment("R1")) == ["payment:mpesa:R1"]
    entry = Entry.objects.get()
    assert (entry.kind, entry.reference, entry.at) == ("payment", "0x01", NOW)
    lines = {(line.account.code, line.currency, int(line.amount)) for line in Posting.objects.select_related("account")}
    assert lines == {("cash:mpesa:KES", "KES", 1500), ("pending:KES", "KES", -1500)}
    assert set(Account.objects.values_list("code", "kind")) == {
        ("cash:mpesa:KES", "asset"),
        ("pending:KES", "liability"),
    }


def test_the_same_key_posts_once() -> None:
    posted(payment("R1"))
    assert posted(payment("R1"), payment("R2"), payment("R2"), now=NOW + timedelta(days=1)) == ["payment:mpesa:R2"]
    assert (Entry.objects.count(), Posting.objects.count(), Link.objects.count()) == (2, 4, 2)
    assert Entry.objects.get(key="payment:mpesa:R1").at == NOW


@pytest.mark.parametrize("other", [payment("R1", minor=1501), payment("R1", intent_id="0x02")])
def test_the_same_key_with_other_content_conflicts(other: EntryDraft) -> None:
    posted(payment("R1"))
    with pytest.raises(Conflict) as caught:
        posted(payment("R2"), other)
    assert (caught.value.code, caught.value.existing) == ("entry_differs", "payment:mpesa:R1")
    assert Entry.objects.count() == 1
    with pytest.raises(Conflict):
        posted(payment("R3"), payment("R3", minor=7))


def test_a_receipt_counts_once_whether_matched_or_not() -> None:
    posted(entries.unmatched_payment(provider="mpesa", receipt="R1", money=Money("KES", 1500)))
    with pytest.raises(Conflict):
        posted(payment("R1"))


def test_posting_needs_the_callers_transaction() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        post([payment("R1")], now=NOW)


def test_a_rolled_back_caller_posts_nothing() -> None:
    with transaction.atomic():
        post([payment("R1")], now=NOW)
        transaction.set_rollback(True)
    assert (Entry.objects.count(), Account.objects.count(), Link.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("size", [1, 64])
def test_the_number_of_statements_does_not_grow_with_the_batch(size: int) -> None:
    posted(payment("first use creates the accounts"))
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        assert len(post([payment(f"R{n}") for n in range(size)], now=NOW)) == size
    assert len(captured) == 2


def test_an_empty_batch_asks_nothing() -> None:
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        assert post([], now=NOW) == []
    assert [q["sql"] for q in captured.captured_queries if "ledger" in q["sql"]] == []


def test_text_of_any_script_is_chained_as_the_verifier_reads_it() -> None:
    draft = payment("R-Ω-漢字-🙂", intent_id="3:abc,4:\n'\"\\")
    assert posted(draft) == [draft.key]
    assert verify().ok


def in_threads(count: int, work: object) -> list[object]:
    barrier = Barrier(count)

    def run(number: int) -> object:
        try:
            barrier.wait()
            return work(number)  # type: ignore[operator]
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_concurrent_batches_chain_without_a_gap() -> None:
    def work(thread: int) -> int:
        return sum(len(posted(*[payment(f"{thread}-{n}-{i}") for i in range(5)])) for n in range(20))

    assert sum(in_threads(8, work)) == 800  # type: ignore[arg-type]
    assert list(Link.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 801))
    found = verify()
    assert (found.ok, found.entries) == (True, 800), found.problems


def test_threads_that_post_the_same_keys_in_any_order_post_each_once() -> None:
    keys = [payment(f"R{n}") for n in range(40)]

    def work(thread: int) -> int:
        return len(posted(*(keys if thread % 2 else reversed(keys))))

    assert sum(in_threads(8, work)) == 40  # type: ignore[arg-type]
    assert (Entry.objects.count(), Posting.objects.count(), verify().ok) == (40, 80, True)


def test_batches_that_share_keys_wait_for_each_other_instead_of_deadlocking(database: str) -> None:
    posted(payment("first use creates the accounts"))
    keys = [payment("A"), payment("M"), payment("Z")]
    orders = [keys, list(reversed(keys))]

    def work(thread: int) -> int:
        return len(posted(*orders[thread]))

    # A third writer holds the middle key until both wait: in the caller's order each would hold what the other needs.
    with psycopg.connect(database) as holder, ThreadPoolExecutor(1) as runner:
        holder.execute(
            "INSERT INTO ledger_entry (key, kind, reference, at, memo) VALUES (%s, 'payment', '', %s, '')",
            [keys[1].key, NOW],
        )
        outcome = runner.submit(in_threads, 2, work)
        wait_for_waiting(database, 2)
        holder.rollback()
        assert sum(outcome.result()) == 3  # type: ignore[arg-type]
    assert verify().ok


def wait_for_waiting(dsn: str, sessions: int) -> None:
    deadline = time.monotonic() + 20
    with psycopg.connect(dsn, autocommit=True) as observer:
        while time.monotonic() < deadline:
            row = observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if row == (sessions,):
                return
            time.sleep(0.01)
    raise AssertionError(f"never were {sessions} sessions waiting for a lock")


def test_two_threads_with_other_content_for_one_key_do_not_both_pass() -> None:
    def work(thread: int) -> str:
        try:
            return ",".join(posted(payment("R1", minor=100 + thread)))
        except Conflict:
            return "conflict"

    assert sorted(map(str, in_threads(8, work))) == ["conflict"] * 7 + ["payment:mpesa:R1"]
