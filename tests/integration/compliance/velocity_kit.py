"""What the tests of velocity limits share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from fiatrails.compliance.velocity import store
from fiatrails.compliance.velocity.rules import Admission, Usage
from fiatrails.kernel.money import Money
from fiatrails.kernel.profile import VelocityRule

NOON = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
HOUR = 3600


def rule(scope: str = "payer", **more: Any) -> VelocityRule:
    if "max_amount" in more:
        more.setdefault("currency", "KES")
    else:
        more.setdefault("max_count", 10)
    return VelocityRule.model_validate({"scope": scope, "window_s": HOUR, **more})


def usage(number: int, minor: int = 1000, **subjects: str) -> Usage:
    return Usage(intent(number), Money("KES", minor), **(subjects or {"payer": "p-1"}))


def intent(number: int) -> str:
    return f"0x{number:064x}"


def admit(usages: list[Usage], rules: list[VelocityRule], now: datetime = NOON, **more: Any) -> list[bool]:
    return [verdict.admitted for verdict in verdicts(usages, rules, now, **more).values()]


def verdicts(usages: list[Usage], rules: list[VelocityRule], now: datetime = NOON, **more: Any) -> dict[str, Admission]:
    with transaction.atomic():
        return store.admit(usages, rules, now=now, **more)


def after(**kwargs: float) -> datetime:
    return NOON + timedelta(**kwargs)
