"""What officers write to the on-chain registry, beside what screening takes away there."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from fiatrails.chains.evm.registry import enqueue_update
from fiatrails.compliance.sanctions import cases, suspensions
from fiatrails.controls import audit
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict


def update(*, user: str, risk_score: int, attestation_hash: str, verified: bool, actor: str, now: datetime) -> int:
    """Queue the update and write the audit record, together; return the id of the slot. Conflict when it verifies a
    user against whom a case stands: asked under the lock under which cases are opened, so none is opened in between."""
    with transaction.atomic():
        cases.lock(user)
        if verified:
            require_no_case(user)
        else:
            suspensions.withhold(user)
        slot_id = enqueue_update(user, risk_score, attestation_hash, verified, now=now)
        details = {"riskScore": risk_score, "attestationHash": attestation_hash, "verified": verified, "slot": slot_id}
        audit.record(actor, "user.update", user, details, now=now)
        notify()
    return slot_id


def require_no_case(user: str) -> None:
    """Raise Conflict while a case stands: what screening took away on chain comes back with the decision, not around
    it."""
    for case in cases.standing([user]).get(user, ()):
        raise Conflict("case_stands", f"case {case.id} stands against this user; decide it with `fiatrails case` first")


def revoke_return(*, user: str, actor: str, now: datetime) -> bool:
    """Revoke the return of what screening has suspended, and return whether there was anything to bring back: the
    registry says so already, but the end of the case must not bring it back."""
    with transaction.atomic():
        cases.lock(user)
        withheld = suspensions.withhold(user)
        if withheld:
            audit.record(actor, "user.return_revoked", user, {}, now=now)
    return withheld
