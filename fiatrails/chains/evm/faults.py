"""Whose fault an error answer of a node is: the node's, or that of the call that it was asked to judge."""

from __future__ import annotations

from fiatrails.chains.core.rpc import RpcError

# Asked for a judgement on our own call or transaction: most errors here are the judgement.
_JUDGING = frozenset({"eth_call", "eth_estimateGas", "eth_sendRawTransaction"})
# JSON-RPC 2.0 (5.1) and EIP-1474: what a server says about itself, or about a request that it cannot read.
_ABOUT_NODE = frozenset({-32700, -32600, -32601, -32602, -32603, -32002, -32004, -32006})
# EIP-1474's "limit exceeded", and what providers answer beside HTTP 429 (Alchemy, Infura, QuickNode).
_LIMIT_CODES = frozenset({-32005, -32007, -32029, 429})
_LIMIT_WORDS = ("rate limit", "too many requests", "request limit", "compute units per second", "capacity exceeded")
# geth (core/state, ethapi), Erigon and Nethermind when they lack the state or the block that a call was asked about.
_STATE_WORDS = ("missing trie node", "header not found", "state is not available", "pruned", "unknown block")


def fault_of(method: str, error: RpcError) -> str:
    """Return the cause (`rate_limited`, `json_rpc`) under which the answer counts as an error; "" when it is about our
    call: a revert, `already known`, `nonce too low`."""
    words = error.message.lower()
    if error.code in _LIMIT_CODES or any(text in words for text in _LIMIT_WORDS):
        return "rate_limited"
    if error.code in _ABOUT_NODE or method not in _JUDGING or any(text in words for text in _STATE_WORDS):
        return "json_rpc"
    return ""
