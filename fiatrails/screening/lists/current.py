"""The lists in force now: which, how old, whether they may be relied on, and their entities, kept in this process."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from fiatrails.kernel.errors import Conflict
from fiatrails.screening.entities import ListedEntity
from fiatrails.screening.lists import store
from fiatrails.screening.lists.models import ListVersion
from fiatrails.screening.lists.rules import ActiveLists, ActiveVersion, Counts, Unusable, Usable, judge
from fiatrails.screening.lists.sample import sample_files

__all__ = ["ActiveLists", "ActiveVersion", "Unusable", "Usable", "active", "entities", "stored", "usable"]

log = structlog.get_logger(__name__)
_ACTOR = "bundled-sample"
_SAMPLE = (
    "no sanctions list was ever loaded: screening runs on a small bundled SAMPLE and finds nearly nobody;"
    " run `fiatrails lists refresh`"
)
_entities: dict[int, tuple[ListedEntity, ...]] = {}
_reading = threading.Lock()


def stored(*, now: datetime) -> ActiveLists:
    """Return the lists in force as they are, which may be none; one short query."""
    rows = ListVersion.objects.filter(state=ListVersion.State.ACTIVE).order_by("source")
    return ActiveLists(tuple(map(_version, rows)), now)


def active(*, now: datetime) -> ActiveLists:
    """Return the lists in force; never none, because where nothing was ever loaded the bundled sample is loaded
    first."""
    lists = stored(now=now)
    if not lists.versions:
        _load_sample(now)
        lists = stored(now=now)
    return lists


def usable(*, now: datetime, max_age: timedelta, allow_sample: bool) -> Usable | Unusable:
    """Return whether anybody may be cleared on the lists in force. `max_age` since they were last seen at their source;
    `allow_sample` only where no money is (`local`, `test`)."""
    return judge(active(now=now), max_age=max_age, allow_sample=allow_sample)


def entities(lists: ActiveLists) -> tuple[ListedEntity, ...]:
    """Return the entities of these lists. Parsed once per process and edition; a new edition takes the place of the
    old."""
    known = _entities
    if any(version_id not in known for version_id in lists.ids):
        known = _read(lists.ids)
        if lists.is_sample:
            log.warning("lists.sample_in_use", message=_SAMPLE)
    if len(lists.ids) == 1:
        return known[lists.ids[0]]
    return tuple(entity for version_id in lists.ids for entity in known[version_id])


def forget_cached() -> None:
    """Drop the parsed entities; for tests, where ids start again."""
    global _entities  # noqa: PLW0603 - the cache of the process
    _entities = {}


def _read(ids: tuple[int, ...]) -> dict[int, tuple[ListedEntity, ...]]:
    """Read the editions in one thread, while the others wait for it. The cache is replaced and never changed, so it
    needs no lock to be looked at."""
    global _entities  # noqa: PLW0603 - the cache of the process
    with _reading:
        found = {version_id: _entities.get(version_id) or store.entities_of(version_id) for version_id in ids}
        _entities = found
    return found


def _load_sample(now: datetime) -> None:
    log.warning("lists.sample_loaded", message=_SAMPLE)
    try:
        store.load(sample_files(), published=None, actor=_ACTOR, now=now, reason="nothing else was ever loaded")
    except Conflict:
        # Somebody loaded a real list at this very moment; that is the one in force.
        log.info("lists.sample_not_needed")


def _version(row: ListVersion) -> ActiveVersion:
    return ActiveVersion(
        id=row.pk,
        source=row.source,
        digest=row.digest,
        published=row.published,
        fetched_at=row.fetched_at,
        activated_at=row.activated_at or row.loaded_at,
        is_sample=row.is_sample,
        counts=Counts(row.entities, row.names, row.wallets),
    )
