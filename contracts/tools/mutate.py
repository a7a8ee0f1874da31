#!/usr/bin/env python3
"""Mutation run: changes one thing in the contracts at a time and asks the tests to notice.

    python3 tools/mutate.py                     every mutant (hours)
    python3 tools/mutate.py --sample 40         a reproducible sample (--seed picks another)
    python3 tools/mutate.py --file src/escrow/EscrowMints.sol

Works on a copy in a temporary directory; the tree itself is never touched. A mutant that does not compile does not
count. Exits 1 when the kill rate is below --floor. Survivors are printed with file and line, for a person to judge: a
mutant may be equivalent.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORGE = ROOT / "tools" / "forge"
FILES = [
    "src/escrow/EscrowBase.sol",
    "src/escrow/EscrowDeposits.sol",
    "src/escrow/EscrowMints.sol",
    "src/escrow/EscrowExits.sol",
    "src/escrow/EscrowAdmin.sol",
    "src/escrow/EscrowViews.sol",
    "src/libraries/IntentHead.sol",
    "src/libraries/SettlementLog.sol",
    "src/CountryTokenBase.sol",
    "src/UserRegistryBase.sol",
    "src/ComplianceManager.sol",
]
# Concrete, fuzz and upgrade tests decide: gas is no behaviour, campaigns and proofs are slow, the deploy script is not
# mutated.
LEFT_OUT = shutil.ignore_patterns("gas", "invariant", "halmos", "Deploy.t.sol")
TEST_COMMAND = [str(FORGE), "test", "--fail-fast", "--match-path", "test/{concrete,fuzz,upgrade}/*"]
TEST_TIMEOUT_SECONDS = 300

OPERATORS: list[tuple[str, str]] = [
    (r" == ", " != "),
    (r" != ", " == "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" <= ", " < "),
    (r" >= ", " > "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " / "),
    (r" \+= ", " -= "),
    (r" -= ", " += "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r"\bif \(([^;]*?)\) revert [^;]*;", ""),
    (r"\bif \(([^;]*?)\) return [^;]*;", ""),
    (r"\bnonReentrant\b", ""),
    (r"\bwhenMinting\b", ""),
    (r"\bonlyRole\([A-Z_]+\)", ""),
    (r"\bonlyProxy\b", ""),
    (r"\bonlyOfficer\b(?= \{)", ""),
    (r"\bonlyActiveOfficer\b", ""),
    (r"^ +emit [^;]*;", ""),
    (r"^ +delete [^;]*;", ""),
    (r"^ +_[a-z]\w*\([^;{]*\);", ""),
    (r"^ +_heads\[[^;]*;", ""),
    (r"IntentHead\.EXECUTED", "IntentHead.REFUNDED"),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
]


@dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    start: int
    end: int
    replacement: str
    original: str

    def __str__(self) -> str:
        shown = " ".join(self.original.split())
        return f"{self.file}:{self.line}: {shown!r} -> {self.replacement.strip()!r}"


def mutants_of(file: str) -> Iterator[Mutant]:
    text = (ROOT / file).read_text(encoding="utf-8")
    # Comments and imports keep their length and lose their text, so that offsets stay right.
    code = re.sub(r"//[^\n]*|import [^;]*;|^pragma [^;]*;", lambda m: " " * len(m.group()), text, flags=re.M)
    for pattern, replacement in OPERATORS:
        for match in re.finditer(pattern, code, flags=re.M):
            line = text.count("\n", 0, match.start()) + 1
            yield Mutant(file, line, match.start(), match.end(), replacement, match.group())


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TEST_TIMEOUT_SECONDS, check=False)


def outcome(mutant: Mutant, scratch: Path) -> str:
    target = scratch / mutant.file
    text = target.read_text(encoding="utf-8")
    target.write_text(text[: mutant.start] + mutant.replacement + text[mutant.end :], encoding="utf-8")
    try:
        result = run(TEST_COMMAND, scratch)
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        target.write_text(text, encoding="utf-8")
    if "Compiler run failed" in result.stdout + result.stderr:
        return "invalid"
    return "survived" if result.returncode == 0 else "killed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", action="append", help="one of the mutated files; may be repeated")
    parser.add_argument("--sample", type=int, help="how many mutants to draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--floor", type=float, default=0.9, help="lowest acceptable kill rate")
    arguments = parser.parse_args()

    mutants = [mutant for file in arguments.file or FILES for mutant in mutants_of(file)]
    print(f"{len(mutants)} mutants", flush=True)
    if arguments.sample is not None:
        mutants = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))

    counts = {"killed": 0, "survived": 0, "invalid": 0}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        for name in ["src", "script", "test", "tools", "storage-layout", "foundry.toml", "package.json"]:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, scratch / name, ignore=LEFT_OUT)
            else:
                shutil.copy(source, scratch / name)
        (scratch / "node_modules").symlink_to(ROOT / "node_modules")
        if run(TEST_COMMAND, scratch).returncode != 0:
            sys.exit("the tests fail without any mutation")
        for mutant in mutants:
            began = time.monotonic()
            verdict = outcome(mutant, scratch)
            counts[verdict] += 1
            print(f"{verdict:9} {time.monotonic() - began:5.0f} s  {mutant}", flush=True)

    valid = counts["killed"] + counts["survived"]
    rate = counts["killed"] / valid if valid else 1.0
    print(f"killed {counts['killed']} of {valid} ({rate:.0%}), {counts['invalid']} did not compile")
    return 0 if rate >= arguments.floor else 1


if __name__ == "__main__":
    sys.exit(main())
