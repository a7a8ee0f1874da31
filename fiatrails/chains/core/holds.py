"""Why a chain's orders do not go out: a closed set of reasons, as metrics, checks and operators know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class HoldReason(StrEnum):
    """Why something holds. TREASURY and ALLOWANCE: the coins behind a mint. FEE_MONEY: what the signer pays fees from.
    SEQUENCE: an earlier transaction of the lane is missing. REFUSED: nodes do not take the bytes. OTHER: a reason that
    has no word of its own here; its text says it."""

    TREASURY = "treasury"
    ALLOWANCE = "allowance"
    PAUSED = "paused"
    ROLE = "role"
    FEE_MONEY = "fee_money"
    FEE_CAP = "fee_cap"
    PRICE_UNKNOWN = "price_unknown"
    NO_SIGNER = "no_signer"
    SEQUENCE = "sequence"
    FINALITY = "finality"
    CLOCK = "clock"
    WRONG_CHAIN = "wrong_chain"
    RPC = "rpc"
    MODE = "mode"
    STABLECOIN = "stablecoin"
    REFUSED = "refused"
    OTHER = "other"


# A country's contracts and coins: `address` is the country code then.
COUNTRY = "country"

_BY_CODE = {
    "treasury_short": HoldReason.TREASURY,
    "allowance_short": HoldReason.ALLOWANCE,
    "contracts_paused": HoldReason.PAUSED,
    "price_unknown": HoldReason.PRICE_UNKNOWN,
    "no_signer": HoldReason.NO_SIGNER,
    "finality": HoldReason.FINALITY,
    "clock": HoldReason.CLOCK,
    "mode": HoldReason.MODE,
    "fee_cap": HoldReason.FEE_CAP,
}
_BY_BEGINNING = (
    ("rpc", HoldReason.RPC),
    ("keystore", HoldReason.NO_SIGNER),
    ("signer", HoldReason.NO_SIGNER),
    ("stablecoin", HoldReason.STABLECOIN),
)


@dataclass(frozen=True, slots=True)
class ChainHold:
    """What holds orders of `chain` back: a lane (`address`, `role`), or a country's contracts (`address` is its code,
    `role` COUNTRY). `detail` says it with its figures and what to do."""

    chain: str
    address: str
    role: str
    reason: HoldReason
    detail: str
    since: datetime


def reason_of(text: str, codes: Mapping[str, HoldReason] = MappingProxyType({})) -> HoldReason:
    """Return the reason that a text of the form `code: sentence` stands for; `codes` are a chain's own words."""
    code = text.partition(":")[0].strip()
    if "wrong_chain" in text:
        return HoldReason.WRONG_CHAIN
    found = codes.get(code) or _BY_CODE.get(code)
    if found is not None:
        return found
    return next((reason for start, reason in _BY_BEGINNING if code.startswith(start)), HoldReason.OTHER)
