"""What the steps of the queues share."""

from __future__ import annotations

from dataclasses import dataclass

from fiatrails.chains.core.pool import RpcPool
from fiatrails.kernel.clock import Clock

WORKER = "worker"


@dataclass(frozen=True, slots=True)
class PurchaseTools:
    """What a step may use besides the database."""

    clock: Clock
    pool: RpcPool
