"""The committed ABIs are those of the contracts as they compile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_abis_are_the_compiled_ones() -> None:
    command = [sys.executable, "contracts/tools/export_abi.py", "--check", "fiatrails/chains/evm/contracts/abi"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


