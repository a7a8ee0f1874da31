"""The clock of the admin's entry points; the domain is given the time."""

from fiatrails.kernel.clock import SystemClock

CLOCK = SystemClock()
