"""Whether the coin behind a country's token counts as the rail does, and in the currency that the profile says.

The service sends an intent's base units (18 decimals) as the escrow's amount, and the escrow counts in units of its
stablecoin: with six decimals one payment would mint 10^12 times too much. One token is redeemed for one coin, so a token
that is sold for a shilling must not stand on a dollar. Nothing is signed for such a deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.contract import Contract, Read
from fiatrails.chains.evm.contracts.deployment import CountryContracts, Deployment, deployment
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.pool import is_revert
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Misconfigured, OutsideUnknown

DECIMALS = 18
_ABI = load("USDStablecoin")
_DECIMALS, _CURRENCY = _ABI.function("decimals"), _ABI.function("currency")
_BALANCE_OF, _ALLOWANCE = _ABI.function("balanceOf"), _ABI.function("allowance")
# An escrow can be given another coin while the worker runs.
_ASK_AGAIN_AFTER = timedelta(minutes=1)
# When this process last saw that these were as they must be.
_checked: dict[object, datetime] = {}

T = TypeVar("T")


class Stablecoin(Contract):
    """An ERC-20 token with the optional `decimals`, and perhaps `currency`, the name that Circle's coins use."""

    def decimals(self) -> Read[int]:
        """Ask how many decimals its amounts have."""
        return self._value(_DECIMALS)

    def currency(self) -> Read[str]:
        """Ask what one coin is worth one of."""
        return self._value(_CURRENCY)

    def balance_of(self, account: str) -> Read[int]:
        """Ask what the account holds."""
        return self._value(_BALANCE_OF, account)

    def allowance(self, owner: str, spender: str) -> Read[int]:
        """Ask what the spender may take from the owner."""
        return self._value(_ALLOWANCE, owner, spender)


@dataclass(frozen=True, slots=True)
class CoinFacts:
    """What a coin says of itself; None where it says nothing."""

    decimals: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind a country's token, by the address book and by the chain. `in_escrow`: the coin that the escrow
    takes; None when nothing answers there."""

    recorded: CountryContracts
    coin: CoinFacts
    in_escrow: str | None


def require_sound_backing(*, pool: RpcPool, now: datetime) -> bool:
    """Return when every country of the profile that is deployed has the coin it is said to have; Misconfigured names
    what is not. The chain is asked at first and again after a minute; the answer says whether it was now."""
    settings = config()
    wanted = settings.profile.stablecoin_currencies
    deployed = deployment(settings.deployments_path, settings.profile.chain_id)
    countries = [country for code, country in sorted(deployed.countries.items()) if code in wanted]
    key = deployed.chain_id, tuple(countries), tuple(wanted.items())
    if key in _checked and now - _checked[key] < _ASK_AGAIN_AFTER:
        return False
    # Whatever comes of it: what was sound before a fault is asked about again after it.
    _checked.clear()
    for backing in read_backings(countries, pool=pool):
        refuse_unsound(backing, wanted[backing.recorded.code])
    _checked[key] = now
    return True


def read_backings(countries: Sequence[CountryContracts], *, pool: RpcPool) -> tuple[Backing, ...]:
    """Return what the chain says of the countries' coins. OutsideUnknown when it does not answer."""
    facts = read_coins([country.stablecoin for country in countries], pool=pool)
    held = _said([MintEscrow(country.escrow).stablecoin() for country in countries], pool)
    return tuple(Backing(*found) for found in zip(countries, facts, held, strict=True))


def read_coins(stablecoins: Sequence[str], *, pool: RpcPool) -> tuple[CoinFacts, ...]:
    """Return what the coins say of themselves. OutsideUnknown when the chain does not answer."""
    coins = [Stablecoin(address) for address in stablecoins]
    decimals = _said([coin.decimals() for coin in coins], pool)
    currencies = _said([coin.currency() for coin in coins], pool)
    return tuple(CoinFacts(*found) for found in zip(decimals, currencies, strict=True))


def fault_of(backing: Backing, wanted: str) -> Misconfigured | None:
    """Return why nothing may be minted for the country whose coin is to be worth one of `wanted`; None when it may."""
    try:
        refuse_unsound(backing, wanted)
    except Misconfigured as fault:
        return fault
    return None


def refuse_unsound(backing: Backing, wanted: str) -> None:
    """Raise Misconfigured unless the coin counts as we do, is worth one of `wanted`, is recorded so, and is the escrow's."""
    recorded = backing.recorded
    refuse_unfit(recorded.code, recorded.stablecoin, backing.coin, wanted)
    _refuse_other_record(recorded, wanted)
    _refuse_other_coin(backing)


def refuse_unfit(country: str, stablecoin: str, coin: CoinFacts, wanted: str) -> None:
    """Raise Misconfigured when the coin has other decimals than ours, or says that it is of another currency."""
    refuse_other_decimals(stablecoin, coin.decimals)
    if coin.currency is not None and coin.currency != wanted:
        raise Misconfigured(
            "stablecoin_currency",
            f"the stablecoin {stablecoin} of {country} says that it is {coin.currency!r}, and the profile says {wanted}: a "
            f"token sold for one would be redeemed for the other; deploy with a coin of {wanted}, or correct the "
            f"country's stablecoin.currency in the profile",
        )


def refuse_other_decimals(stablecoin: str, decimals: int | None) -> None:
    """Raise Misconfigured unless `decimals` is 18; None: the contract does not say."""
    if decimals != DECIMALS:
        said = "does not answer decimals()" if decimals is None else f"has {decimals} decimals"
        raise Misconfigured(
            "stablecoin_decimals",
            f"the stablecoin {stablecoin} {said}, and amounts are sent with {DECIMALS}: every mint would be wrong; "
            f"deploy with a stablecoin of {DECIMALS} decimals (`fiatrails contracts deploy --stablecoin`)",
        )


def reset_cache() -> None:
    """Ask again with the next call: for tests."""
    _checked.clear()


def _refuse_other_record(recorded: CountryContracts, wanted: str) -> None:
    coin, code, currency = recorded.stablecoin, recorded.code, recorded.stablecoin_currency
    if not currency:
        raise Misconfigured(
            "stablecoin_unrecorded",
            f"the address book does not say which currency the stablecoin {coin} of {code} is, and the profile says "
            f"{wanted}; deploy again, or, if it is {wanted}, record stablecoinCurrency for {code} in deployments.json",
        )
    if currency != wanted:
        raise Misconfigured(
            "stablecoin_currency",
            f"the address book says that the stablecoin {coin} of {code} is {currency}, and the profile says {wanted}; "
            f"deploy with a coin of {wanted}, or correct the country's stablecoin.currency in the profile",
        )


def _refuse_other_coin(backing: Backing) -> None:
    recorded = backing.recorded
    if backing.in_escrow != recorded.stablecoin:
        taken = backing.in_escrow or "nothing that answers"
        raise Misconfigured(
            "stablecoin_escrow",
            f"the escrow of {recorded.code} takes {taken} as its stablecoin, and the address book says "
            f"{recorded.stablecoin}; find out who called setStablecoin, then deploy again or set it back",
        )


def _said(reads: Sequence[Read[T]], pool: RpcPool) -> list[T | None]:
    """What the contracts answer; None where one reverts or answers something else."""
    answers = pool.batch([read.call() for read in reads])
    return [_decoded(read, answer) for read, answer in zip(reads, answers, strict=True)]


def _decoded(read: Read[T], answer: object) -> T | None:
    if isinstance(answer, RpcError) and not is_revert(answer):
        raise OutsideUnknown("stablecoin_unknown", "no RPC endpoint could read the stablecoins")
    try:
        return read.decode(answer)
    except ValueError:
        return None
