"""Reading our own pages: fenced blocks, code spans, links, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = sorted([*(ROOT / name for name in TOP), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`(?P<text>[^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^()\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `info` is what stands after the fence."""

    page: Path
    info: str
    text: str

    @property
    def language(self) -> str:
        """The first word of `info`."""
        return self.info.split(" ")[0]


def name_of(page: Path) -> str:
    """The page's path inside the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks, in order."""
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        found.append(Block(page, match["info"].strip(), "\n".join(lines) + "\n"))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """Code spans outside of fenced blocks."""
    return [match["text"] for match in _SPAN.finditer(prose(page))]


def links(page: Path) -> list[str]:
    """Link and image targets outside of fenced blocks and code."""
    return [match["target"] for match in _LINK.finditer(_SPAN.sub("", prose(page)))]


def shell_commands(page: Path) -> Iterator[str]:
    """Single commands of the page's shell blocks: continuations joined, output lines, comments and pipes taken off."""
    for block in blocks(page):
        if block.language not in ("bash", "console"):
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            code = re.sub(r"(^|\s)#.*$", "", line)
            yield from (part.strip() for part in re.split(r"\s*(?:&&|\|\||[|;])\s*", code) if part.strip())


def tables(page: Path) -> list[list[list[str]]]:
    """The page's tables: rows of cells, without heading and ruler."""
    found: list[list[list[str]]] = []
    rows: list[list[str]] = []
    for line in [*prose(page).splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def first_column(page: Path, *, under: str | None = None) -> list[str]:
    """Code spans that fill the first cell of the page's tables, optionally under one heading only."""
    text = prose(page)
    if under is not None:
        start = text.index(f"\n{under}\n")
        level = under.split(" ")[0]
        rest = text[start + len(under) + 2 :]
        end = re.search(rf"^#{{1,{len(level)}}} ", rest, re.MULTILINE)
        text = rest[: end.start()] if end else rest
    return re.findall(r"^\| `([^`|]+)` \|", text, re.MULTILINE)
