"""The review queue: hits that wait for a person, and what people decided about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from fiatrails.compliance.sanctions.models import Case, Release
from fiatrails.compliance.sanctions.states import STANDING, CaseState, sources
from fiatrails.controls import audit
from fiatrails.kernel.errors import BadInput, Conflict, NotFound

log = structlog.get_logger(__name__)
_STANDING = [state.value for state in STANDING]
SYSTEM = "screening"
# A case opened on what was found before a release that was approved meanwhile would stand for ever.
_LOCK = "SELECT pg_advisory_xact_lock(4716, hashtext(%s))"


@dataclass(frozen=True, slots=True)
class OpenHit:
    """One hit that nobody released. `entity` is the fingerprint that a release would bear; `evidence` is JSON."""

    entity: str
    uid: str
    name: str
    band: str
    reason: str
    evidence: Mapping[str, Any] = field(repr=False)


def open_for(user: str, open_hits: Iterable[OpenHit], *, origin: str, now: datetime, intent_id: str = "") -> int:
    """Open a case for each hit of the user that has none, in the caller's transaction, and return how many. `origin` is
    `payment` or `rescreening`. Users of one transaction come in ascending order: each is locked until its end."""
    wanted = {hit.entity: hit for hit in open_hits}
    lock(user)
    known = set(Case.objects.filter(user=user, state__in=_STANDING).values_list("entity", flat=True))
    known |= released([user]).get(user, frozenset())
    rows = [
        Case(
            user=user,
            entity=hit.entity,
            entity_uid=hit.uid,
            entity_name=hit.name,
            band=hit.band,
            reason=hit.reason,
            evidence=dict(hit.evidence),
            origin=origin,
            intent_id=intent_id,
            state=CaseState.OPEN,
            opened_at=now,
            moved_at=now,
            moved_by=SYSTEM,
        )
        for hit in wanted.values()
        if hit.entity not in known
    ]
    Case.objects.bulk_create(rows)
    for row in rows:
        log.warning("screening.case_opened", user=user, entity=row.entity_uid, band=row.band, origin=origin)
    return len(rows)


def lock(user: str) -> None:
    """Keep everybody else from opening or releasing cases of this user until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [user])


def released(users: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the fingerprints of the entities that each user was released from, by two people."""
    rows = Release.objects.filter(user__in=set(users), approved_at__isnull=False, revoked_at=None)
    found: dict[str, set[str]] = defaultdict(set)
    for user, entity in rows.values_list("user", "entity"):
        found[user].add(entity)
    return {user: frozenset(entities) for user, entities in found.items()}


def close_gone(user: str, still: Collection[str], *, now: datetime, note: str) -> int:
    """End cases of the user whose entity is not among `still`, the fingerprints that the lists find now, and return how
    many. What somebody confirmed stays."""
    rows = Case.objects.filter(user=user, state__in=sources(CaseState.GONE)).exclude(entity__in=list(still))
    return rows.update(state=CaseState.GONE, moved_at=now, moved_by=SYSTEM, note=note)


def standing(users: Iterable[str]) -> dict[str, tuple[Case, ...]]:
    """Return the cases that are not ended, oldest first, by user; users without one are absent."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in Case.objects.filter(user__in=set(users), state__in=_STANDING).order_by("id"):
        found[case.user].append(case)
    return {user: tuple(cases) for user, cases in found.items()}


def queue(*, every: bool = False, limit: int = 200) -> Sequence[Case]:
    """Return the cases that stand, oldest first; with `every`, the ended ones too, newest first."""
    if every:
        return list(Case.objects.order_by("-id")[:limit])
    return list(Case.objects.filter(state__in=_STANDING).order_by("id")[:limit])


def get(case_id: int) -> Case:
    """Return the case. NotFound when there is none."""
    case = Case.objects.filter(pk=case_id).first()
    if case is None:
        raise NotFound("case_not_found", f"there is no case {case_id}; `fiatrails case list` shows them")
    return case


def confirm(*, case_id: int, actor: str, reason: str, now: datetime) -> Case:
    """Say that the payer is the listed one. One person suffices: it lets no money go. Held payments stay held, and the
    wallet stays suspended on chain, whatever later lists say."""
    with transaction.atomic():
        case = locked(case_id)
        move(case, CaseState.CONFIRMED, actor=actor, note=reason, now=now)
        details = {"case": case.id, "entity": case.entity_uid, "name": case.entity_name, "reason": reason}
        audit.record(actor, "screening.case_confirmed", case.user, details, now=now)
    return case


def locked(case_id: int) -> Case:
    """Return the case, locked until the caller's transaction ends."""
    get(case_id)
    return Case.objects.select_for_update().get(pk=case_id)


def move(case: Case, target: CaseState, *, actor: str, note: str, now: datetime) -> None:
    """Move the case. Conflict when it cannot go there any more; BadInput without a reason."""
    if case.state not in sources(target):
        raise Conflict("case_state", f"case {case.id} is {case.state} and cannot become {target.value}")
    if not note.strip():
        raise BadInput("reason_missing", "say why; the reason is kept with the case")
    case.state, case.moved_at, case.moved_by, case.note = target.value, now, actor, note
    case.save(update_fields=["state", "moved_at", "moved_by", "note"])


def reopen(*, user: str, entity: str, actor: str, note: str, now: datetime) -> None:
    """Open the case that a release ended once more, as a row of its own, after the release was taken back, in the
    caller's transaction; one that waited for it is simply open again."""
    lock(user)
    ended = Case.objects.filter(user=user, entity=entity).order_by("-id").first()
    if ended is not None and ended.state == CaseState.RELEASED:
        ended.pk, ended.state, ended.opened_at = None, CaseState.OPEN.value, now
        ended.moved_at, ended.moved_by, ended.note = now, actor, note
        ended.save(force_insert=True)
        return
    follow_release(user=user, entity=entity, target=CaseState.OPEN, actor=actor, note=note, now=now)


def follow_release(*, user: str, entity: str, target: CaseState, actor: str, note: str, now: datetime) -> None:
    """Move the case of this pair along with its release, in the caller's transaction; there may be none."""
    case = Case.objects.select_for_update().filter(user=user, entity=entity, state__in=sources(target)).first()
    if case is not None:
        move(case, target, actor=actor, note=note, now=now)
