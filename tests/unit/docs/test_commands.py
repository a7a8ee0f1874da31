"""Every `fiatrails` command and every make target that a page names can be called as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from fiatrails.cli.main import app
from tests.unit.docs.pages import PAGES, ROOT, name_of, shell_commands, spans

TREE: Any = typer.main.get_command(app)
_TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Services of the compose file in which the command is run.
_SERVICES = ("api", "worker", "deployer")


def arguments_of(command: str) -> list[str] | None:
    """What follows `fiatrails`; None when the command is another program's."""
    try:
        words = shlex.split(command.replace("<", "'<").replace(">", ">'") if "<" in command else command)
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        words = words[1:]
    if not words:
        return None
    names = [number for number, word in enumerate(words) if word == "fiatrails" or word.endswith("/fiatrails")]
    if not names or (names[0] != 0 and not (words[0] == "docker" and words[names[0] - 1] in _SERVICES)):
        return None
    return words[names[0] + 1 :]


def faults(arguments: list[str], *, whole: bool = True) -> Iterator[str]:
    """What is wrong with these arguments; `whole` False: a sentence names a command and leaves its arguments out."""
    node, words = TREE, list(arguments)
    while words and hasattr(node, "commands"):
        if words[0] in ("--help", "-h"):
            return
        name = words.pop(0)
        if name not in node.commands:
            yield f"no command {name!r}"
            return
        node = node.commands[name]
    if hasattr(node, "commands"):
        if whole:
            yield "a command is missing"
        return
    yield from _option_faults(node, words, whole=whole)


def _option_faults(node: Any, words: list[str], *, whole: bool) -> Iterator[str]:
    options = {name: p for p in node.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")}
    positional = [p for p in node.params if p.param_type_name == "argument"]
    given, used = 0, set()
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            return
        if not word.startswith("-") or word == "-":
            given += 1
            continue
        name = word.split("=")[0]
        if name in ("--help", "-h"):
            return
        if name not in options:
            if not node.context_settings.get("ignore_unknown_options"):
                yield f"no option {name}"
            return
        used.add(options[name].name)
        if not options[name].is_flag and "=" not in word and next(waiting, None) is None and whole:
            yield f"{name} needs a value"
    if any(p.nargs == -1 for p in positional):
        return  # passed on to another program
    if given > len(positional):
        yield f"{given} arguments where {len(positional)} are taken"
    if whole and given < sum(p.required for p in positional):
        yield "an argument is missing"
    if whole:
        yield from (f"{p.opts[0]} is missing" for p in options.values() if p.required and p.name not in used)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_the_blocks_can_be_called(page: Path) -> None:
    wrong = [
        f"{command}: {fault}"
        for command in shell_commands(page)
        if (arguments := arguments_of(command)) is not None
        for fault in faults(arguments)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_the_sentences_exists(page: Path) -> None:
    wrong = [
        f"{text}: {fault}"
        for text in spans(page)
        for command in re.split(r"\s*(?:&&|\|\||[|;])\s*", text)
        if command.startswith("fiatrails ") and "..." not in command
        for fault in faults([w for w in (arguments_of(command) or []) if not w.isupper()], whole=False)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    said = [*shell_commands(page), *spans(page)]
    named = {match[1] for text in said if (match := re.match(r"(?:[A-Z]+=\S+ )*make ([a-z][a-z-]*)", text))}
    assert named - _TARGETS == set()


def test_the_reader_of_commands_sees_faults() -> None:
    assert list(faults(["ledger", "verify"])) == []
    assert list(faults(["ledger", "nothing"])) == ["no command 'nothing'"]
    assert list(faults(["intent", "refund", "ORDER-17"])) == ["--reason is missing"]
    assert list(faults(["intent", "show"])) == ["an argument is missing"]
    assert list(faults(["mode", "set", "degraded", "on", "--reason", "x", "--until", "y"])) == ["no option --until"]
