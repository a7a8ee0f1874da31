"""Which deployment a command talks to: the environment, else the local stack that `fiatrails up` started."""

from __future__ import annotations

import os
import shlex
from collections.abc import MutableMapping
from pathlib import Path

_PROJECT_ROOT = Path(__file__).resolve().parents[3]
_SETTINGS = {"local": "local", "test": "test"}


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Complete the environment before Django reads it."""
    load_local_stack(environ)
    environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(environ.get("FIATRAILS_ENV", "local")))


def settings_module(environment: str) -> str:
    """Return Django's settings module for FIATRAILS_ENV; any name that is not ours is a production of its own."""
    return f"fiatrails.config.settings.{_SETTINGS.get(environment, 'production')}"


def load_local_stack(environ: MutableMapping[str, str]) -> bool:
    """Take the variables of `<state dir>/env` unless FIATRAILS_ENV is set; the environment wins over the file.

    False when FIATRAILS_ENV is set or there is no local stack.
    """
    if environ.get("FIATRAILS_ENV"):
        return False
    try:
        text = (state_dir(environ) / "env").read_text(encoding="utf-8")
    except OSError:
        return False
    for name, value in parse(text).items():
        environ.setdefault(name, value)
    return True


def state_dir(environ: MutableMapping[str, str]) -> Path:
    """Return FIATRAILS_STATE_DIR, else `.fiatrails` here, else `.fiatrails` of the project."""
    named = environ.get("FIATRAILS_STATE_DIR")
    if named:
        return Path(named)
    here = Path(".fiatrails")
    return here if here.is_dir() else _PROJECT_ROOT / ".fiatrails"


def parse(text: str) -> dict[str, str]:
    """Return the variables of a file that a shell could read: NAME=value lines, quotes and comments."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.removeprefix("export ").strip(): "".join(shlex.split(value)) for name, _, value in pairs}
