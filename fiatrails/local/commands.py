"""`fiatrails up`, `down` and `reset`: thin, the work is in `stack`."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from fiatrails.local.stack import Stack
from fiatrails.local.state import StateDir


def up(
    exit_when_minted: Annotated[
        bool, typer.Option("--exit", help="Stop everything and end as soon as one payment is minted.")
    ] = False,
) -> None:
    """Start the whole rail on this machine and mint one payment."""
    sys.exit(Stack(StateDir.default(), Console()).up(exit_when_minted=exit_when_minted))


def down() -> None:
    """Stop the local rail; its state stays, and `up` continues from there."""
    Stack(StateDir.default(), Console()).down()


def reset() -> None:
    """Stop the local rail and delete its database, chain and secrets."""
    Stack(StateDir.default(), Console()).reset()
