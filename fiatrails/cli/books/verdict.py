"""What `verify` says of a hash chain, for the ledger and for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiatrails.cli.kit import render, runtime

if TYPE_CHECKING:
    from fiatrails.controls.audit import AuditVerification
    from fiatrails.ledger.verify import Verification


def emit(json: bool, found: AuditVerification | Verification, *, subject: str, unit: str, count: int) -> None:
    """Print the verdict on `count` links of a chain, then end with 1 when the chain has a problem.

    `subject` opens the sentence ("the ledger"); `unit` names the links ("entries"), also as the key of the JSON.
    """
    head = found.head.digest.hex()
    whole = {
        "ok": found.ok,
        unit: count,
        "head": {"seq": found.head.seq, "digest": head},
        "firstBroken": found.first_broken,
        "problems": list(found.problems),
    }
    verdict = f"{subject} verifies" if found.ok else f"{subject} is BROKEN"
    render.emit(json, whole, f"{verdict}: {count} {unit}, head {head}", *found.problems)
    if not found.ok:
        runtime.negative()
