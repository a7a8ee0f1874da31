"""Clearing intents: asks the on-chain registry, decides, records the decision, issues the `Clearance`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.registry import UserCompliance, read_users
from fiatrails.compliance.models import Decision
from fiatrails.compliance.policy import Verdict, judge, policy_version
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Forbidden
from fiatrails.kernel.metrics import compliance_checks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what is to be cleared: `amount` in token base units."""

    intent_id: str
    user: str
    amount: int


def look_up(subjects: Sequence[Subject], *, pool: RpcPool) -> dict[str, UserCompliance]:
    """What the registry says now, by user; outside any transaction. OutsideUnknown when the chain does not answer:
    then nothing is decided and nothing mints."""
    return read_users(sorted({subject.user for subject in subjects}), pool=pool)


def decide(subjects: Sequence[Subject], entries: dict[str, UserCompliance], *, now: datetime) -> dict[str, Verdict]:
    """Judges and records every subject, in the caller's transaction; verdicts by intent id."""
    rules = config().profile.compliance
    verdicts = {subject.intent_id: judge(entries[subject.user], rules) for subject in subjects}
    Decision.objects.bulk_create([_row(s, entries[s.user], verdicts[s.intent_id], now) for s in subjects])
    for verdict in verdicts.values():
        compliance_checks.labels(result="cleared" if verdict.cleared else "refused").inc()
    return verdicts


def _row(subject: Subject, entry: UserCompliance, verdict: Verdict, now: datetime) -> Decision:
    policy = policy_version(config().profile.compliance)
    row = Decision(
        intent_id=subject.intent_id, user=subject.user, amount=Decimal(subject.amount), cleared=verdict.cleared,
        code=verdict.code, reason=verdict.reason, policy=policy, inputs=asdict(entry), decided_at=now,
    )  # fmt: skip
    if verdict.cleared:
        row.expires_at = now + timedelta(seconds=config().profile.timeouts.clearance_s)
        row.seal = _issue(subject, now, row.expires_at, policy).seal
    return row


def _issue(subject: Subject, issued_at: datetime, expires_at: datetime, policy: str) -> Clearance:
    return Clearance.issue(
        intent_id=subject.intent_id, recipient=subject.user, amount=subject.amount, issued_at=issued_at,
        expires_at=expires_at, policy=policy, key=clearance_key(),
    )  # fmt: skip


def clearances(intent_ids: Sequence[str], *, now: datetime) -> dict[str, Clearance]:
    """The clearances in force, by intent id. Absent: an intent whose last decision is a refusal, has expired, or does
    not carry our seal (the row was edited, or the key was replaced); it has to be cleared again."""
    latest = Decision.objects.filter(intent_id__in=intent_ids).order_by("intent_id", "-id").distinct("intent_id")
    cleared = {row.intent_id: _clearance(row) for row in latest if row.cleared and row.expires_at is not None}
    return {intent_id: clearance for intent_id, clearance in cleared.items() if _holds(clearance, now)}


def _clearance(row: Decision) -> Clearance:
    return Clearance(
        intent_id=row.intent_id, recipient=row.user, amount=int(row.amount), issued_at=row.decided_at,
        expires_at=row.expires_at or row.decided_at, policy=row.policy, seal=row.seal,
    )  # fmt: skip


def _holds(clearance: Clearance, now: datetime) -> bool:
    try:
        clearance.require_valid(now=now, key=clearance_key())
    except Forbidden as refusal:
        log.warning("clearance.refused", intent_id=clearance.intent_id, code=refusal.code)
        return False
    return True


def clearance_key() -> bytes:
    """Key of the seal; `chains` verifies with the same."""
    return config().clearance_key.get_secret_value().encode()


def would_clear(entry: UserCompliance) -> bool:
    """Whether the user would be cleared now; decides and records nothing."""
    return judge(entry, config().profile.compliance).cleared
