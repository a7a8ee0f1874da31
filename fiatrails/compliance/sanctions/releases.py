"""Hits that were found to be somebody else: asked for by one person, approved by another, kept across list updates."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from fiatrails.compliance.ofac.entities import ListedEntity
from fiatrails.compliance.ofac.text import split
from fiatrails.compliance.sanctions.models import Release
from fiatrails.controls import audit
from fiatrails.kernel.errors import Conflict, Forbidden, NotFound


def fingerprint(entity: ListedEntity) -> str:
    """What an entity is known by when its number is not: type, primary name, births, identifiers, wallets; 64 hex.
    A list that learns something new of it makes it another, and the release is asked for again."""
    facts = [
        entity.type.value,
        sorted(split(entity.name)),
        sorted(f"{birth.earliest}/{birth.latest}" for birth in entity.births),
        sorted(f"{identifier.kind}:{identifier.number}" for identifier in entity.identifiers),
        sorted(wallet.address for wallet in entity.wallets),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def request(*, user: str, entity: ListedEntity, reason: str, actor: str, now: datetime) -> Release:
    """Says that the owner of a wallet is not this entity. Nothing is released until somebody else approves."""
    try:
        with transaction.atomic():
            release = Release.objects.create(
                user=user, entity=fingerprint(entity), entity_uid=entity.uid, entity_name=entity.name, reason=reason,
                requested_at=now, requested_by=actor,
            )  # fmt: skip
            _audit(release, "screening.release_requested", actor, now)
    except IntegrityError:
        raise Conflict("release_exists", f"a release of {user} from {entity.uid} was asked for already") from None
    return release


def approve(*, release_id: int, actor: str, now: datetime) -> Release:
    """Puts a release in force. Forbidden for who asked for it: four eyes."""
    with transaction.atomic():
        release = Release.objects.select_for_update().filter(pk=release_id).first()
        if release is None:
            raise NotFound("release_not_found", "no such release; `fiatrails screen releases` lists them")
        if release.approved_at is not None:
            raise Conflict("release_approved", f"approved by {release.approved_by} already")
        if release.requested_by == actor:
            raise Forbidden("same_person", "who asked for a release cannot approve it; somebody else has to")
        release.approved_at, release.approved_by = now, actor
        release.save(update_fields=["approved_at", "approved_by"])
        _audit(release, "screening.release_approved", actor, now)
    return release


def approved(users: Iterable[str]) -> dict[str, frozenset[str]]:
    """Fingerprints of the entities that each user was released from."""
    rows = Release.objects.filter(user__in=set(users), approved_at__isnull=False).values_list("user", "entity")
    found: dict[str, set[str]] = defaultdict(set)
    for user, entity in rows:
        found[user].add(entity)
    return {user: frozenset(entities) for user, entities in found.items()}


def listed() -> list[Release]:
    """All of them, the open ones first."""
    return list(Release.objects.order_by("approved_at", "id"))


def _audit(release: Release, action: str, actor: str, now: datetime) -> None:
    details = {"entity": release.entity_uid, "name": release.entity_name, "reason": release.reason}
    audit.record(actor=actor, action=action, subject=release.user, details=details, now=now)
