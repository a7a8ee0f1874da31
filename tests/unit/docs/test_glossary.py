"""The glossary is followed: no class name means two things, and words that it rules out are no identifiers."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.unit.docs.pages import ROOT, tables

GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
PACKAGE = ROOT / "fiatrails"
# In two folders, and why that is right.
SHARED = {
    "Command": "Django finds the command of a module by this name",
    "Payer": "one thing twice: the row (in the addresses of the admin) and the body (in the published document)",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Folder and path of every module but migrations, which keep what they were written with."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        if len(parts) > 1 and "migrations" not in parts:
            yield parts[0], path


@cache
def folders_by_class() -> dict[str, list[str]]:
    """The folder of each definition of a class at the top of a module, by its name. A class inside of another is named
    by its owner, as `ListVersion.State`."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder, path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(folder)
    return found


def identifiers(source: str) -> Iterator[str]:
    """Every name that the source defines or uses."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg is not None:
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def rows() -> list[list[str]]:
    return [list(row) for table in tables(GLOSSARY) for row in table]


def ruled_out() -> set[str]:
    """What the last column sets as code."""
    return {word.strip("_") for row in rows() for word in re.findall(r"`(\w+)`", row[2])}


def test_a_class_name_means_one_thing() -> None:
    twice = {name for name, found in folders_by_class().items() if len(found) > 1}
    assert twice <= set(SHARED), "rename one of them by docs/reference/glossary.md"
    assert twice == set(SHARED), "what is no longer shared is no longer allowed"


def test_words_that_the_glossary_rules_out_are_no_identifiers() -> None:
    words = ruled_out()
    assert {"bury", "told", "is_worn", "left_the_house", "Desk", "turn", "Rearmed", "Booked", "Receipted"} <= words
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for _, path in modules()
        for name in identifiers(path.read_text(encoding="utf-8"))
        if name.strip("_") in words
    }
    assert not found, "use the word of docs/reference/glossary.md"


def test_a_word_has_one_row_and_no_row_rules_it_out() -> None:
    words = [row[0] for row in rows()]
    assert len(words) == len(set(words))
    assert not {part.strip() for word in words for part in word.split(",")} & ruled_out()
