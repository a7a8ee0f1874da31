"""Whether the stablecoin counts as the rail does.

The service sends an intent's base units (18 decimals) as the escrow's amount, and the escrow counts in units of its
stablecoin. With six decimals one payment would mint 10^12 times too much, so nothing is signed for such a deployment.
"""

from __future__ import annotations

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.contract import Contract, Read
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.deployment import deployment
from fiatrails.chains.evm.pool import is_revert
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Misconfigured, OutsideUnknown

DECIMALS = 18
_DECIMALS = load("USDStablecoin").function("decimals")
_BALANCE_OF = load("USDStablecoin").function("balanceOf")
# Chain and stablecoin that this process has asked. ERC-20 decimals do not change, so only the good answer is kept.
_seen: set[tuple[int, str]] = set()


class Stablecoin(Contract):
    """An ERC-20 token with the optional `decimals`."""

    def decimals(self) -> Read[int]:
        """Ask how many decimals its amounts have."""
        return self._value(_DECIMALS)

    def balance_of(self, account: str) -> Read[int]:
        """Ask how much of it the account holds."""
        return self._value(_BALANCE_OF, account)


def require_fitting_decimals(*, pool: RpcPool) -> None:
    """Return when the deployed stablecoin has 18 decimals; Misconfigured when not. The chain is asked once per process."""
    settings = config()
    deployed = deployment(settings.deployments_path, settings.profile.chain_id)
    key = deployed.chain_id, deployed.stablecoin
    if key in _seen:
        return
    refuse_other_decimals(deployed.stablecoin, decimals_of(deployed.stablecoin, pool=pool))
    _seen.add(key)


def refuse_other_decimals(stablecoin: str, decimals: int | None) -> None:
    """Raise Misconfigured unless `decimals` is 18; None: the contract does not say."""
    if decimals != DECIMALS:
        said = "does not answer decimals()" if decimals is None else f"has {decimals} decimals"
        raise Misconfigured(
            "stablecoin_decimals",
            f"the stablecoin {stablecoin} {said}, and amounts are sent with {DECIMALS}: every mint would be wrong; "
            f"deploy with a stablecoin of {DECIMALS} decimals (`fiatrails contracts deploy --stablecoin`)",
        )


def forget() -> None:
    """Ask again with the next call: for tests."""
    _seen.clear()


def decimals_of(stablecoin: str, *, pool: RpcPool) -> int | None:
    """Return the decimals; None when the contract does not say. OutsideUnknown when the chain does not answer."""
    read = Stablecoin(stablecoin).decimals()
    answer = pool.batch([read.call()])[0]
    if isinstance(answer, RpcError) and not is_revert(answer):
        raise OutsideUnknown("stablecoin_unknown", "no RPC endpoint could read the stablecoin's decimals")
    try:
        return read.decode(answer)
    except ValueError:
        return None
