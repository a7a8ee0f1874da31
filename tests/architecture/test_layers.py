"""The layers of the design are held by import-linter; a planted violation must break it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
        check=False,
    )


def test_the_layers_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("kernel/money.py", "import fiatrails.ledger"),
        ("chains/core/clearance.py", "import fiatrails.compliance"),
        ("kernel/times.py", "import fiatrails.engine"),
        ("purchases/states.py", "import django"),
        ("purchases/submission.py", "from fiatrails.chains.evm.submitter.reservation import reserve"),
        ("purchases/store.py", "import eth_account"),
        ("../sandbox/kit/courier.py", "import sandbox.mpesa.book"),
        ("cli/books/audit.py", "from fiatrails.cli.purchases import documents"),
        ("cli/kit/render.py", "from fiatrails.cli.books import ledger"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, where: str, line: str) -> None:
    shutil.copytree(ROOT / "fiatrails", tmp_path / "fiatrails", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "sandbox", tmp_path / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / "fiatrails" / where
    target.write_text(target.read_text() + f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0, f"{line} in {where} was not noticed"
    assert "BROKEN" in result.stdout
