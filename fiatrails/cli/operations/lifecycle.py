"""`fiatrails up`, `down`, `reset`: the local stack."""

from __future__ import annotations

from typing import Annotated

import typer


def up(
    exit_when_minted: Annotated[
        bool, typer.Option("--exit", help="Stop everything and end as soon as one payment is minted.")
    ] = False,
) -> None:
    """Start the whole rail on this machine and mint one payment.

    \b
    Examples:
      fiatrails up
      fiatrails up --exit
    """
    from fiatrails.local import commands

    commands.up(exit_when_minted=exit_when_minted)


def down() -> None:
    """Stop the local rail; its state stays, and `up` continues from there.

    \b
    Examples:
      fiatrails down
    """
    from fiatrails.local import commands

    commands.down()


def reset() -> None:
    """Stop the local rail and delete its database, chain and secrets.

    \b
    Examples:
      fiatrails reset
    """
    from fiatrails.local import commands

    commands.reset()
