"""Dead letters: one open per piece of work, closed once, mirrored as files after the commit."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from django.db import connection, transaction
from pytest_django import Settings

from fiatrails.controls import audit
from fiatrails.controls.models import AuditRecord
from fiatrails.engine.dead_letters import (
    add,
    depth,
    discard,
    get,
    list_open,
    mark_replayed,
    resolve,
    show,
    synchronise_mirror,
)
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Conflict, NotFound
from fiatrails.kernel.times import since

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2025, 11, 1, 12, 34, 56, tzinfo=UTC)


def add_one(intent_id: str = "0xabc", now: datetime = NOW, **changes: object) -> str:
    values: dict[str, object] = {
        "operation": "executeMint",
        "attempts": 5,
        "last_error": "RPC timeout",
        "error_class": "RpcTimeout",
        "payload": {"country": "KES"},
    }
    return add(subject=intent_id, now=now, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def dlq_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.FIATRAILS = replace(config(), dlq_dir=tmp_path / "dlq")
    return tmp_path / "dlq"


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.json")}


def test_an_item_is_shown_in_the_runbooks_shape() -> None:
    item_id = add_one()
    assert item_id.startswith("DL-00")
    assert show(item_id) == {
        "operation": "executeMint",
        "intentId": "0xabc",
        "attempts": 5,
        "lastError": "RPC timeout",
        "timestamp": "2025-11-01T12:34:56.000Z",
        "payload": {"country": "KES"},
    }
    assert show(item_id.lower()) == show(str(int(item_id[3:]))) == show(item_id)


def test_burying_again_updates_the_open_item() -> None:
    first = add_one()
    assert add_one(now=NOW + timedelta(hours=1), attempts=9, last_error="nonce too low", payload={"n": 1}) == first
    item = get(first)
    assert (item.attempts, item.last_error, item.created_at, depth()) == (9, "nonce too low", NOW, 1)
    assert add_one(operation="refund") != first
    assert depth() == 2


def test_fifty_workers_bury_the_same_work_once() -> None:
    barrier = Barrier(10)

    def work(number: int) -> str:
        barrier.wait()
        ids = {add_one(attempts=number * 5 + i) for i in range(5)}
        connection.close()
        return ids.pop()

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(work, range(10)))) == 1
    assert depth() == 1


def test_a_letter_survives_whatever_an_outsider_sent() -> None:
    item_id = add_one(
        last_error="a\0b" + "x" * 5_000, payload={"raw": "\0 \ud83d\ude42 \ud83d \\"}, error_class="E" * 500
    )
    assert get(item_id).last_error == "ab" + "x" * 1_998
    assert show(item_id)["payload"] == {"raw": "� 🙂 � \\"}
    assert show(add_one("0xnan", payload={"n": float("nan"), "at": NOW}))["payload"] == {"n": "NaN", "at": str(NOW)}
    assert get(add_one("0xhalf", last_error="\ud83d")).last_error == "�"


def test_open_items_are_grouped_by_error_the_largest_first() -> None:
    late = add_one("0x3", error_class="NonceTooLow", now=NOW + timedelta(minutes=5))
    one, two = add_one("0x1"), add_one("0x2")
    closed = add_one("0x4")
    discard(closed, reason="test", actor="asha", now=NOW)
    shape = [(group.error_class, [item.item_id for item in group.items]) for group in list_open()]
    assert shape == [("RpcTimeout", [one, two]), ("NonceTooLow", [late])]
    assert [g.error_class for g in list_open(since=NOW + timedelta(minutes=1))] == ["NonceTooLow"]
    assert [g.error_class for g in list_open(error_class="RpcTimeout")] == ["RpcTimeout"]
    assert [len(g.items) for g in list_open(limit=1)] == [1]
    after = since("1 hour ago", now=NOW + timedelta(minutes=64))
    assert [g.error_class for g in list_open(since=after)] == ["NonceTooLow"]


def test_each_way_of_closing_is_audited_and_frees_the_work() -> None:
    replayed, discarded, resolved = add_one("0x1"), add_one("0x2"), add_one("0x3")
    mark_replayed(replayed, actor="auto-retry", now=NOW)
    discard(discarded, reason="user left", actor="asha", now=NOW)
    resolve(resolved, reason="executed on chain", actor="asha", now=NOW)
    assert depth() == 0
    assert [get(item).state for item in (replayed, discarded, resolved)] == ["replayed", "discarded", "resolved"]
    found = AuditRecord.objects.order_by("pk").values_list("actor", "action", "subject", "details__reason")
    assert list(found) == [
        ("auto-retry", "dead_letter.replayed", replayed, ""),
        ("asha", "dead_letter.discarded", discarded, "user left"),
        ("asha", "dead_letter.resolved", resolved, "executed on chain"),
    ]
    assert audit.verify().ok
    assert add_one("0x1") != replayed


def test_of_two_operators_on_one_button_one_replays() -> None:
    item_id = add_one()
    barrier = Barrier(8)

    def work(number: int) -> str:
        barrier.wait()
        try:
            mark_replayed(item_id, actor=f"operator-{number}", now=NOW)
        except Conflict as conflict:
            return conflict.code
        finally:
            connection.close()
        return "replayed"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == ["dead_letter_closed"] * 7 + ["replayed"]
    assert AuditRecord.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_discarding_needs_a_reason(reason: str) -> None:
    item_id = add_one()
    with pytest.raises(BadInput, match="reason_required"):
        discard(item_id, reason=reason, actor="asha", now=NOW)
    assert get(item_id).state == "open"


@pytest.mark.parametrize("item_id", ["DL-000099", "", "DL-", "DL-x", "1; DROP TABLE", "9" * 30])
def test_an_unknown_item_is_not_found(item_id: str) -> None:
    with pytest.raises(NotFound, match="no_such_dead_letter"):
        show(item_id)


def test_files_follow_the_table(dlq_dir: Path) -> None:
    one, two = add_one("0x1"), add_one("0x2")
    assert files(dlq_dir) == {f"item-{one}.json", f"item-{two}.json"}
    assert json.loads((dlq_dir / f"item-{one}.json").read_text()) == show(one)
    add_one("0x1", attempts=6)
    assert json.loads((dlq_dir / f"item-{one}.json").read_text())["attempts"] == 6
    discard(one, reason="r", actor="asha", now=NOW)
    assert files(dlq_dir) == {f"item-{two}.json"}


def test_a_file_is_written_only_after_the_commit(dlq_dir: Path) -> None:
    with transaction.atomic():
        add_one()
        assert not dlq_dir.exists()
        transaction.set_rollback(True)
    assert not dlq_dir.exists()


def test_a_file_that_cannot_be_written_fails_nothing(dlq_dir: Path) -> None:
    dlq_dir.write_text("in the way")
    item_id = add_one()
    discard(item_id, reason="r", actor="asha", now=NOW)
    synchronise_mirror()
    assert get(item_id).state == "discarded"


def test_synchronising_repairs_the_directory(dlq_dir: Path) -> None:
    one, two = add_one("0x1"), add_one("0x2")
    DeadLetter.objects.filter(subject="0x2").update(state="discarded", resolved_at=NOW)
    (dlq_dir / f"item-{one}.json").unlink()
    (dlq_dir / "item-DL-999999.json").write_text("{}")
    synchronise_mirror()
    assert files(dlq_dir) == {f"item-{one}.json"}
    assert two not in str(files(dlq_dir))


def test_without_a_directory_nothing_is_written() -> None:
    assert config().dlq_dir is None
    add_one()
    synchronise_mirror()


def test_the_database_refuses_a_closed_item_without_a_time(database: str) -> None:
    add_one()
    with psycopg.connect(database) as other, pytest.raises(psycopg.errors.CheckViolation):
        other.execute("UPDATE engine_dead_letter SET state = 'discarded'")
