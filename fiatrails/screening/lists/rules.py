"""When a list is refused, and when the lists in force may be relied on. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

MAX_SHRINK = 0.10


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a list says."""

    entities: int
    names: int
    wallets: int


@dataclass(frozen=True, slots=True)
class Edition:
    """What decides whether a list may take the place of another. `cut_remarks`: remarks whose rest is missing."""

    counts: Counts
    published: date | None
    cut_remarks: int = 0


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """One list in force."""

    id: int
    source: str
    digest: str
    published: date | None
    fetched_at: datetime
    activated_at: datetime
    is_sample: bool
    counts: Counts


@dataclass(frozen=True, slots=True)
class ActiveLists:
    """The lists in force at the moment `at`, one per source, by name of the source. With several, each question is
    answered for the worst of them: the oldest, and the sample if any is one."""

    versions: tuple[ActiveVersion, ...]
    at: datetime

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the ids of the versions: what a cache is keyed by, and what a decision writes down."""
        return tuple(version.id for version in self.versions)

    @property
    def digest(self) -> str:
        """Return the digest of the one list, or one over those of all; "" without a list."""
        digests = [version.digest for version in self.versions]
        return (
            digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest() * bool(digests)
        )

    @property
    def published(self) -> date | None:
        """Return the oldest day that a list states; None when none does."""
        return min((version.published for version in self.versions if version.published is not None), default=None)

    @property
    def fetched_at(self) -> datetime | None:
        """Return when the list that was seen longest ago was last seen at its source; None without a list."""
        return min((version.fetched_at for version in self.versions), default=None)

    @property
    def age(self) -> timedelta:
        """Return the time since `fetched_at`, never negative; without a list, as old as can be."""
        return max(self.at - self.fetched_at, timedelta()) if self.fetched_at is not None else timedelta.max

    @property
    def is_sample(self) -> bool:
        """Return whether any of them is the bundled sample."""
        return any(version.is_sample for version in self.versions)


@dataclass(frozen=True, slots=True)
class Usable:
    """Screening against these lists means something."""

    lists: ActiveLists


@dataclass(frozen=True, slots=True)
class Unusable:
    """Nothing may be cleared now. `code` is `no_list`, `stale_list` or `sample_list`; `reason` says what to do."""

    code: str
    reason: str
    lists: ActiveLists


def refusals(new: Edition, old: Edition | None, *, seen_before: bool) -> list[str]:
    """Return why `new` may not take the place of `old` without somebody's word, as sentences; empty when it may.
    `seen_before`: these very files were in force once and were superseded."""
    found = []
    if new.cut_remarks:
        found.append(f"{new.cut_remarks} remarks stop at 1,000 characters, and the comments file is not there")
    if old is not None:
        found += _shrunk(new.counts, old.counts)
        if new.published is not None and old.published is not None and new.published < old.published:
            found.append(f"it is of {new.published}, and the one in force of {old.published}")
    if seen_before:
        found.append("it was in force before and was superseded")
    return found


def judge(lists: ActiveLists, *, max_age: timedelta, allow_sample: bool) -> Usable | Unusable:
    """Return whether the lists may be relied on. The sample is never refreshed, so where it is allowed it does not
    age."""
    if not lists.versions:
        reason = "no sanctions list is loaded; run `fiatrails lists refresh`, or `fiatrails lists load` with the files"
        return Unusable("no_list", reason, lists)
    if lists.is_sample and not allow_sample:
        reason = "only the bundled sample of a sanctions list is loaded; run `fiatrails lists refresh`"
        return Unusable("sample_list", reason, lists)
    if lists.age > max_age and not lists.is_sample:
        reason = (
            f"the sanctions list was last seen at its source {_hours(lists.age)} hours ago and may be"
            f" {_hours(max_age)} hours old; run `fiatrails lists refresh`"
        )
        return Unusable("stale_list", reason, lists)
    return Usable(lists)


def _shrunk(new: Counts, old: Counts) -> list[str]:
    pairs = (
        ("entities", new.entities, old.entities),
        ("names", new.names, old.names),
        ("wallets", new.wallets, old.wallets),
    )
    return [
        f"{now} {what} where {before} are in force" for what, now, before in pairs if now < before * (1 - MAX_SHRINK)
    ]


def _hours(span: timedelta) -> int:
    return int(span.total_seconds() // 3600)
