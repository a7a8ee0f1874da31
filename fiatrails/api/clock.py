"""The one clock of this process's entry points; every domain call is given its time."""

from __future__ import annotations

from typing import Final

from fiatrails.kernel.clock import Clock, SystemClock

CLOCK: Final[Clock] = SystemClock()
