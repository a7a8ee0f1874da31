"""`fiatrails up`, `down`, `reset`, `doctor`: the local stack, and what is wrong with any deployment."""

from __future__ import annotations

from typing import Annotated

import typer

from fiatrails.cli.kit import environment
from fiatrails.cli.kit.runtime import Json


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


def doctor(json: Json = False) -> None:
    """Check configuration, database, chain, contracts, keys and clock; ends with 1 when something fails.

    \b
    Examples:
      fiatrails doctor
      fiatrails doctor --json
    """
    environment.prepare()
    from fiatrails.cli import doctor as checks

    checks.doctor(as_json=json)
