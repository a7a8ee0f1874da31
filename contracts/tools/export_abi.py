#!/usr/bin/env python3
"""Writes the ABIs of the contracts that the service talks to as compact JSON, one file each.

    python3 tools/export_abi.py DIRECTORY           after `tools/forge build`
    python3 tools/export_abi.py --check DIRECTORY   exits 1 when a file differs, is missing or is left over
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "UserRegistry": "UserRegistry.sol",
    "ComplianceManager": "ComplianceManager.sol",
    "MintEscrow": "MintEscrow.sol",
    "CountryToken": "CountryToken.sol",
    "USDStablecoin": "USDStablecoin.sol",
    "IPriceFeed": "IPriceFeed.sol",
    "ISanctionsOracle": "ISanctionsOracle.sol",
}


def compact_abi(name: str, source: str) -> str:
    artifact = ROOT / "out" / source / f"{name}.json"
    if not artifact.is_file():
        sys.exit(f"{artifact.relative_to(ROOT)} is missing: run `tools/forge build` first")
    abi = json.loads(artifact.read_text(encoding="utf-8"))["abi"]
    if name == "MintEscrow":
        # Token refusals pass through the escrow unchanged, so its users must be able to decode them.
        abi += country_token_errors(known={entry.get("name") for entry in abi if entry["type"] == "error"})
    return json.dumps(abi, separators=(",", ":"), sort_keys=True) + "\n"


def country_token_errors(*, known: set[str | None]) -> list[dict[str, object]]:
    artifact = ROOT / "out" / "ICountryToken.sol" / "ICountryToken.json"
    abi = json.loads(artifact.read_text(encoding="utf-8"))["abi"]
    return [entry for entry in abi if entry["type"] == "error" and entry["name"] not in known]


def differences(directory: Path, wanted: dict[str, str]) -> list[str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    wanted = {f"{name}.json": compact_abi(name, source) for name, source in SOURCES.items()}
    if arguments.check:
        changed = differences(arguments.directory, wanted)
        for name in changed:
            print(f"{arguments.directory / name} does not match the contracts", file=sys.stderr)
        return 1 if changed else 0
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        (arguments.directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
