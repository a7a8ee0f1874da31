"""The committed ABIs are those of the contracts as they compile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_abis_are_the_compiled_ones() -> None:
    command = [sys.executable, "contracts/tools/export_abi.py", "--check", "fiatrails/chains/evm/contracts/abi"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_signature_of_a_contract_is_typed_by_hand() -> None:
    """`Error(string)` is Solidity's own, of no contract."""
    typed = re.compile(r"\"\w+\((?:[a-z]+\d*(?:\[\])?|\(|\)|,)*\)\"")
    found = {
        f"{path.name}: {match[0]}"
        for path in (ROOT / "fiatrails").rglob("*.py")
        if "keccak" in (text := path.read_text(encoding="utf-8"))
        for match in typed.finditer(text)
    }
    assert found == {'errors.py: "Error(string)"'}


def test_one_module_speaks_json_rpc() -> None:
    speaking = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fiatrails").rglob("*.py")
        if '"jsonrpc"' in path.read_text(encoding="utf-8")
    }
    assert speaking == {"fiatrails/chains/core/rpc.py"}


def test_what_is_neutral_names_no_chain() -> None:
    """Words of one chain in `chains/core` would be found there by the next one."""
    own = re.compile(r"\b(eth|evm|anvil|geth|solana|gas|nonce|revert)(_\w+|ed)?\b", re.IGNORECASE)
    found = {
        f"{path.name}: {match[0]}"
        for path in (ROOT / "fiatrails/chains/core").glob("*.py")
        for match in own.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == {"clearance.py: EVM"}
