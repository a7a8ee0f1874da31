"""The committed ABIs are those of the contracts as they compile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_abis_are_the_compiled_ones() -> None:
    command = [sys.executable, "contracts/tools/export_abi.py", "--check", "fiatrails/chains/evm/abi"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_functions_that_are_called_by_selector_are_in_the_abi() -> None:
    import json

    from eth_utils import keccak

    from fiatrails.chains.evm.contracts import abi

    def selectors(contract: str) -> set[bytes]:
        entries = json.loads((ROOT / f"fiatrails/chains/evm/abi/{contract}.json").read_text())
        entries = entries if isinstance(entries, list) else entries["abi"]
        return {
            keccak(f"{e['name']}({','.join(_type(i) for i in e['inputs'])})".encode())[:4]
            for e in entries
            if e["type"] == "function"
        }

    assert {abi._SETTLE_BATCH, abi._INTENT_STATES, abi._GET_INTENT} <= selectors("MintEscrow")
    assert {abi._UPDATE_USER, abi._GET_USER, abi._IS_COMPLIANT} <= selectors("UserRegistry")


def _type(item: dict[str, object]) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type(part) for part in item["components"])  # type: ignore[attr-defined]
    return f"({inner}){kind[len('tuple') :]}"
