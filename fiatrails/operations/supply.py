"""The jobs of the supply: read it, and raise the alarm when chain and books do not say the same."""

from __future__ import annotations

from collections.abc import Mapping

from fiatrails.chains.core.chain import Chain
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.pool import default_pool
from fiatrails.chains.registry import chains
from fiatrails.engine import dead_letters
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.operations.invariants.supply import compare
from fiatrails.purchases.supply import place_of, read_all

# With 5,000 blocks a page a run reads 50,000 blocks of an old deployment, and the other jobs wait for it some seconds.
_PAGES_A_RUN = 10


def read_job(clock: Clock) -> str:
    """Read the supply of every chain as far as one run goes."""
    return "; ".join(_read(chain, clock) for chain in chains())


def _read(chain: Chain, clock: Clock) -> str:
    try:
        read_all(chain, pool=default_pool(), clock=clock, max_pages=_PAGES_A_RUN)
    except OutsideUnknown as unknown:
        return f"{chain.name} unknown: {unknown.code}"
    return f"{chain.name} read to {place_of(chain.name)}"


def compare_job(clock: Clock) -> str:
    """Compare chain and books, and open or close the alarm of each asset."""
    return "; ".join(_watch(chain, clock) for chain in chains())


def _watch(chain: Chain, clock: Clock) -> str:
    try:
        found = _differences(chain, pool=default_pool(), clock=clock)
    except OutsideUnknown as unknown:
        return f"{chain.name} unknown: {unknown.code}"
    if found is None:
        return f"{chain.name} is still being read"
    for asset, figures in found.items():
        _alarm(asset, figures, clock)
    wrong = sum(1 for figures in found.values() if figures)
    return f"{chain.name}: {wrong} of {len(found)} differ"


def _differences(chain: Chain, *, pool: RpcPool, clock: Clock) -> dict[str, dict[str, str]] | None:
    """Return what differs by asset; None while old blocks are being read. What one comparison finds and the next does
    not was a node that is behind, not a difference."""
    first = _compared(chain, pool, clock)
    if first is None or not any(first.values()):
        return first
    second = _compared(chain, pool, clock)
    return second and {asset: figures if first.get(asset) else {} for asset, figures in second.items()}


def _compared(chain: Chain, pool: RpcPool, clock: Clock) -> dict[str, dict[str, str]] | None:
    if not read_all(chain, pool=pool, clock=clock, max_pages=_PAGES_A_RUN):
        return None
    return {each.asset: each.differences for each in compare(chain, pool=pool)}


def _alarm(asset: str, figures: Mapping[str, str], clock: Clock) -> None:
    if not figures:
        again = "chain and books agree again"
        dead_letters.close_alarm("compareSupply", asset, reason=again, actor="worker", now=clock.now())
        return
    dead_letters.add(
        operation="compareSupply",
        subject=asset,
        attempts=1,
        last_error="; ".join(f"{sentence} does not hold: {what}" for sentence, what in figures.items()),
        error_class=dead_letters.PERMANENT,
        payload=dict(figures),
        now=clock.now(),
    )
