#!/usr/bin/env python3
"""Compares the storage layouts of the contracts with the committed ones.

    python3 tools/storage_layout.py           after `tools/forge build`; exits 1 on a difference
    python3 tools/storage_layout.py --write   accepts the present layouts

The ComplianceManager is behind a proxy: its namespaced struct is read from the source, because the
compiler's own layout lists plain slots only. In it, members may be appended and nothing else may change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOTS = ROOT / "storage-layout"
CONTRACTS = ["UserRegistry", "ComplianceManager", "MintEscrow", "CountryToken", "USDStablecoin"]
NAMESPACED = {"ComplianceManager": "ManagerStorage"}


def artifact(name: str) -> dict[str, object]:
    path = ROOT / "out" / f"{name}.sol" / f"{name}.json"
    if not path.is_file():
        sys.exit(f"{path.relative_to(ROOT)} is missing: run `tools/forge build` first")
    return json.loads(path.read_text(encoding="utf-8"))


def without_ids(type_name: str) -> str:
    """Type names carry syntax tree ids, which change with unrelated edits."""
    return re.sub(r"\)\d+_storage", ")_storage", re.sub(r"\)\d+", ")", type_name))


def plain_slots(layout: dict) -> list[dict[str, object]]:
    def describe(entry: dict) -> dict[str, object]:
        kind = layout["types"][entry["type"]]
        row = {
            "name": entry["label"],
            "slot": int(entry["slot"]),
            "offset": entry["offset"],
            "type": without_ids(entry["type"]),
            "bytes": int(kind["numberOfBytes"]),
        }
        value = layout["types"].get(kind.get("value", ""), kind)
        if "members" in value:
            row["members"] = [describe(member) for member in value["members"]]
        return row

    return [describe(entry) for entry in layout["storage"]]


def namespaced_members(name: str, struct: str) -> list[str]:
    source = (ROOT / "src" / f"{name}.sol").read_text(encoding="utf-8")
    body = re.search(rf"struct {struct} \{{(.*?)\}}", source, re.S)
    if body is None:
        sys.exit(f"{name} has no struct {struct}")
    return [line.strip() for line in body.group(1).split(";") if line.strip()]


def layout_of(name: str) -> dict[str, object]:
    layout: dict[str, object] = {"slots": plain_slots(artifact(name)["storageLayout"])}
    if name in NAMESPACED:
        layout["namespaced"] = namespaced_members(name, NAMESPACED[name])
    return layout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    failed = False
    for name in CONTRACTS:
        path = SNAPSHOTS / f"{name}.json"
        text = json.dumps(layout_of(name), indent=2) + "\n"
        if arguments.write:
            SNAPSHOTS.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"the storage layout of {name} is not the committed one", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
