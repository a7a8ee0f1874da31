"""Loading a list as a whole, refusing one that cannot be right, and reading any edition back."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import structlog
from django.db import connection, transaction

from fiatrails.controls import audit
from fiatrails.kernel.errors import BadInput, Conflict, FiatRailsError, NotFound, Unavailable
from fiatrails.screening.entities import ListedEntity
from fiatrails.screening.lists.delta import Delta, delta
from fiatrails.screening.lists.formats import ParsedList, plain_name, read_list
from fiatrails.screening.lists.formats.read import digest_of
from fiatrails.screening.lists.models import ListFile, ListVersion
from fiatrails.screening.lists.rules import Counts, Edition, refusals
from fiatrails.screening.lists.sample import is_sample

log = structlog.get_logger(__name__)
DEFAULT_SOURCE = "ofac"
State = ListVersion.State
# One load of a source at a time; readers do not take it and are never held up.
_LOCK = "SELECT pg_advisory_xact_lock(4715, hashtext(%s))"
_ATTEMPTS = 5
_IN_AUDIT = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load came to. `unchanged`: the same files are in force already, and only count as fresh again."""

    version_id: int
    delta: Delta
    unchanged: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Packed:
    """A file as it is stored."""

    name: str
    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Everything about a load that was found out before the lock was taken."""

    source: str
    packed: Sequence[_Packed]
    parsed: ParsedList
    published: date | None
    actor: str
    now: datetime
    allow_shrink: bool
    reason: str

    @property
    def edition(self) -> Edition:
        counts = Counts(len(self.parsed.entities), self.parsed.name_count, self.parsed.wallet_count)
        return Edition(counts, self.published, self.parsed.cut_remarks)


def load(
    files: Mapping[str, bytes],
    *,
    source: str = DEFAULT_SOURCE,
    published: date | None,
    actor: str,
    now: datetime,
    allow_shrink: bool = False,
    reason: str = "",
) -> Loaded:
    """Make these files the list in force of their source. Whoever reads sees the old edition until the commit and the
    new one from then on. Call it outside of any transaction: reading the files takes a second.

    The same files as in force only count as fresh again. BadInput when the files are no list, Conflict `list_refused`
    when they are one that cannot be right: it is recorded as refused, and the one in force stays. `allow_shrink`
    accepts anything but an empty list; `reason` is kept with it. `published` counts where the files state no day.
    """
    digest = digest_of(files)
    candidate: _Candidate | None = None
    for _ in range(_ATTEMPTS):
        before = _active(source)
        if before is not None and before.digest == digest:
            return _touch(before, now)
        if candidate is None:
            candidate = _candidate(
                files,
                source=source,
                published=published,
                actor=actor,
                now=now,
                allow_shrink=allow_shrink,
                reason=reason,
            )
        loaded = _swap(candidate, before, delta(_entities_in_force(before), candidate.parsed.entities))
        if loaded is not None:
            return loaded
    raise Conflict("list_load_overtaken", "somebody else loads this list again and again; try it in a minute")


def list_versions(*, source: str | None = None, limit: int = 50) -> list[ListVersion]:
    """Return editions of one source or of all, the latest first."""
    rows = ListVersion.objects.all() if source is None else ListVersion.objects.filter(source=source)
    return list(rows.order_by("-pk")[:limit])


def entities_of(version_id: int) -> tuple[ListedEntity, ...]:
    """Return the entities of an edition, read again from its files; so a decision made on it can be made again."""
    return read_list(files_of(version_id)).entities


def files_of(version_id: int) -> dict[str, bytes]:
    """Return the files of an edition as they were loaded. NotFound when there is no such edition, or it was refused and
    its files were not kept; Unavailable when the stored bytes are not what was stored."""
    version = ListVersion.objects.filter(pk=version_id).first()
    if version is None or not version.files_stored:
        raise NotFound("no_such_list", f"no stored list version {version_id}; `fiatrails lists history` shows them")
    return {row.name: _unpacked(row) for row in ListFile.objects.filter(version_id=version_id).order_by("name")}


def compare(old_id: int, new_id: int) -> Delta:
    """Return what changed from one stored edition to another."""
    return delta(entities_of(old_id), entities_of(new_id))


def _candidate(
    files: Mapping[str, bytes],
    *,
    source: str,
    published: date | None,
    actor: str,
    now: datetime,
    allow_shrink: bool,
    reason: str,
) -> _Candidate:
    parsed = read_list(files)
    stated = parsed.published or published
    if stated is not None and stated > now.date():
        raise BadInput("list_from_the_future", f"the list is of {stated}, which is not yet; give the right day")
    packed = [_pack(plain_name(name), data) for name, data in files.items()]
    return _Candidate(source, packed, parsed, stated, actor, now, allow_shrink, reason)


def _active(source: str) -> ListVersion | None:
    return ListVersion.objects.filter(source=source, state=State.ACTIVE).first()


def _entities_in_force(version: ListVersion | None) -> tuple[ListedEntity, ...]:
    """Return the entities in force. An edition that can no longer be read must not keep a new one out: everybody then
    counts as added."""
    try:
        return entities_of(version.pk) if version is not None else ()
    except FiatRailsError as error:
        log.error("lists.unreadable", version=version.pk if version else None, code=error.code, message=error.message)
        return ()


def _touch(version: ListVersion, now: datetime) -> Loaded:
    """Count the edition as seen now. A clock that is behind must not make the list look older than it was."""
    ListVersion.objects.filter(pk=version.pk, fetched_at__lt=now).update(fetched_at=now)
    return Loaded(version.pk, Delta(), unchanged=True)


def _swap(candidate: _Candidate, before: ListVersion | None, difference: Delta) -> Loaded | None:
    """Record the candidate and puts it in force, or refuses it. None when another load came first: what was compared is
    then no longer what is in force, and is to be compared again."""
    with transaction.atomic():
        _lock(candidate.source)
        active = _active(candidate.source)
        if (active.pk if active else None) != (before.pk if before else None):
            return None
        problems = _problems(candidate, active)
        if problems:
            _refuse(candidate, active, problems)
        else:
            version = _replace(candidate, active, difference)
    if problems:
        log.error("lists.refused", source=candidate.source, problems=problems)
        raise Conflict("list_refused", _refusal(problems, empty=not candidate.parsed.entities))
    log.info("lists.activated", source=candidate.source, version=version.pk, **difference.counts())
    return Loaded(version.pk, difference, warnings=candidate.parsed.warnings)


def _lock(source: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [source])


def _problems(candidate: _Candidate, active: ListVersion | None) -> list[str]:
    if not candidate.parsed.entities:
        return ["it is empty"]
    if candidate.allow_shrink:
        return []
    seen = ListVersion.objects.filter(
        source=candidate.source, digest=candidate.parsed.digest, state=State.SUPERSEDED
    ).exists()
    return refusals(candidate.edition, _edition(active), seen_before=seen)


def _edition(version: ListVersion | None) -> Edition | None:
    """Return what a new list is measured by; nothing is measured by the sample."""
    if version is None or version.is_sample:
        return None
    return Edition(Counts(version.entities, version.names, version.wallets), version.published)


def _refusal(problems: list[str], *, empty: bool) -> str:
    what = f"the list is refused and the one in force stays: {'; '.join(problems)}. "
    if empty:
        return what + "Download it again and load that"
    return (
        what + "See that the files are whole and of one day; if it is right, load it with --allow-shrink and --reason"
    )


def _replace(candidate: _Candidate, active: ListVersion | None, difference: Delta) -> ListVersion:
    version = _record(candidate, State.CANDIDATE, note=candidate.reason)
    files = [ListFile(version=version, name=f.name, sha256=f.sha256, content=f.content) for f in candidate.packed]
    ListFile.objects.bulk_create(files)
    if active is not None:
        _supersede(active)
    _activate(version, candidate)
    _audit("activated", version, candidate, {"replaces": active.pk if active else None, "delta": _summary(difference)})
    return version


def _supersede(version: ListVersion) -> None:
    ListVersion.objects.filter(pk=version.pk).update(state=State.SUPERSEDED)


def _activate(version: ListVersion, candidate: _Candidate) -> None:
    ListVersion.objects.filter(pk=version.pk).update(
        state=State.ACTIVE, activated_at=candidate.now, activated_by=candidate.actor
    )


def _refuse(candidate: _Candidate, active: ListVersion | None, problems: list[str]) -> None:
    """Record the refusal. The files of a refused list are not kept, and one that keeps coming is recorded once."""
    note = "; ".join(problems)
    known = ListVersion.objects.filter(
        source=candidate.source, digest=candidate.parsed.digest, state=State.REFUSED, note=note
    ).first()
    if known is not None:
        _touch(known, candidate.now)
        return
    version = _record(candidate, State.REFUSED, note=note)
    _audit("refused", version, candidate, {"inForce": active.pk if active else None, "problems": problems})


def _record(candidate: _Candidate, state: ListVersion.State, *, note: str) -> ListVersion:
    counts = candidate.edition.counts
    return ListVersion.objects.create(
        source=candidate.source,
        digest=candidate.parsed.digest,
        published=candidate.published,
        loaded_at=candidate.now,
        fetched_at=candidate.now,
        files_stored=state is not State.REFUSED,
        entities=counts.entities,
        names=counts.names,
        wallets=counts.wallets,
        is_sample=is_sample(candidate.parsed.digest),
        state=state,
        note=note,
    )


def _audit(what: str, version: ListVersion, candidate: _Candidate, details: Mapping[str, object]) -> None:
    whole = {
        "digest": version.digest,
        "published": version.published.isoformat() if version.published else None,
        "entities": version.entities,
        "names": version.names,
        "wallets": version.wallets,
        "isSample": version.is_sample,
        "allowShrink": candidate.allow_shrink,
        "note": version.note,
        "warnings": [*candidate.parsed.warnings],
        **details,
    }
    subject = f"{version.source}/{version.pk}"
    audit.record(candidate.actor, f"sanctions_list.{what}", subject, whole, now=candidate.now)


def _summary(difference: Delta) -> dict[str, object]:
    """Return counts, and by name as many as a record can hold; the rest can be compared again at any time."""
    return {
        **difference.counts(),
        "addedFirst": [f"{entity.uid} {entity.name}" for entity in difference.added[:_IN_AUDIT]],
        "removedFirst": [f"{entity.uid} {entity.name}" for entity in difference.removed[:_IN_AUDIT]],
    }


def _pack(name: str, data: bytes) -> _Packed:
    """Compress before the transaction begins; without a time in it, so that the same file is the same bytes."""
    return _Packed(name, hashlib.sha256(data).hexdigest(), gzip.compress(data, compresslevel=6, mtime=0))


def _unpacked(row: ListFile) -> bytes:
    try:
        data = gzip.decompress(bytes(row.content))
    except (OSError, EOFError):
        data = b""
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise Unavailable("list_damaged", f"{row.name} of list version {row.version_id} is damaged; restore the table")
    return data
