"""Hits that were found to be somebody else: asked for by one person, approved by another, kept across list updates."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from fiatrails.compliance.sanctions import cases
from fiatrails.compliance.sanctions.models import Case, Release
from fiatrails.compliance.sanctions.states import CaseState
from fiatrails.controls import audit
from fiatrails.kernel.errors import BadInput, Conflict, Forbidden, NotFound
from fiatrails.screening.entities import ListedEntity
from fiatrails.screening.matching.text import split


@dataclass(frozen=True, slots=True)
class ReleaseTarget:
    """What a payer is released from: the entity's fingerprint, and its number and name at that time."""

    entity: str
    uid: str
    name: str

    @classmethod
    def of(cls, entity: ListedEntity) -> ReleaseTarget:
        """Return a listed entity."""
        return cls(fingerprint(entity), entity.uid, entity.name)


def fingerprint(entity: ListedEntity) -> str:
    """Return what an entity is known by when its number is not: type, primary name, births, identifiers, wallets; 64
    hex. A list that learns something new of it makes it another, and the release is asked for again."""
    facts = [
        entity.type.value,
        sorted(split(entity.name)),
        sorted(f"{birth.earliest}/{birth.latest}" for birth in entity.births),
        sorted(f"{identifier.kind}:{identifier.number}" for identifier in entity.identifiers),
        sorted(wallet.address for wallet in entity.wallets),
    ]
    return _digest(facts)


def unscreenable(name: str, problem: str) -> str:
    """Return what a name that cannot be screened is released by; 64 hex."""
    return _digest(["unscreenable", problem, name])


def request(*, user: str, target: ReleaseTarget, reason: str, actor: str, now: datetime) -> Release:
    """Say that the owner of a wallet is not this listed entity. Nothing is released until somebody else approves.
    Conflict when it was asked for already."""
    if not reason.strip():
        raise BadInput("reason_missing", "say why; the reason is kept with the release")
    try:
        with transaction.atomic():
            release = Release.objects.create(
                user=user,
                entity=target.entity,
                entity_uid=target.uid,
                entity_name=target.name,
                reason=reason,
                requested_at=now,
                requested_by=actor,
            )
            cases.follow_release(
                user=user, entity=target.entity, target=CaseState.RELEASE_REQUESTED, actor=actor, note=reason, now=now
            )
            _audit(release, "screening.release_requested", actor, now)
    except IntegrityError:
        raise Conflict("release_exists", f"a release of {user} from {target.name} was asked for already") from None
    return release


def request_for_case(*, case_id: int, reason: str, actor: str, now: datetime) -> Release:
    """Ask for a release from what a case is about. Conflict when it is decided."""
    case = cases.get(case_id)
    if case.state not in (CaseState.OPEN, CaseState.CONFIRMED):
        raise Conflict("case_state", f"case {case.id} is {case.state}; no release can be asked for")
    target = ReleaseTarget(case.entity, case.entity_uid, case.entity_name)
    return request(user=case.user, target=target, reason=reason, actor=actor, now=now)


def approve(*, release_id: int, actor: str, now: datetime) -> Release:
    """Put a release in force and end its case. Forbidden for who asked for it: four eyes."""
    with transaction.atomic():
        release = _open(release_id)
        if release.approved_at is not None:
            raise Conflict("release_approved", f"approved by {release.approved_by} already")
        if same_person(release.requested_by, actor):
            raise Forbidden("same_person", "who asked for a release cannot approve it; somebody else has to")
        release.approved_at, release.approved_by = now, actor
        release.save(update_fields=["approved_at", "approved_by"])
        cases.follow_release(
            user=release.user,
            entity=release.entity,
            target=CaseState.RELEASED,
            actor=actor,
            note=release.reason,
            now=now,
        )
        _audit(release, "screening.release_approved", actor, now)
    return release


def same_person(one: str, other: str) -> bool:
    """Return whether two actors may be one person: names differ by more than case and surrounding space."""
    return one.strip().casefold() == other.strip().casefold()


def revoke(*, release_id: int, actor: str, reason: str, now: datetime) -> Release:
    """Take a release back, or refuse one that was asked for. One person suffices: it lets no money go. The payer is
    screened without it from now on, and the case that it ended, or that waited for it, is open again."""
    if not reason.strip():
        raise BadInput("reason_missing", "say why; the reason is kept in the audit log")
    with transaction.atomic():
        release = _open(release_id)
        release.revoked_at, release.revoked_by = now, actor
        release.save(update_fields=["revoked_at", "revoked_by"])
        cases.reopen(user=release.user, entity=release.entity, actor=actor, note=reason, now=now)
        _audit(release, "screening.release_revoked", actor, now, why=reason)
    return release


def confirm(*, case_id: int, actor: str, reason: str, now: datetime) -> Case:
    """Confirm that the payer is the listed one, and refuse a release that waited for a second person."""
    with transaction.atomic():
        cases.lock(cases.get(case_id).user)
        case = cases.confirm(case_id=case_id, actor=actor, reason=reason, now=now)
        waiting = Release.objects.select_for_update().filter(
            user=case.user, entity=case.entity, approved_at=None, revoked_at=None
        )
        for release in waiting:
            release.revoked_at, release.revoked_by = now, actor
            release.save(update_fields=["revoked_at", "revoked_by"])
            _audit(release, "screening.release_revoked", actor, now, why=reason)
    return case


def waiting_for(case: Case) -> Release:
    """Return the release that the case waits for. Conflict when nobody asked for one."""
    found = Release.objects.filter(user=case.user, entity=case.entity, approved_at=None, revoked_at=None).first()
    if found is None:
        raise Conflict("no_release", f"nobody asked for a release; `fiatrails case release {case.id}` does")
    return found


def listed() -> list[Release]:
    """Return all that were not taken back, the open ones first."""
    return list(Release.objects.filter(revoked_at=None).order_by("approved_at", "id"))


def _open(release_id: int) -> Release:
    """Return the release as it stands once nobody else decides about this user: a confirmation takes case and release
    in the other order, and the two would wait for each other."""
    known = Release.objects.filter(pk=release_id).first()
    if known is None:
        raise NotFound("release_not_found", "no such release; `fiatrails screen releases` lists them")
    cases.lock(known.user)
    release = Release.objects.select_for_update().get(pk=release_id)
    if release.revoked_at is not None:
        raise Conflict("release_revoked", f"taken back by {release.revoked_by} already")
    return release


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _audit(release: Release, action: str, actor: str, now: datetime, *, why: str = "") -> None:
    details = {"entity": release.entity_uid, "name": release.entity_name, "reason": why or release.reason}
    audit.record(actor=actor, action=action, subject=release.user, details=details, now=now)
