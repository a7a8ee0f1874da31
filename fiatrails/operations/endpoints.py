"""RPC endpoints that serve another chain: an alarm each, for as long as they do."""

from __future__ import annotations

from fiatrails.chains.core.rpc import Endpoint, NoAnswer
from fiatrails.chains.evm.pool import chain_of, default_pool
from fiatrails.engine import dead_letters
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile

_ALARM = "checkEndpoint"


def watch(clock: Clock) -> str:
    """Ask every endpoint for its chain; raise the alarm of one that serves another, and clear it when it serves ours.
    One that does not answer says nothing of either."""
    return f"{sum(_watch(endpoint, clock) for endpoint in default_pool().endpoints)} of another chain"


def _watch(endpoint: Endpoint, clock: Clock) -> bool:
    try:
        served = chain_of(endpoint)
    except NoAnswer:
        return False
    wanted = profile().chain_id
    if served == wanted:
        dead_letters.close_alarm(
            _ALARM, endpoint.name, reason=f"it serves chain {wanted}", actor="worker", now=clock.now()
        )
        return False
    dead_letters.add(
        operation=_ALARM,
        subject=endpoint.name,
        attempts=1,
        last_error=f"wrong_chain: {endpoint.name} answers for chain {served}, the profile says {wanted}; "
        "it is not used; correct RPC_URL, or ask its operator",
        error_class=dead_letters.PERMANENT,
        payload={},
        now=clock.now(),
    )
    return True
