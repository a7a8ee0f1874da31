"""A price feed: a contract, kept by somebody else, that says what one currency is worth in another."""

from __future__ import annotations

from fiatrails.chains.core.chain import FeedAnswer
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.contract import Contract, Read
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.kernel.errors import OutsideUnknown

_ABI = load("IPriceFeed")
_DECIMALS = _ABI.function("decimals")
_LATEST = _ABI.function("latestRoundData")


class PriceFeed(Contract):
    """A feed with the interface of contracts/src/interfaces/IPriceFeed.sol, which is that of Chainlink's aggregators."""

    def decimals(self) -> Read[int]:
        """Ask how many decimals its answers have."""
        return self._value(_DECIMALS)

    def latest(self) -> Read[tuple[int, ...]]:
        """Ask for the newest round: its id, answer, start, time of the answer, and the round that answered."""
        return self._view(_LATEST.encode(), _LATEST.answer)


def read_feed(address: str, *, pool: RpcPool) -> FeedAnswer:
    """Return the newest answer of the feed at `address`. OutsideUnknown, with the node's own words, when none can be
    had: the price in force then ages until it is too old."""
    feed = PriceFeed(address)
    decimals, latest = feed.decimals(), feed.latest()
    answers = pool.batch([decimals.call(), latest.call()])
    for answer in answers:
        if isinstance(answer, RpcError):
            raise OutsideUnknown("price_feed_unknown", f"the price feed {address} does not answer: {answer}")
    try:
        round_id, value, _, updated_at, _ = latest.decode(answers[1])
        return FeedAnswer(round_id, value, decimals.decode(answers[0]), updated_at)
    except ValueError:
        raise OutsideUnknown(
            "price_feed_unknown", f"no price feed answers at {address}; check price.feed.address in the profile"
        ) from None
