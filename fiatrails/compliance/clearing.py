"""Clearing intents: asks the on-chain registry, decides, records the decision, issues the `Clearance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import structlog

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.registry import UserCompliance, read_users
from fiatrails.compliance.geo import residence
from fiatrails.compliance.geo.residence import Residence
from fiatrails.compliance.models import Decision
from fiatrails.compliance.policy import Verdict, judge, policy_version
from fiatrails.compliance.sanctions import cases, checks
from fiatrails.compliance.sanctions.checks import Check
from fiatrails.compliance.velocity import store as velocity
from fiatrails.compliance.velocity.rules import Admission, Usage
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Forbidden
from fiatrails.kernel.metrics import compliance_checks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what is to be cleared: `amount` in token base units; `usage` is what velocity limits count, None where
    there are none."""

    intent_id: str
    user: str
    amount: int
    usage: Usage | None = None


def look_up(subjects: Sequence[Subject], *, pool: RpcPool) -> dict[str, UserCompliance]:
    """Read what the registry says now, by user; outside any transaction. OutsideUnknown when the chain does not answer:
    then nothing is decided and nothing mints."""
    return read_users(sorted({subject.user for subject in subjects}), pool=pool)


def screen_payers(subjects: Sequence[Subject], *, pool: RpcPool, now: datetime) -> dict[str, Check]:
    """Screen the payers against the sanctions lists, by user; outside any transaction. Empty when screening is off.
    OutsideUnknown when the profile names an on-chain oracle that does not answer."""
    return checks.check([subject.user for subject in subjects], pool=pool, now=now)


def decide(
    subjects: Sequence[Subject],
    entries: dict[str, UserCompliance],
    *,
    now: datetime,
    screened: Mapping[str, Check] = MappingProxyType({}),
) -> dict[str, Verdict]:
    """Judge and record every subject, in the caller's transaction, and return the verdicts by intent id."""
    homes = residence.judge_users(s.user for s in subjects)
    verdicts = {s.intent_id: _judge(entries[s.user], _check_of(s, screened), homes.get(s.user)) for s in subjects}
    usages = [s.usage for s in subjects if s.usage is not None and verdicts[s.intent_id].cleared]
    verdicts |= _beyond_limits(velocity.admit(usages, config().profile.velocity, now=now))
    Decision.objects.bulk_create(
        [
            _row(s, _inputs(entries[s.user], _check_of(s, screened), homes.get(s.user)), verdicts[s.intent_id], now)
            for s in subjects
        ]
    )
    _open_cases(subjects, screened, now)
    for verdict in verdicts.values():
        compliance_checks.labels(result="cleared" if verdict.cleared else "refused").inc()
    return verdicts


def _open_cases(subjects: Sequence[Subject], screened: Mapping[str, Check], now: datetime) -> None:
    """Open cases in order of the users, because each is locked until the transaction ends."""
    for subject in sorted(subjects, key=lambda subject: subject.user):
        check = _check_of(subject, screened)
        if check is not None and check.open_hits:
            cases.open_for(subject.user, check.open_hits, origin="payment", intent_id=subject.intent_id, now=now)


def _check_of(subject: Subject, screened: Mapping[str, Check]) -> Check | None:
    """Return the check of the payer, None when screening is off. While it is on, a payer without a check is refused:
    fail closed."""
    return (screened.get(subject.user) or checks.not_screened()) if checks.enabled() else None


def _judge(entry: UserCompliance, check: Check | None, home: Residence | None) -> Verdict:
    """Ask the lists first: what is listed must be said, whatever else is wrong. `home` None: no country is
    restricted."""
    if check is not None and not check.verdict.cleared:
        return check.verdict
    if home is not None and not home.verdict.cleared:
        return home.verdict
    return judge(entry, config().profile.compliance)


def _beyond_limits(limits: Mapping[str, Admission]) -> dict[str, Verdict]:
    return {
        intent_id: Verdict(False, limit.code, limit.reason, refund=limit.action == "refuse")
        for intent_id, limit in limits.items()
        if not limit.admitted
    }


def _inputs(entry: UserCompliance, check: Check | None, home: Residence | None) -> dict[str, Any]:
    """Return all that the decision depended on."""
    screening = {"screening": check.inputs} if check is not None else {}
    return asdict(entry) | screening | ({"geo": home.inputs} if home is not None else {})


def _row(subject: Subject, inputs: dict[str, Any], verdict: Verdict, now: datetime) -> Decision:
    policy = policy_version(config().profile.compliance)
    row = Decision(
        intent_id=subject.intent_id,
        user=subject.user,
        amount=Decimal(subject.amount),
        cleared=verdict.cleared,
        code=verdict.code,
        reason=verdict.reason,
        policy=policy,
        inputs=inputs,
        decided_at=now,
    )
    if verdict.cleared:
        row.expires_at = now + timedelta(seconds=config().profile.timeouts.clearance_s)
        row.seal = _issue(subject, now, row.expires_at, policy).seal
    return row


def _issue(subject: Subject, issued_at: datetime, expires_at: datetime, policy: str) -> Clearance:
    return Clearance.issue(
        intent_id=subject.intent_id,
        recipient=subject.user,
        amount=subject.amount,
        issued_at=issued_at,
        expires_at=expires_at,
        policy=policy,
        key=clearance_key(),
    )


def clearances(intent_ids: Sequence[str], *, now: datetime) -> dict[str, Clearance]:
    """Return the clearances in force, by intent id. Absent: an intent whose last decision is a refusal, has expired, or
    does not carry our seal (the row was edited, or the key was replaced), or whose payer a rescreening found since; it
    has to be cleared again."""
    latest = Decision.objects.filter(intent_id__in=intent_ids).order_by("intent_id", "-id").distinct("intent_id")
    cleared = {row.intent_id: _clearance(row) for row in latest if row.cleared and row.expires_at is not None}
    suspected = cases.standing(clearance.recipient for clearance in cleared.values()) if checks.enabled() else {}
    return {
        intent_id: clearance
        for intent_id, clearance in cleared.items()
        if clearance.recipient not in suspected and _holds(clearance, now)
    }


def _clearance(row: Decision) -> Clearance:
    return Clearance(
        intent_id=row.intent_id,
        recipient=row.user,
        amount=int(row.amount),
        issued_at=row.decided_at,
        expires_at=row.expires_at or row.decided_at,
        policy=row.policy,
        seal=row.seal,
    )


def _holds(clearance: Clearance, now: datetime) -> bool:
    try:
        clearance.require_valid(now=now, key=clearance_key())
    except Forbidden as refusal:
        log.warning("clearance.refused", intent_id=clearance.intent_id, code=refusal.code)
        return False
    return True


def clearance_key() -> bytes:
    """Return the key of the seal; `chains` verifies with the same."""
    return config().clearance_key.get_secret_value().encode()


def would_clear(
    subject: Subject, entry: UserCompliance, *, now: datetime, screened: Mapping[str, Check] = MappingProxyType({})
) -> bool:
    """Return whether the user would be cleared now; decides, counts and records nothing."""
    home = residence.judge_users([subject.user]).get(subject.user)
    if not _judge(entry, _check_of(subject, screened), home).cleared:
        return False
    usages = [subject.usage] if subject.usage is not None else []
    return all(limit.admitted for limit in velocity.would_admit(usages, config().profile.velocity, now=now).values())


def is_velocity(verdict: Verdict) -> bool:
    """Return whether a velocity limit is why."""
    return verdict.code.startswith("velocity_")


def is_sanctions(verdict: Verdict) -> bool:
    """Return whether the sanctions lists are why: such money goes nowhere before a person has decided."""
    return verdict.code in checks.CODES
