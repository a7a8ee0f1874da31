"""What is read about the modes: each of them, in force or not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fiatrails.controls import modes
from fiatrails.controls.models import Mode
from fiatrails.controls.modes import EVERYTHING, ModeName, Switch


@dataclass(frozen=True, slots=True)
class ModeStatus:
    """One mode, for EVERYTHING or one scope. `switched`: its row, None when that is off; `from_environment`: a variable
    has switched it on."""

    name: ModeName
    scope: str
    in_force: bool
    from_environment: bool
    switched: Mode | None


def list_modes(*, now: datetime, environ: Mapping[str, str] = os.environ) -> list[ModeStatus]:
    """Return every mode, also those that are off, then every scope that one was ever set for."""
    stored = {
        Switch(ModeName(mode.name), mode.scope): mode
        for mode in Mode.objects.filter(name__in=list(ModeName)).order_by("name", "scope")
    }
    active = modes.switched_on(now=now, environ=environ)
    by_variable = modes.from_environment(environ)

    def status(switch: Switch) -> ModeStatus:
        row = stored.get(switch)
        return ModeStatus(
            name=switch.name,
            scope=switch.scope,
            in_force=switch in active,
            from_environment=switch.scope == EVERYTHING and switch.name in by_variable,
            switched=row if row is not None and row.active else None,
        )

    return [status(switch) for switch in (*map(Switch, ModeName), *(s for s in stored if s.scope != EVERYTHING))]
