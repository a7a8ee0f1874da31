"""Receipts: what counts, and what proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.escrow import Minted
from fiatrails.chains.evm.submitter.receipts import parse_receipt, receipt_mark

MINT_EXECUTED = load("MintEscrow").event("MintExecuted").topic
MINT_SKIPPED = load("MintEscrow").event("MintSkipped").topic

ESCROW, OTHER = "0x" + "e5" * 20, "0x" + "07" * 20
TX, BLOCK = "0x" + "aa" * 32, "0x" + "bb" * 32
INTENT, USER = "0x" + "11" * 32, "0x" + "22" * 20


def _log(topic: str, data: str, address: str = ESCROW) -> dict[str, Any]:
    return {"address": address, "topics": [topic, INTENT, "0x" + "0" * 24 + USER[2:], "0x" + "00" * 32], "data": data}


def _receipt(*logs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {
        "transactionHash": TX,
        "blockHash": BLOCK,
        "blockNumber": "0x10",
        "status": "0x1",
        "gasUsed": "0x5208",
        "logs": list(logs),
    }
    return whole | changes


def test_mints_and_skips_of_our_escrow_are_read() -> None:
    logs = [_log(MINT_EXECUTED, f"0x{7:064x}{0:064x}"), _log(MINT_SKIPPED, f"0x{2:064x}"), _log("0x" + "99" * 32, "0x")]
    found = parse_receipt(_receipt(*logs), tx_hash=TX, escrow=ESCROW)
    assert found is not None
    assert (found.block_number, found.succeeded, found.gas_used) == (16, True, 21000)
    assert found.minted == (Minted(INTENT, USER, 7),)
    assert found.skipped == {INTENT: "not_compliant"}


def test_events_of_anybody_else_do_not_count() -> None:
    found = parse_receipt(_receipt(_log(MINT_EXECUTED, f"0x{7:064x}", OTHER)), tx_hash=TX, escrow=ESCROW)
    assert found is not None
    assert found.minted == ()


def test_a_code_that_is_new_to_us_still_has_a_name() -> None:
    found = parse_receipt(_receipt(_log(MINT_SKIPPED, f"0x{99:064x}")), tx_hash=TX, escrow=ESCROW)
    assert found is not None
    assert found.skipped == {INTENT: "skip_code_99"}


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        "0x",
        _receipt(transactionHash="0x" + "cc" * 32),
        _receipt(blockHash=None),
        _receipt(status=None),
        _receipt(logs=[{"topics": [MINT_EXECUTED]}]),
    ],
)
def test_what_is_no_receipt_of_ours_proves_nothing(raw: Any) -> None:
    assert parse_receipt(raw, tx_hash=TX, escrow=ESCROW) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_answer_of_a_node_breaks_the_parser(raw: Any) -> None:
    assert parse_receipt(raw, tx_hash=TX, escrow=ESCROW) is None


def test_two_clients_may_differ_in_what_does_not_matter() -> None:
    one, two = _receipt(logsBloom="0x1"), _receipt(type="0x2", effectiveGasPrice="0x9")
    assert receipt_mark(one) == receipt_mark(two)
    assert receipt_mark(one) != receipt_mark(_receipt(status="0x0"))
    assert receipt_mark(one) != receipt_mark(_receipt(_log(MINT_EXECUTED, "0x01")))
