"""The escrow of one country. Source: contracts/src/MintEscrow.sol and interfaces/IMintEscrowRail.sol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.contracts.contract import Pausable, Read
from fiatrails.chains.evm.contracts.encoding import as_bytes, load

# contracts/src/libraries/SkipCodes.sol: a public contract, appended and never renumbered.
SKIP_CODES = {
    1: "already_exists",
    2: "not_compliant",
    3: "invalid_amount",
    4: "over_per_mint_limit",
    5: "over_daily_limit",
    6: "rate_limited",
    7: "minter_allowance",
    8: "token_refused",
    9: "not_pending",
    10: "invalid_user",
    11: "payer_denied",
    12: "other_stablecoin",
}

# MintStatus + 1, as intentStates answers.
EXECUTED = 2

_ABI = load("MintEscrow")
_SETTLE_BATCH = _ABI.function("settleBatch")
_INTENT_STATES = _ABI.function("intentStates")
_GET_INTENT = _ABI.function("getIntent")
_LIABILITIES = _ABI.function("liabilities")
_HALTED = _ABI.function("halted")
_STABLECOIN = _ABI.function("usdStablecoin")
_TREASURY = _ABI.function("treasury")
_NOBODY = "0x" + "00" * 20
_MINT_EXECUTED = _ABI.event("MintExecuted")
_MINT_SKIPPED = _ABI.event("MintSkipped")
_REDEEMED = _ABI.event("Redeemed")
_STABLECOIN_CHANGED = _ABI.event("StablecoinChanged")
_read_executed = _MINT_EXECUTED.reader("intentId", "user", "amount")
_read_reference = _MINT_EXECUTED.reader("txRef")
_read_redeemed = _REDEEMED.reader("holder", "tokens")
_read_stablecoin = _STABLECOIN_CHANGED.reader("stablecoin")
_read_skipped = _MINT_SKIPPED.reader("intentId", "code")


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One mint of a batch: `amount` base units to `recipient`; `tx_ref_word` is the bytes32 reference."""

    intent_id: str
    recipient: str
    amount: int
    tx_ref_word: str


@dataclass(frozen=True, slots=True)
class OnChainIntent:
    """What the escrow has recorded for an intent."""

    recipient: str
    amount: int


@dataclass(frozen=True, slots=True)
class Minted:
    """One MintExecuted: `amount` base units to `recipient` for the intent."""

    intent_id: str
    recipient: str
    amount: int


@dataclass(frozen=True, slots=True)
class Redeemed:
    """One Redeemed: `tokens` base units of the country token, given back by `holder`."""

    holder: str
    tokens: int


@dataclass(frozen=True, slots=True)
class StablecoinChanged:
    """One StablecoinChanged: from here on, deposits are made in the coin at `address`."""

    address: str


@dataclass(frozen=True, slots=True)
class Liabilities:
    """What the escrow owes in one stablecoin: deposits that wait, the backing of tokens, and payouts to be claimed."""

    pending: int
    backing: int
    claimable: int

    @property
    def total(self) -> int:
        """All of it: what the escrow must hold."""
        return self.pending + self.backing + self.claimable


class MintEscrow(Pausable):
    """The contract that mints a confirmed payment once."""

    @staticmethod
    def settle_batch(items: Iterable[BatchItem]) -> bytes:
        """Return the calldata that mints them."""
        return _SETTLE_BATCH.encode([(item.recipient, item.amount, as_bytes(item.tx_ref_word)) for item in items])

    def intent_states(self, intent_ids: Sequence[str]) -> Read[list[int]]:
        """Ask for the states: 0 unknown, 1 pending, 2 executed, 3 refunded, 4 failed."""
        data = _INTENT_STATES.encode([as_bytes(intent_id) for intent_id in intent_ids])
        return self._view(data, lambda result: list(_INTENT_STATES.answer(result)[0]))

    def get_intent(self, intent_id: str) -> Read[OnChainIntent]:
        """Ask what is recorded for the intent."""
        return self._view(_GET_INTENT.encode(as_bytes(intent_id)), _intent)

    def stablecoin(self) -> Read[str]:
        """Ask which coin it takes, in lower case."""
        return self._view(_STABLECOIN.encode(), lambda result: str(_STABLECOIN.answer(result)[0]).lower())

    def treasury(self) -> Read[str]:
        """Ask who pays for mints, in lower case; "": each executor for its own."""
        return self._view(_TREASURY.encode(), _account)

    def halted(self) -> Read[bool]:
        """Ask whether nothing can be minted because the escrow, its token or its manager is paused."""
        return self._value(_HALTED)

    def liabilities(self, stablecoin: str) -> Read[Liabilities]:
        """Ask what the escrow owes in the coin."""
        return self._view(_LIABILITIES.encode(stablecoin), lambda result: Liabilities(*_LIABILITIES.answer(result)))

    def mints_between(self, first: int, last: int) -> Call:
        """Ask for the logs of the mints in these blocks, both ends included; `read_minted` reads each."""
        query = {"address": self.address, "topics": [_MINT_EXECUTED.topic], "fromBlock": hex(first), "toBlock": hex(last)}
        return Call("eth_getLogs", (query,))

    def events(self, logs: Iterable[Mapping[str, Any]]) -> tuple[list[Minted], dict[str, str]]:
        """Return what a transaction's logs say was minted, and which intents were skipped with the name of the reason.
        Logs of other contracts do not count. ValueError, KeyError or IndexError for what is no log."""
        minted: list[Minted] = []
        skipped: dict[str, str] = {}
        address, executed, left_out = self.address, _MINT_EXECUTED.topic, _MINT_SKIPPED.topic
        for log in logs:
            topics = log["topics"]
            if not address or not topics or log["address"].lower() != address:
                continue
            if topics[0] == executed:
                minted.append(Minted(*_read_executed(log)))
            elif topics[0] == left_out:
                intent_id, code = _read_skipped(log)
                skipped[intent_id] = SKIP_CODES.get(code, f"skip_code_{code}")
        return minted, skipped


def read_minted(log: Mapping[str, Any]) -> Minted:
    """Return the mint that a log of MintExecuted tells of."""
    return Minted(*_read_executed(log))


def _account(result: object) -> str:
    address = str(_TREASURY.answer(result)[0]).lower()
    return "" if address == _NOBODY else address


def read_reference(log: Mapping[str, Any]) -> str:
    """Return the bytes32 reference in a log of MintExecuted."""
    return str(_read_reference(log)[0])


def supply_between(escrows: Sequence[str], first: int, last: int) -> Call:
    """Ask for the logs in these blocks, both ends included, that say how supply and backing of these escrows changed;
    `read_supply` reads each."""
    topics = [[_MINT_EXECUTED.topic, _REDEEMED.topic, _STABLECOIN_CHANGED.topic]]
    return Call("eth_getLogs", ({"address": [*escrows], "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)},))


def read_supply(log: Mapping[str, Any]) -> Minted | Redeemed | StablecoinChanged:
    """Return what a log of `supply_between` tells of; ValueError or KeyError for another."""
    topic = log["topics"][0]
    if topic == _MINT_EXECUTED.topic:
        return read_minted(log)
    if topic == _REDEEMED.topic:
        return Redeemed(*_read_redeemed(log))
    if topic == _STABLECOIN_CHANGED.topic:
        return StablecoinChanged(*_read_stablecoin(log))
    raise ValueError("a log that was not asked for")


def _intent(result: object) -> OnChainIntent:
    row = _GET_INTENT.answer(result)[0]
    return OnChainIntent(recipient=str(row[0]).lower(), amount=int(row[1]))
