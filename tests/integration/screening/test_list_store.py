"""Editions of a list in the database: swapped as a whole, refused when they cannot be right, kept for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from fiatrails.controls import audit
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.errors import BadInput, Conflict, NotFound, Unavailable
from fiatrails.screening.lists import store
from fiatrails.screening.lists.models import ListFile, ListVersion
from fiatrails.screening.lists.sample import sample_files
from fiatrails.screening.lists.store import Loaded
from tests.conftest import SteppedClock
from tests.unit.screening.list_files import csv, cut, line, people, sdn

pytestmark = pytest.mark.django_db(transaction=True)
State = ListVersion.State


def listed(count: int, *, start: int = 1) -> dict[str, bytes]:
    return {"sdn.csv": csv(*people(count, start=start))}


def load(files: dict[str, bytes], clock: SteppedClock, **options: object) -> Loaded:
    return store.load(files, **{"published": None, "actor": "amina", "now": clock.now(), **options})  # type: ignore[arg-type]


def states() -> list[str]:
    return list(ListVersion.objects.order_by("pk").values_list("state", flat=True))


def active() -> ListVersion:
    return ListVersion.objects.get(state=State.ACTIVE)


def test_a_list_is_loaded_put_in_force_and_read_back(clock: SteppedClock) -> None:
    loaded = load(sample_files(), clock, published=date(2026, 10, 30))
    version = active()
    assert (version.pk, version.entities, version.names, version.wallets) == (loaded.version_id, 42, 118, 101)
    assert (version.is_sample, version.published, version.activated_by) == (True, date(2026, 10, 30), "amina")
    assert (version.activated_at, version.fetched_at) == (clock.now(), clock.now())
    assert store.files_of(version.pk) == sample_files()
    assert store.entities_of(version.pk) == loaded.delta.added
    assert sum(len(row.content) for row in ListFile.objects.all()) < sum(map(len, sample_files().values())) / 2


def test_the_next_list_supersedes_and_both_can_be_read(clock: SteppedClock) -> None:
    first = load(listed(20), clock)
    second = load(listed(20, start=2), clock)
    assert states() == [State.SUPERSEDED, State.ACTIVE]
    assert second.delta.counts() == {"added": 1, "removed": 1, "changed": 0}
    assert store.entities_of(first.version_id)[0].uid == "SDN:1"
    assert store.compare(first.version_id, second.version_id) == second.delta
    assert [version.pk for version in store.list_versions()] == [second.version_id, first.version_id]
    assert store.list_versions(source="other") == []


def test_a_load_is_in_the_audit_log_with_what_it_changed(clock: SteppedClock) -> None:
    load(listed(20), clock)
    loaded = load(listed(20, start=2), clock, allow_shrink=True, reason="as announced")
    record = AuditRecord.objects.latest("pk")
    assert (record.actor, record.action, record.subject) == (
        "amina",
        "sanctions_list.activated",
        f"ofac/{loaded.version_id}",
    )
    assert record.details["delta"] == {
        "added": 1,
        "removed": 1,
        "changed": 0,
        "addedFirst": ["SDN:21 NAME21, Given"],
        "removedFirst": ["SDN:1 NAME1, Given"],
    }
    assert (record.details["entities"], record.details["note"], record.details["allowShrink"]) == (
        20,
        "as announced",
        True,
    )
    assert audit.verify().ok


def test_the_same_files_only_count_as_fresh_again(clock: SteppedClock) -> None:
    first = load(listed(20), clock)
    begun = clock.now()
    again = load({"/elsewhere/SDN.CSV": listed(20)["sdn.csv"]}, clock, now=clock.advance(hours=6))
    version = active()
    assert (again.version_id, again.unchanged, again.delta.empty) == (first.version_id, True, True)
    assert (version.fetched_at, version.activated_at) == (clock.now(), begun)
    assert (ListVersion.objects.count(), AuditRecord.objects.count()) == (1, 1)
    load(listed(20), clock, now=clock.now() - timedelta(hours=3))
    assert active().fetched_at == clock.now()


def test_a_list_that_shrank_is_refused_and_recorded(clock: SteppedClock) -> None:
    before = load(listed(20), clock)
    why = "17 entities where 20 are in force; 17 names where 20 are in force"
    with pytest.raises(Conflict) as refused:
        load(listed(17), clock)
    assert refused.value.code == "list_refused"
    assert why in refused.value.message
    assert "--allow-shrink" in refused.value.message
    assert active().pk == before.version_id
    [version] = ListVersion.objects.filter(state=State.REFUSED)
    assert (version.note, version.entities, version.files_stored, version.activated_at) == (why, 17, False, None)
    record = AuditRecord.objects.latest("pk")
    assert (record.action, record.details["problems"], record.details["inForce"]) == (
        "sanctions_list.refused",
        why.split("; "),
        before.version_id,
    )
    with pytest.raises(NotFound):
        store.files_of(version.pk)


def test_wallets_that_went_missing_refuse_a_list_with_as_many_names(clock: SteppedClock) -> None:
    def rows(wallets: int) -> dict[str, bytes]:
        remarks = "; ".join(f"Digital Currency Address - XBT 1wallet{n}" for n in range(wallets))
        return {"sdn.csv": csv(sdn(1, "A", remarks=f"{remarks}."))}

    load(rows(11), clock)
    with pytest.raises(Conflict, match="9 wallets where 11 are in force"):
        load(rows(9), clock)
    assert load(rows(10), clock).delta.counts()["changed"] == 1


def test_a_list_that_keeps_coming_is_refused_every_time_and_recorded_once(clock: SteppedClock) -> None:
    load(listed(20), clock)
    for _ in range(3):
        with pytest.raises(Conflict):
            load(listed(5), clock, now=clock.advance(hours=1))
    assert states() == [State.ACTIVE, State.REFUSED]
    assert ListVersion.objects.get(state=State.REFUSED).fetched_at == clock.now()
    assert AuditRecord.objects.count() == 2


def test_with_somebodys_word_a_shrunk_list_is_loaded(clock: SteppedClock) -> None:
    load(listed(20), clock)
    load(listed(5), clock, allow_shrink=True, reason="programme ended")
    assert (active().entities, active().note, states()) == (5, "programme ended", [State.SUPERSEDED, State.ACTIVE])


@pytest.mark.parametrize("allow_shrink", [False, True])
def test_an_empty_list_is_never_loaded(clock: SteppedClock, allow_shrink: bool) -> None:
    with pytest.raises(Conflict, match="it is empty"):
        load({"sdn.csv": b"\x1a"}, clock, allow_shrink=allow_shrink)
    assert states() == [State.REFUSED]


def test_remarks_without_their_rest_are_refused(clock: SteppedClock) -> None:
    head, tail = cut("; ".join(f"alt. Digital Currency Address - XBT 1wallet{n:030d}" for n in range(30)))
    row = {"sdn.csv": csv(sdn(1, "A", remarks=head))}
    with pytest.raises(Conflict, match="the comments file is not there"):
        load(row, clock)
    assert (
        load({**row, "sdn_comments.csv": csv(line(1, tail))}, clock).delta.added[0].wallets[-1].address.endswith("29")
    )


def test_an_edition_does_not_come_back_by_itself(clock: SteppedClock) -> None:
    """A mirror that now answers with the old files and now with the new ones does not undo a listing."""
    load(listed(20), clock)
    load(listed(21), clock)
    with pytest.raises(Conflict, match="it was in force before and was superseded"):
        load(listed(20), clock)
    assert active().entities == 21
    load(listed(20), clock, allow_shrink=True, reason="the new one was wrong")
    assert active().entities == 20


def test_days_are_compared(clock: SteppedClock) -> None:
    load(listed(20), clock, published=date(2026, 10, 30))
    with pytest.raises(Conflict, match="it is of 2026-10-29, and the one in force of 2026-10-30"):
        load(listed(21), clock, published=date(2026, 10, 29))
    with pytest.raises(BadInput, match="which is not yet"):
        load(listed(21), clock, published=date(2026, 11, 2))
    load(listed(21), clock, published=date(2026, 11, 1))


def test_files_that_are_no_list_leave_no_trace(clock: SteppedClock) -> None:
    load(listed(20), clock)
    with pytest.raises(BadInput, match=r"sdn\.csv: 1 of 1 rows"):
        load({"sdn.csv": b"<html>down for maintenance</html>"}, clock)
    assert (states(), AuditRecord.objects.count()) == ([State.ACTIVE], 1)


def test_sources_do_not_replace_each_other(clock: SteppedClock) -> None:
    load(listed(20), clock)
    load(listed(3), clock, source="other")
    assert states() == [State.ACTIVE, State.ACTIVE]


@pytest.mark.parametrize("step", ["_supersede", "_activate", "_audit"])
def test_a_crash_on_the_way_leaves_the_old_list_in_force(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = load(listed(20), clock)
    original = getattr(store, step)

    def crash(*arguments: object) -> None:
        original(*arguments)
        raise RuntimeError("crash")

    monkeypatch.setattr(store, step, crash)
    with pytest.raises(RuntimeError):
        load(listed(21), clock)
    assert (states(), active().pk, ListFile.objects.count()) == ([State.ACTIVE], before.version_id, 1)
    monkeypatch.undo()
    assert load(listed(21), clock).delta.counts()["added"] == 1


def test_readers_see_one_list_at_every_moment(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(listed(20), clock)
    seen: list[int] = []

    def look() -> None:
        try:
            seen.append(active().pk)
        finally:
            connection.close()

    original = store._activate

    def between(*arguments: object) -> None:
        looking = threading.Thread(target=look)
        looking.start()
        looking.join(timeout=5)
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "_activate", between)
    load(listed(21), clock)
    assert seen == [before.version_id]


def test_two_loads_at_once_are_both_recorded_and_one_is_in_force(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both compare with the same edition before either takes the lock; the second has to compare again."""
    load(listed(20), clock)
    both = threading.Barrier(2, timeout=10)
    met = threading.local()
    original = store._lock

    def meet(source: str) -> None:
        if not getattr(met, "once", False):
            met.once = True
            both.wait()
        original(source)

    def run(count: int) -> Loaded:
        try:
            return load(listed(count), clock)
        finally:
            connection.close()

    monkeypatch.setattr(store, "_lock", meet)
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(run, (22, 24)))
    assert states() == [State.SUPERSEDED, State.SUPERSEDED, State.ACTIVE]
    first, second = sorted(results, key=lambda loaded: loaded.version_id)
    assert store.compare(first.version_id, second.version_id) == second.delta
    assert active().pk == second.version_id
    assert AuditRecord.objects.filter(action="sanctions_list.activated").count() == 3
    assert audit.verify().ok


def test_ten_loads_of_one_list_at_once_make_one_edition(clock: SteppedClock) -> None:
    def run(_: int) -> Loaded:
        try:
            return load(listed(20), clock)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(run, range(10)))
    assert (states(), len({loaded.version_id for loaded in results})) == ([State.ACTIVE], 1)
    assert sum(not loaded.unchanged for loaded in results) == 1


@pytest.fixture
def unguarded() -> Iterator[None]:
    """Somebody with a superuser's rights and a heavy hand."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = DEFAULT")


def test_damaged_bytes_are_not_read_as_a_list(clock: SteppedClock, unguarded: None) -> None:
    before = load(listed(20), clock)
    for content in (b"", b"\x1f\x8b broken"):
        ListFile.objects.update(content=content)
        with pytest.raises(Unavailable, match=r"sdn\.csv of list version"):
            store.entities_of(before.version_id)
    assert load(listed(21), clock).delta.counts()["added"] == 21


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE screening_list_version SET digest = 'x'",
        "UPDATE screening_list_version SET entities = 1",
        "UPDATE screening_list_version SET note = 'another'",
        "UPDATE screening_list_version SET activated_by = 'nobody'",
        "UPDATE screening_list_version SET fetched_at = fetched_at - interval '1 second'",
        "UPDATE screening_list_version SET state = 'active' WHERE state = 'superseded'",
        "UPDATE screening_list_version SET state = 'refused' WHERE state = 'active'",
        "DELETE FROM screening_list_version",
        "TRUNCATE screening_list_version CASCADE",
        "UPDATE screening_list_file SET content = ''",
        "DELETE FROM screening_list_file",
    ],
)
def test_the_database_keeps_what_was_loaded(clock: SteppedClock, statement: str) -> None:
    load(listed(20), clock)
    load(listed(21), clock)
    refused = pytest.raises(IntegrityError, match=r"a list is not changed|is append-only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert states() == [State.SUPERSEDED, State.ACTIVE]


def test_the_database_has_one_list_in_force_per_source(clock: SteppedClock) -> None:
    load(listed(20), clock)
    row = ListVersion.objects.get()
    row.pk, row.digest = None, "another"
    with pytest.raises(IntegrityError, match="list_one_active"):
        row.save(force_insert=True)
