"""Whatever a page points at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import PAGES, ROOT, links, name_of, prose, spans

# Made by the tools, by a deployment or by a reader.
_MADE = (
    ".fiatrails",
    ".venv",
    "config/",
    "secrets/",
    "deployments.json",
    "deploy-history.log",
    "benchmarks/latest.json",
    "contracts/node_modules",
    "contracts/out",
    ".env",
)
_ROOMS = ("fiatrails", "contracts", "sandbox", "tests", "deploy", "docs", "scripts", "benchmarks")
_FILE = re.compile(r"[A-Za-z0-9_./*-]+\.(?:py|md|json|yaml|yml|toml|lock|sol|svg|env|sh|cfg|log)")
_SLUG = re.compile(r"[^a-z0-9 _-]")


def slugs(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {_SLUG.sub("", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in slugs(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_is_named_exists(page: Path) -> None:
    missing = [text for text in spans(page) if _is_path(text) and not _exists(text, page)]
    assert missing == []


def _is_path(text: str) -> bool:
    if text.startswith(_MADE) or any(mark in text for mark in " <>$={}:,("):
        return "::" in text and text.startswith("tests/")
    room, slash, _ = text.partition("/")
    return (room in _ROOMS and bool(slash)) or _FILE.fullmatch(text) is not None


def _exists(text: str, page: Path) -> bool:
    path = text.partition("::")[0].rstrip("/")
    bases = (ROOT, page.parent, ROOT / "fiatrails", ROOT / "deploy", ROOT / "contracts", ROOT / "fiatrails/chains")
    if any(list(base.glob(path)) for base in bases):
        return True
    # `sending.py` in a sentence about the submitter: a file of that name somewhere in the package.
    return "/" not in path and any((ROOT / room).rglob(path) for room in ("fiatrails", "contracts/src", "tests"))


def test_every_page_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        waiting += [(page.parent / link.split("#")[0]).resolve() for link in links(page) if "://" not in link]
    assert [name_of(page) for page in PAGES if page not in seen] == []


def test_the_picture_is_well_formed() -> None:
    from xml.etree import ElementTree

    for picture in (ROOT / "docs" / "images").glob("*.svg"):
        assert ElementTree.parse(picture).getroot().tag.endswith("svg")
