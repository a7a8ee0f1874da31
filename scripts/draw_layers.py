"""Draw the layers and what imports what, from the code: `python scripts/draw_layers.py > docs/images/layers.svg`.

A row for each package of `fiatrails/`, in the order that import-linter holds, with the rooms inside it; a dot where the
package of the row imports the package of the column. Every dot is right of the diagonal: arrows go down.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fiatrails"
ROW, LEFT, TOP, CELL = 30, 560, 96, 26
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2733}.r{font-size:11px;fill:#5b6b7c}.b{fill:#eef3f8;stroke:#b9c7d6}"
    ".s{fill:#dfe8f1}.d{fill:#2563a8}.g{stroke:#9fb2c6}.h{fill:#f6f9fc}"
)


def layers() -> list[list[str]]:
    """Return the packages of each layer, the highest first, as `pyproject.toml` names them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found = next(contract for contract in contracts if contract["id"] == "layers")
    return [[name.strip().removeprefix("fiatrails.") for name in row.split("|")] for row in found["layers"]]


def rooms(package: str) -> list[str]:
    """Return the folders inside a package, without migrations."""
    inside = (path for path in (PACKAGE / package).iterdir() if path.is_dir() and any(path.glob("*.py")))
    return sorted(path.name for path in inside if path.name not in ("migrations", "management", "__pycache__"))


def imported_by(package: str) -> set[str]:
    """Return the packages that modules of this one import, themselves left out."""
    found = set()
    for path in (PACKAGE / package).rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{a.name}" for a in node.names] if isinstance(node, ast.ImportFrom) else []
            parts = [name.split(".") for name in names if name and name.startswith("fiatrails.")]
            found |= {part[1] for part in parts if len(part) > 1}
    return found - {package}


def draw() -> str:
    """Return the picture as SVG."""
    packages = [name for layer in layers() for name in layer]
    width, height = LEFT + CELL * len(packages) + 20, TOP + ROW * len(packages) + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">']
    out.append("<title>The packages of FiatRails, layer by layer, and what imports what</title>")
    out.append(f"<style>{STYLE}</style>")
    out += _layer_boxes(width)
    for column, name in enumerate(packages):
        x = LEFT + CELL * column + CELL // 2
        out.append(f'<text class="r" transform="translate({x + 4},{TOP - 8}) rotate(-55)">{name}</text>')
    for row, name in enumerate(packages):
        out += _row(row, name, packages)
    return "\n".join([*out, "</svg>", ""])


def _layer_boxes(width: int) -> list[str]:
    out, row = [], 0
    for number, layer in enumerate(layers()):
        y, height = TOP + ROW * row, ROW * len(layer)
        kind = "b" if number % 2 else "b s"
        out.append(f'<rect class="{kind}" x="8" y="{y}" width="{width - 16}" height="{height}" rx="4"/>')
        row += len(layer)
    return out


def _row(row: int, name: str, packages: list[str]) -> list[str]:
    y = TOP + ROW * row + ROW // 2
    inside = ", ".join(rooms(name))
    out = [f'<text x="20" y="{y + 4}">{name}</text>', f'<text class="r" x="130" y="{y + 4}">{inside}</text>']
    wanted = imported_by(name)
    for column, other in enumerate(packages):
        x = LEFT + CELL * column + CELL // 2
        if other == name:
            out.append(f'<rect class="g" fill="none" x="{x - 5}" y="{y - 5}" width="10" height="10"/>')
        elif other in wanted:
            out.append(f'<circle class="d" cx="{x}" cy="{y}" r="4.5"/>')
    return out


if __name__ == "__main__":
    print(draw(), end="")
