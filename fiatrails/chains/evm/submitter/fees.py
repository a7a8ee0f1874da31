"""EIP-1559 fees: what to offer first and what a replacement must offer. Pure; all amounts in wei per gas.

Sources: geth `core/txpool` (a replacement needs +10 % on both fee cap and tip; we keep 12.5 % because other pools ask
more), `eth_feeHistory` (baseFeePerGas has one entry more than blocks, the last for the next block).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

_BUMP_NUMERATOR, _BUMP_DENOMINATOR = 9, 8  # + 12.5 %
# The base fee can rise by 12.5 % a block: twice the base fee stays valid for five full blocks.
_BASE_FEE_MARGIN = 2


@dataclass(frozen=True, slots=True)
class Fees:
    """Fee cap and tip, both in wei per gas."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Market:
    """What blocks charge: base fee of the next block and the tip that recent blocks paid."""

    base_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Bounds of the deployment profile: never offer more than `cap`, never tip less than `min_tip`."""

    cap: int
    min_tip: int


def market(history: Mapping[str, Any]) -> Market:
    """Return what an answer of eth_feeHistory (one reward percentile) says; ValueError when it has no base fee."""
    base_fees: Sequence[str] = history.get("baseFeePerGas") or ()
    if not base_fees:
        raise ValueError("eth_feeHistory has no baseFeePerGas")
    rewards = [int(block[0], 16) for block in history.get("reward") or () if block]
    paid = [reward for reward in rewards if reward > 0]
    return Market(base_fee=int(base_fees[-1], 16), tip=int(median(paid)) if paid else 0)


def first_offer(now: Market, policy: FeePolicy) -> Fees | None:
    """Return the fees of a first attempt; None when the next block alone costs more than the cap: hold and alert (law
    9)."""
    tip = max(now.tip, policy.min_tip)
    if now.base_fee + min(tip, policy.min_tip) > policy.cap:
        return None
    max_fee = min(_BASE_FEE_MARGIN * now.base_fee + tip, policy.cap)
    return Fees(max_fee=max_fee, tip=min(tip, max_fee))


def replacement(previous: Fees, now: Market, policy: FeePolicy) -> Fees | None:
    """Return the fees of a replacement of the same nonce: at least 12.5 % more on both, at least the market; None when
    that would pass the cap: hold and alert (a replacement pays more)."""
    floor_max, floor_tip = _raised(previous.max_fee), _raised(previous.tip)
    wanted = first_offer(now, policy)
    if wanted is None or floor_max > policy.cap:
        return None
    max_fee = max(wanted.max_fee, floor_max)
    tip = max(wanted.tip, floor_tip)
    return Fees(max_fee=max_fee, tip=tip) if tip <= max_fee else None


def is_priced_out(offer: Fees, now: Market) -> bool:
    """Return whether the next block cannot take this offer."""
    return offer.max_fee < now.base_fee


def _raised(value: int) -> int:
    return max(-(-value * _BUMP_NUMERATOR // _BUMP_DENOMINATOR), value + 1)
