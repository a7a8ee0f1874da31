"""`fiatrails mode`: switches of the whole system."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Reason, Yes
from fiatrails.kernel.errors import BadInput

if TYPE_CHECKING:
    from fiatrails.controls.models import Mode
    from fiatrails.controls.modes import ModeName

app = typer.Typer(
    help="Modes of the whole system: degraded, read-only, maintenance, memory fallback.", no_args_is_help=True
)
_FOR = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class OnOff(StrEnum):
    """What a mode is set to."""

    ON = "on"
    OFF = "off"


@app.command("show")
def show(json: Json = False) -> None:
    """Show every mode: in force or not, by whom, why and until when.

    \b
    Examples:
      fiatrails mode show
    """
    runtime.setup()
    from fiatrails.controls import queries

    found = [
        {
            "mode": mode.name.value,
            "scope": mode.scope or None,
            "inForce": mode.in_force,
            "fromEnvironment": mode.from_environment,
            **_row(mode.switched),
        }
        for mode in queries.list_modes(now=runtime.now())
    ]
    columns = ("mode", "scope", "inForce", "fromEnvironment", "owner", "reason", "setAt", "expiresAt")
    render.emit(json, {"modes": found}, render.table(columns, [[mode[name] for name in columns] for mode in found]))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="MODE", help="maintenance, read_only, degraded or db_fallback.")],
    switch: Annotated[OnOff, typer.Argument(help="on or off.")],
    *,
    reason: Reason,
    scope: Annotated[
        str, typer.Option("--scope", help="One chain (evm:31337) or provider (mpesa); degraded only.")
    ] = "",
    duration: Annotated[str | None, typer.Option("--for", help="Switch off again after, e.g. 30m, 2h or 1d.")] = None,
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Switch a mode on or off, for every process and without a restart.

    A mode that an environment variable switches on stays on until the variable is gone.

    \b
    Examples:
      fiatrails mode set degraded on --reason "RPC provider down" --for 2h
      fiatrails mode set degraded off --reason "RPC is back"
      fiatrails mode set degraded on --scope mpesa --reason "Daraja answers with 500"
    """
    runtime.setup()
    from fiatrails.controls import modes

    mode = _mode(name)
    moment = runtime.now()
    expires_at = _expiry(duration, moment)
    wanted = modes.Switch(mode, scope)
    runtime.confirm(f"Switch {wanted} {switch.value}?", yes=yes)
    modes.set_mode(
        mode, active=switch is OnOff.ON, owner=actor, reason=reason, expires_at=expires_at, now=moment, scope=scope
    )
    modes.forget_cached()
    in_force = wanted in modes.switched_on(now=moment)
    if switch is OnOff.OFF and in_force:
        render.note(f"warning: an environment variable still switches {wanted} on")
    whole = {"mode": mode.value, "scope": scope or None, "inForce": in_force, "expiresAt": amounts.when(expires_at)}
    render.emit(json, whole, f"{wanted} is {'in force' if in_force else 'off'}")


def _row(mode: Mode | None) -> dict[str, object]:
    return {
        "owner": mode.owner if mode else None,
        "reason": mode.reason if mode else None,
        "setAt": amounts.when(mode.set_at) if mode else None,
        "expiresAt": amounts.when(mode.expires_at) if mode else None,
    }


def _mode(name: str) -> ModeName:
    from fiatrails.controls.modes import ModeName

    try:
        return ModeName(name.replace("-", "_"))
    except ValueError:
        known = ", ".join(mode.value for mode in ModeName)
        raise BadInput("unknown_mode", f"there is no mode {name[:32]!r}; known: {known}") from None


def _expiry(duration: str | None, moment: datetime) -> datetime | None:
    if duration is None:
        return None
    match = _FOR.fullmatch(duration)
    if match is None:
        raise BadInput("malformed_duration", "--for takes a whole number with m, h or d, such as 30m or 2h")
    return moment + int(match["count"]) * _UNITS[match["unit"]]
