"""When to try again: exponential with full jitter."""

from __future__ import annotations

import random
from datetime import timedelta

from fiatrails.kernel.profile import Retry


def delay(attempt: int, retry: Retry, *, rng: random.Random | None = None) -> timedelta:
    """Return the pause before attempt number `attempt` + 1 (attempts count from 1): uniform in 0..min(max, initial *
    m^(n-1))."""
    exponent = min(max(attempt, 1) - 1, 64)
    ceiling = min(float(retry.max_backoff_ms), retry.initial_backoff_ms * retry.backoff_multiplier**exponent)
    return timedelta(milliseconds=(rng or random).uniform(0, ceiling))
