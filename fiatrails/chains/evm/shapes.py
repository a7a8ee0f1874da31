"""What a node's answer must look like before anybody reads it: by method, only as far as the rail relies on it.

A node's answer is outside input. One of another shape is no answer: the pool asks the next endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Shape = Callable[[Any], bool]

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


def _quantity(value: Any) -> bool:
    return isinstance(value, str) and _QUANTITY.fullmatch(value) is not None


def _hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _data(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("0x")


def _log(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("topics"), list)
        and all(_hash(topic) for topic in value["topics"])
        and _data(value.get("data"))
    )


def _logs(value: Any) -> bool:
    return isinstance(value, list) and all(
        _log(log) and _hash(log.get("transactionHash")) and _quantity(log.get("blockNumber")) for log in value
    )


def _header(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and _quantity(value.get("number"))
        and _hash(value.get("hash"))
        and _hash(value.get("parentHash"))
    )


def _receipt(value: Any) -> bool:
    """Accept a receipt, null, or that of a transaction which is in no block yet, as some nodes show it."""
    return value is None or (
        isinstance(value, dict)
        and _hash(value.get("transactionHash"))
        and (not value.get("blockNumber") or (_quantity(value["blockNumber"]) and _hash(value.get("blockHash"))))
        and (value.get("logs") is None or (isinstance(value["logs"], list) and all(map(_log, value["logs"]))))
    )


def _transaction(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _fee_history(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("baseFeePerGas"), list):
        return False
    base_fees, rewards = value["baseFeePerGas"], value.get("reward")
    return (
        bool(base_fees)
        and all(map(_quantity, base_fees))
        and (rewards is None or (isinstance(rewards, list) and all(map(_quantities, rewards))))
    )


def _quantities(value: Any) -> bool:
    return isinstance(value, list) and all(map(_quantity, value))


_SHAPES: Mapping[str, Shape] = {
    "eth_blockNumber": _quantity,
    "eth_call": _data,
    "eth_chainId": _quantity,
    "eth_estimateGas": _quantity,
    "eth_feeHistory": _fee_history,
    "eth_getBalance": _quantity,
    "eth_getBlockByHash": _header,
    "eth_getBlockByNumber": _header,
    "eth_getCode": _data,
    "eth_getLogs": _logs,
    "eth_getTransactionByHash": _transaction,
    "eth_getTransactionCount": _quantity,
    "eth_getTransactionReceipt": _receipt,
    "eth_sendRawTransaction": _hash,
}


def fits(method: str, result: Any) -> bool:
    """Return whether the result of a method is of the shape that it must have; any is, of a method not listed."""
    shape = _SHAPES.get(method)
    return shape is None or shape(result)
