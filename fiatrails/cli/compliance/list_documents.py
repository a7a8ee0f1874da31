"""Versions of a list and what changed between them, as JSON documents."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from fiatrails.cli.kit import amounts

if TYPE_CHECKING:
    from fiatrails.screening.lists.delta import Change, Delta
    from fiatrails.screening.lists.models import ListVersion
    from fiatrails.screening.lists.rules import ActiveVersion


def active_document(version: ActiveVersion, *, now: datetime) -> dict[str, object]:
    """Return a list that is in force, and how old it is."""
    return {
        "source": version.source,
        "version": version.id,
        "published": version.published.isoformat() if version.published else None,
        "fetchedAt": amounts.when(version.fetched_at),
        "ageHours": round(max((now - version.fetched_at).total_seconds(), 0) / 3600, 1),
        "entities": version.counts.entities,
        "names": version.counts.names,
        "wallets": version.counts.wallets,
        "isSample": version.is_sample,
        "digest": version.digest,
    }


def version_document(version: ListVersion) -> dict[str, object]:
    """Return what was loaded, by whom and when."""
    return {
        "version": version.pk,
        "source": version.source,
        "state": version.state,
        "published": version.published.isoformat() if version.published else None,
        "loadedAt": amounts.when(version.loaded_at),
        "fetchedAt": amounts.when(version.fetched_at),
        "activatedAt": amounts.when(version.activated_at),
        "activatedBy": version.activated_by,
        "entities": version.entities,
        "names": version.names,
        "wallets": version.wallets,
        "isSample": version.is_sample,
        "digest": version.digest,
        "note": version.note,
    }


def delta_document(found: Delta) -> dict[str, object]:
    """Return who was added, removed and changed."""
    return {
        "counts": found.counts(),
        "added": [{"uid": entity.uid, "name": entity.name} for entity in found.added],
        "removed": [{"uid": entity.uid, "name": entity.name} for entity in found.removed],
        "changed": [_change(change) for change in found.changed],
    }


def _change(change: Change) -> dict[str, object]:
    fields = [{"field": f.field, "gained": [*f.gained], "lost": [*f.lost]} for f in change.fields]
    return {"uid": change.new.uid, "oldUid": change.old.uid, "name": change.new.name, "fields": fields}
