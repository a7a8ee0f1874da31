"""A second opinion on wallets: what an on-chain oracle says, beside the lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts.oracle import sanctioned
from fiatrails.compliance.sanctions.cases import OpenHit
from fiatrails.kernel.conf import config
from fiatrails.screening.matching.screening import Band

UID = "ORACLE"


def ask(users: Sequence[str], *, pool: RpcPool) -> dict[str, bool]:
    """Ask the oracle of the profile what it says of each wallet; empty without one. OutsideUnknown when it does not
    answer."""
    oracle = config().profile.screening.oracle
    return sanctioned(users, oracle=oracle, pool=pool) if oracle and users else {}


def open_hit(user: str, evidence: dict[str, Any]) -> OpenHit:
    """Return the hit that a yes of the oracle is."""
    oracle = config().profile.screening.oracle
    entity = hashlib.sha256(f"oracle:{oracle}:{user}".encode()).hexdigest()
    reason = f"wallet {user} is sanctioned, says the on-chain oracle {oracle}"
    return OpenHit(entity, UID, f"on-chain oracle {oracle}", Band.BLOCK, reason, evidence)
