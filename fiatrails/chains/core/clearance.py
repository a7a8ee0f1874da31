"""The only thing that opens the way to a mint: a clearance that `compliance` issued for exactly this order."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime

from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Clearance:
    """Decision of compliance that `amount` base units may be minted to `recipient` for `intent_id`, until
    `expires_at`. `seal` is an HMAC over all of it: a row edited by hand, or a value made elsewhere, does not pass. The
    recipient counts letter by letter: on some chains another case is another account. Where it does not matter, as on
    EVM chains, addresses are lower-case throughout."""

    intent_id: str
    recipient: str
    amount: int
    issued_at: datetime
    expires_at: datetime
    policy: str
    seal: str

    @classmethod
    def issue(
        cls,
        *,
        intent_id: str,
        recipient: str,
        amount: int,
        issued_at: datetime,
        expires_at: datetime,
        policy: str,
        key: bytes,
    ) -> Clearance:
        """Seal a clearance: for `fiatrails.compliance` alone (held by an architecture test)."""
        unsealed = cls(intent_id, recipient, amount, issued_at, expires_at, policy, seal="")
        return replace(unsealed, seal=_seal(unsealed, key))

    def require_valid(self, *, now: datetime, key: bytes) -> None:
        """Raise Forbidden when the seal is not ours or the clearance has expired."""
        if not hmac.compare_digest(_seal(self, key), self.seal):
            raise Forbidden("clearance_forged", f"clearance of {self.intent_id} does not carry our seal")
        if now >= self.expires_at:
            raise Forbidden("clearance_expired", f"clearance of {self.intent_id} has expired; clear it again")


def _seal(cleared: Clearance, key: bytes) -> str:
    fields = (
        cleared.intent_id,
        cleared.recipient,
        str(cleared.amount),
        isoformat(cleared.issued_at),
        isoformat(cleared.expires_at),
        cleared.policy,
    )
    return hmac.new(b"fiatrails.clearance:" + key, "\n".join(fields).encode(), hashlib.sha256).hexdigest()
