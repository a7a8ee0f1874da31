"""What changed between two editions of a list: who was added, who was removed, and what became different."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from fiatrails.screening.entities import ListedEntity

_WORDS = re.compile(r"\w+")
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one entity: what it gained and what it lost, as text."""

    field: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    def __str__(self) -> str:
        signed = [f"+{text}" for text in self.gained] + [f"-{text}" for text in self.lost]
        more = f" and {len(signed) - _SHOWN} more" if len(signed) > _SHOWN else ""
        return f"{self.field} {', '.join(signed[:_SHOWN])}{more}"


@dataclass(frozen=True, slots=True)
class Change:
    """One entity in both editions; never without `fields`."""

    old: ListedEntity
    new: ListedEntity
    fields: tuple[FieldChange, ...]

    @property
    def what(self) -> frozenset[str]:
        """Return the names of the fields that changed."""
        return frozenset(change.field for change in self.fields)


@dataclass(frozen=True, slots=True)
class Delta:
    """All that changed, each part in the order of its list. Screening again is due when it is not `empty`."""

    added: tuple[ListedEntity, ...] = ()
    removed: tuple[ListedEntity, ...] = ()
    changed: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether both editions say the same of everybody."""
        return not (self.added or self.removed or self.changed)

    def counts(self) -> dict[str, int]:
        """Return how many, for a log line."""
        return {"added": len(self.added), "removed": len(self.removed), "changed": len(self.changed)}

    def report(self, *, limit: int | None = None) -> str:
        """Return lines for a person: a sentence with the counts, then one line each. At most `limit` lines of each
        part."""
        parts = (
            ("added", [f"+ {_line(entity)}" for entity in self.added]),
            ("removed", [f"- {_line(entity)}" for entity in self.removed]),
            ("changed", [f"~ {_line(c.new)}: {'; '.join(map(str, c.fields))}" for c in self.changed]),
        )
        lines = [", ".join(f"{len(found)} {word}" for word, found in parts)]
        for word, found in parts:
            shown = found if limit is None else found[:limit]
            lines += shown
            if len(shown) < len(found):
                lines.append(f"  ... and {len(found) - len(shown)} more {word}")
        return "\n".join(lines)


def delta(old: Sequence[ListedEntity], new: Sequence[ListedEntity]) -> Delta:
    """Compare two editions. An entity is the same when its uid is, or else when it is re-listed under another uid: same
    type and primary name, and nothing that speaks against it."""
    before = {entity.uid: entity for entity in old}
    after = {entity.uid: entity for entity in new}
    gone = [entity for uid, entity in before.items() if uid not in after]
    come = [entity for uid, entity in after.items() if uid not in before]
    moved = _relisted(gone, come)
    pairs = [(before[uid], entity) for uid, entity in after.items() if uid in before] + moved
    kept = {entity.uid for pair in moved for entity in pair}
    return Delta(
        added=tuple(entity for entity in come if entity.uid not in kept),
        removed=tuple(entity for entity in gone if entity.uid not in kept),
        changed=tuple(change for pair in pairs if (change := _change(*pair)).fields),
    )


def fingerprint(entity: ListedEntity) -> tuple[Hashable, ...]:
    """Return what an entity is known by when its uid is not: type, primary name without case, accents and order, births
    and identifiers."""
    return (*_called(entity), frozenset(entity.births), frozenset(entity.identifiers))


def _relisted(gone: Iterable[ListedEntity], come: Iterable[ListedEntity]) -> list[tuple[ListedEntity, ListedEntity]]:
    """Return pairs of one entity under two uids: first those with one fingerprint, then namesakes of one type that
    share a birth, an identifier or a wallet. Namesakes that share nothing are two."""
    pairs: list[tuple[ListedEntity, ListedEntity]] = []
    left: dict[str, ListedEntity] = {entity.uid: entity for entity in come}
    for alike in (_same_fingerprint, _shares_evidence):
        by_name: dict[Hashable, list[ListedEntity]] = defaultdict(list)
        for entity in left.values():
            by_name[_called(entity)].append(entity)
        paired = {entity.uid for entity, _ in pairs}
        for entity in gone:
            found = next((c for c in by_name[_called(entity)] if c.uid in left and alike(entity, c)), None)
            if found is not None and entity.uid not in paired:
                pairs.append((entity, left.pop(found.uid)))
    return pairs


def _same_fingerprint(old: ListedEntity, new: ListedEntity) -> bool:
    return fingerprint(old) == fingerprint(new)


def _shares_evidence(old: ListedEntity, new: ListedEntity) -> bool:
    return any(
        not set(before).isdisjoint(after)
        for before, after in ((old.births, new.births), (old.identifiers, new.identifiers), (old.wallets, new.wallets))
    )


def _called(entity: ListedEntity) -> tuple[Hashable, ...]:
    plain = unicodedata.normalize("NFKD", entity.name).casefold()
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return entity.type, tuple(sorted(_WORDS.findall(bare)))


def _change(old: ListedEntity, new: ListedEntity) -> Change:
    pairs = [
        (field, before, after)
        for (field, before), (_, after) in zip(_screened_fields(old), _screened_fields(new), strict=True)
    ]
    return Change(old, new, tuple(_compare(*pair) for pair in pairs if set(pair[1]) != set(pair[2])))


def _compare(field: str, before: Sequence[str], after: Sequence[str]) -> FieldChange:
    """Compare without order what a list does not order."""
    gained = tuple(text for text in after if text not in set(before))
    return FieldChange(field, gained, tuple(text for text in before if text not in set(after)))


def _screened_fields(entity: ListedEntity) -> list[tuple[str, list[str]]]:
    """Return everything that screening compares. Remarks as text are not: they change with every letter."""
    return [
        ("uid", [entity.uid]),
        ("type", [entity.type.value]),
        ("names", [f"{name.text} ({name.kind.value})" for name in entity.names]),
        ("births", [_born(birth.earliest.isoformat(), birth.latest.isoformat()) for birth in entity.births]),
        ("countries", [*entity.countries]),
        ("ids", [" ".join(filter(None, (i.kind, i.number, i.country))) for i in entity.identifiers]),
        ("wallets", [f"{wallet.asset} {wallet.address}" for wallet in entity.wallets]),
        ("programs", [*entity.programs]),
    ]


def _born(earliest: str, latest: str) -> str:
    return earliest if earliest == latest else f"{earliest}..{latest}"


def _line(entity: ListedEntity) -> str:
    wallets = f", {len(entity.wallets)} wallets" if entity.wallets else ""
    return f"{entity.uid} {entity.name} ({entity.type.value}{wallets})"
