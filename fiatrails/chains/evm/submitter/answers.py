"""What a node's answer to eth_sendRawTransaction means. Pure.

Sources of the texts: geth `core/txpool/errors.go`, nethermind `AcceptTxResult`, erigon `txpoolcfg`, anvil 1.7
(measured). Anything not listed is AMBIGUOUS: unknown is never failed (an unknown send is repeated).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The models import this module by way of the states; every command would load an HTTP client with them.
    from fiatrails.chains.evm.pool import SendReply


class SendOutcome(StrEnum):
    """ACCEPTED and KNOWN: a node holds the bytes. NONCE_LOW: some transaction with this nonce was mined, perhaps
    ours. UNDERPRICED: another transaction of this nonce holds the place. FEE_LOW: below the node's or the block's
    price. NO_FUNDS: the signer cannot pay for gas. REFUSED: this transaction can never be accepted as it is.
    NOT_SENT: the connection was never made. AMBIGUOUS: nobody knows."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    NONCE_LOW = "nonce_low"
    UNDERPRICED = "underpriced"
    FEE_LOW = "fee_low"
    NO_FUNDS = "no_funds"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    AMBIGUOUS = "ambiguous"


_KNOWN = ("already known", "already imported", "existing txn with same hash", "known transaction", "alreadyknown")
_NONCE_LOW = ("nonce too low", "nonce_too_low", "oldnonce")
_UNDERPRICED = ("replacement transaction underpriced", "could not replace existing tx", "replacementnotallowed")
_FEE_LOW = (
    "max fee per gas less than block base fee",
    "transaction underpriced",
    "feecap too low",
    "fee too low",
    "gas price below",
    "below configured minimum",
    "feetoolow",
    "gas price too low",
)
_NO_FUNDS = ("insufficient funds", "insufficientfunds", "insufficient balance")
_REFUSED = (
    "intrinsic gas too low",
    "exceeds block gas limit",
    "gas limit exceeded",
    "gaslimitexceeded",
    "gas limit too high",
    "oversized data",
    "invalid sender",
    "invalid chain id",
    "transaction type not supported",
    "rlp:",
    "max initcode",
    "invalid transaction v, r, s",
    "tip higher than",
    "priority fee per gas higher than max fee",
)
_TABLE = (
    (_KNOWN, SendOutcome.KNOWN),
    (_NONCE_LOW, SendOutcome.NONCE_LOW),
    (_UNDERPRICED, SendOutcome.UNDERPRICED),
    (_FEE_LOW, SendOutcome.FEE_LOW),
    (_NO_FUNDS, SendOutcome.NO_FUNDS),
    (_REFUSED, SendOutcome.REFUSED),
)


def classify_error(message: str) -> SendOutcome:
    """Return what the text of a JSON-RPC error means. Codes differ between clients and are not looked at."""
    text = message.lower()
    for words, outcome in _TABLE:
        if any(word in text for word in words):
            return outcome
    return SendOutcome.AMBIGUOUS


def classify(reply: SendReply) -> SendOutcome:
    """Return what one endpoint's reply means."""
    if reply.error is not None:
        return classify_error(reply.error.message)
    if reply.unknown:
        return SendOutcome.AMBIGUOUS if reply.sent else SendOutcome.NOT_SENT
    return SendOutcome.ACCEPTED


# The answer that says most wins: one node that holds the bytes outweighs one that could not be reached.
_WEIGHT = (
    SendOutcome.ACCEPTED,
    SendOutcome.KNOWN,
    SendOutcome.NONCE_LOW,
    SendOutcome.AMBIGUOUS,
    SendOutcome.UNDERPRICED,
    SendOutcome.FEE_LOW,
    SendOutcome.NO_FUNDS,
    SendOutcome.REFUSED,
    SendOutcome.NOT_SENT,
)


def combined(outcomes: list[SendOutcome]) -> SendOutcome:
    """Return what is known after asking several endpoints; NOT_SENT when none was asked."""
    return min(outcomes, key=_WEIGHT.index, default=SendOutcome.NOT_SENT)
