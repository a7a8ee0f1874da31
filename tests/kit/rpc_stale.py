"""Makes a node look as if it had stopped following the chain some blocks ago."""

from typing import Any

# Where each method takes its block tag; a missing one means "latest".
_TAG_POSITION = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_feeHistory": 1,
    "eth_getStorageAt": 2,
    "eth_getProof": 2,
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
}
_BY_TRANSACTION = {"eth_getTransactionReceipt", "eth_getTransactionByHash"}
_BY_BLOCK = {"eth_getBlockByNumber", "eth_getBlockByHash"}


def age_call(call: dict[str, Any], head: int) -> dict[str, Any]:
    """Return the call with "latest" replaced by the old head."""
    method, params = call.get("method", ""), call.get("params") or []
    if not isinstance(params, list):
        return call
    position = _TAG_POSITION.get(method)
    if position is None or len(params) < position:
        return call
    tag = params[position] if len(params) > position else "latest"
    if tag != "latest":
        return call
    return {**call, "params": [*params[:position], hex(head), *params[position + 1 :]]}


def age_answer(method: str, result: Any, head: int) -> Any:
    """Return the result as a node at the old head would give it."""
    if method == "eth_blockNumber":
        return hex(min(int(result, 16), head))
    if method == "eth_getLogs" and isinstance(result, list):
        return [entry for entry in result if not _is_newer(entry.get("blockNumber"), head)]
    if isinstance(result, dict):
        if method in _BY_TRANSACTION and _is_newer(result.get("blockNumber"), head):
            return None
        if method in _BY_BLOCK and _is_newer(result.get("number"), head):
            return None
    return result


def _is_newer(number: Any, head: int) -> bool:
    return isinstance(number, str) and number.startswith("0x") and int(number, 16) > head
