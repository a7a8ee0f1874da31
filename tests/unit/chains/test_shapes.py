"""What a node's answer must look like before anybody reads it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.chains.evm.shapes import fits

HASH = "0x" + "ab" * 32
HEADER = {"number": "0x1", "hash": HASH, "parentHash": HASH}
LOG = {"topics": [HASH], "data": "0x", "transactionHash": HASH, "blockNumber": "0x1"}
RECEIPT = {"transactionHash": HASH, "blockHash": HASH, "blockNumber": "0x1", "logs": [LOG]}
FEES = {"baseFeePerGas": ["0x7", "0x8"], "reward": [["0x1"]]}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_blockNumber", "0x1b4"),
        ("eth_chainId", "0x7a69"),
        ("eth_call", "0x"),
        ("eth_getBlockByNumber", HEADER),
        ("eth_getBlockByNumber", None),
        ("eth_getTransactionReceipt", RECEIPT),
        ("eth_getTransactionReceipt", None),
        ("eth_getTransactionReceipt", {"transactionHash": HASH, "blockHash": None, "blockNumber": None, "logs": None}),
        ("eth_getLogs", [LOG]),
        ("eth_feeHistory", FEES),
        ("eth_feeHistory", {"baseFeePerGas": ["0x7"]}),
        ("eth_sendRawTransaction", HASH),
        ("anvil_mine", ["whatever", 1]),
    ],
)
def test_the_answers_of_nodes_fit(method: str, result: Any) -> None:
    assert fits(method, result)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_blockNumber", None),
        ("eth_blockNumber", "banana"),
        ("eth_blockNumber", []),
        ("eth_blockNumber", 7),
        ("eth_blockNumber", "0x" + "f" * 65),
        ("eth_getBlockByNumber", []),
        ("eth_getBlockByNumber", {**HEADER, "hash": "0x1"}),
        ("eth_getBlockByNumber", {"number": "0x1"}),
        ("eth_getTransactionReceipt", {**RECEIPT, "logs": {}}),
        ("eth_getTransactionReceipt", {**RECEIPT, "logs": [[]]}),
        ("eth_getTransactionReceipt", {**RECEIPT, "blockHash": None}),
        ("eth_getLogs", None),
        ("eth_getLogs", [{**LOG, "topics": None}]),
        ("eth_feeHistory", None),
        ("eth_feeHistory", []),
        ("eth_feeHistory", {"baseFeePerGas": []}),
        ("eth_feeHistory", {**FEES, "reward": [None]}),
        ("eth_sendRawTransaction", "ok"),
    ],
)
def test_another_shape_is_no_answer(method: str, result: Any) -> None:
    assert not fits(method, result)


@given(
    method=st.sampled_from(
        ["eth_blockNumber", "eth_getBlockByNumber", "eth_getTransactionReceipt", "eth_getLogs", "eth_feeHistory"]
    ),
    result=_JSON,
)
def test_no_answer_whatever_it_is_breaks_the_check(method: str, result: Any) -> None:
    assert fits(method, result) in (True, False)
