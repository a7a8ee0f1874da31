"""The audit log: append-only, chained at commit, and every change to it is found."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection, transaction
from psycopg import errors

from fiatrails.controls import audit
from fiatrails.controls.models import AuditLink, AuditRecord
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.hash_chain import Anchor

NOW = datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)
DETAILS = {"b": [1, 2.5, None, True], "a": {"ü": '"quoted" \\ 🙂'}, "amount": 10**30}


@pytest.fixture
def filled(database: str) -> str:
    for number in range(5):
        audit.record("asha", "dead_letter.discarded", f"DL-{number:06d}", DETAILS, now=NOW)
    return database


def test_records_are_chained_and_verify(filled: str) -> None:
    seen: list[tuple[int, int]] = []
    found = audit.verify(progress=lambda done, total: seen.append((done, total)), anchor=audit.head())
    assert (found.ok, found.records, found.problems, seen) == (True, 5, (), [(5, 5)])
    assert AuditRecord.objects.first().details == DETAILS  # type: ignore[union-attr]


def test_a_rolled_back_record_leaves_no_link(database: str) -> None:
    with transaction.atomic():
        audit.record("asha", "a", "s", {}, now=NOW)
        transaction.set_rollback(True)
    assert AuditLink.objects.count() == 0


@pytest.mark.parametrize(("actor", "action"), [("", "a"), (" ", "a"), ("asha", "")])
def test_an_anonymous_record_is_refused(database: str, actor: str, action: str) -> None:
    with pytest.raises(BadInput, match="audit_incomplete"):
        audit.record(actor, action, "s", {}, now=NOW)


@pytest.mark.parametrize("table", ["controls_audit_record", "controls_audit_chain"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET {} = {}"])
def test_nothing_is_changed_or_removed(filled: str, table: str, change: str) -> None:
    column = {"controls_audit_record": "actor", "controls_audit_chain": "digest"}[table]
    with psycopg.connect(filled) as other, pytest.raises(errors.RestrictViolation, match="append-only"):
        other.execute(change.format(table, column, column))
    assert audit.verify().records == 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE controls_audit_record SET actor = 'somebody else' WHERE id = {}",
        "UPDATE controls_audit_record SET at = at - interval '1 microsecond' WHERE id = {}",
        "UPDATE controls_audit_record SET details = details || '{{\"x\": 1}}' WHERE id = {}",
        "DELETE FROM controls_audit_record WHERE id = {}",
        "DELETE FROM controls_audit_chain WHERE record_id = {}",
        "UPDATE controls_audit_chain SET digest = sha256('x') WHERE record_id = {}",
    ],
)
def test_tampering_is_found(filled: str, change: str) -> None:
    target = AuditLink.objects.get(seq=3).record_id
    with psycopg.connect(filled) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(change.format(target))
    assert (audit.verify().ok, audit.verify().first_broken) == (False, 3)


def test_a_record_that_escaped_the_trigger_and_a_disabled_guard_are_found(filled: str) -> None:
    with psycopg.connect(filled) as superuser:
        superuser.execute("ALTER TABLE controls_audit_record DISABLE TRIGGER chain_record")
    escaped = audit.record("mallory", "a", "s", {}, now=NOW)
    assert audit.verify().problems == (
        f"record {escaped} is not in the chain",
        "guard missing or disabled: chain_record on controls_audit_record",
    )


def test_a_cut_off_end_shows_against_an_anchor(filled: str) -> None:
    anchor = audit.head()
    with psycopg.connect(filled) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM controls_audit_record WHERE id = (SELECT max(id) FROM controls_audit_record)")
        superuser.execute("DELETE FROM controls_audit_chain WHERE seq = 5")
    assert audit.verify().ok
    assert audit.verify(anchor=anchor).first_broken == 5
    assert audit.verify(anchor=Anchor(4, bytes(32))).first_broken == 4


def test_concurrent_records_chain_without_a_gap(database: str) -> None:
    def work(thread: int) -> None:
        for number in range(25):
            audit.record(f"t{thread}", "a", str(number), {}, now=NOW)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    found = audit.verify()
    assert (found.ok, found.records) == (True, 200), found.problems
