"""What each client says to a send, and what we make of it."""

from __future__ import annotations

import pytest

from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.pool import SendReply
from fiatrails.chains.evm.submitter.answers import SendOutcome, classify, classify_error, combined

SAID = [
    ("nonce too low: next nonce 7, tx nonce 3", SendOutcome.NONCE_LOW),  # geth
    ("nonce too low", SendOutcome.NONCE_LOW),  # nethermind, erigon, anvil
    ("already known", SendOutcome.KNOWN),  # geth, nethermind, erigon
    ("existing txn with same hash", SendOutcome.KNOWN),  # erigon
    ("transaction already imported", SendOutcome.KNOWN),  # anvil
    ("replacement transaction underpriced", SendOutcome.UNDERPRICED),  # all
    ("could not replace existing tx", SendOutcome.UNDERPRICED),  # erigon
    ("max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7", SendOutcome.FEE_LOW),
    ("transaction underpriced: tip needed 1, tip permitted 0", SendOutcome.FEE_LOW),
    ("insufficient funds for gas * price + value: balance 0", SendOutcome.NO_FUNDS),
    ("Insufficient funds for gas * price + value", SendOutcome.NO_FUNDS),
    ("intrinsic gas too low", SendOutcome.REFUSED),
    ("exceeds block gas limit", SendOutcome.REFUSED),
    ("internal error", SendOutcome.AMBIGUOUS),
    ("request timed out", SendOutcome.AMBIGUOUS),
    ("", SendOutcome.AMBIGUOUS),
]


@pytest.mark.parametrize(("message", "outcome"), SAID)
def test_a_clients_words_are_understood(message: str, outcome: SendOutcome) -> None:
    assert classify_error(message) is outcome
    assert classify(SendReply("a", RpcError(-32003, message))) is outcome


def test_no_answer_is_ambiguous_unless_nothing_left() -> None:
    assert classify(SendReply("a", None, "timeout")) is SendOutcome.AMBIGUOUS
    assert classify(SendReply("a", None, "transport", sent=False)) is SendOutcome.NOT_SENT
    assert classify(SendReply("a", None)) is SendOutcome.ACCEPTED


def test_one_endpoint_that_holds_the_bytes_outweighs_the_others() -> None:
    assert combined([SendOutcome.NOT_SENT, SendOutcome.AMBIGUOUS, SendOutcome.KNOWN]) is SendOutcome.KNOWN
    assert combined([SendOutcome.REFUSED, SendOutcome.AMBIGUOUS]) is SendOutcome.AMBIGUOUS
    assert combined([]) is SendOutcome.NOT_SENT
