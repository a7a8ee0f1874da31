"""Velocity limits, pure: what is asked, what was used already, the rules -> one admission for each intent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fiatrails.kernel.money import Money, format_minor
from fiatrails.kernel.profile import VelocityRule

Action = Literal["hold", "refuse"]
Rules = Sequence[VelocityRule]
_NOT_DIGITS = re.compile(r"[^0-9]")
_HEX = re.compile(r"0x[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Usage:
    """One intent that wants to be minted: what is paid for it, and by whom. A subject that is None or empty is not
    known, and the rules of its scope do not see the intent."""

    intent_id: str
    paid: Money
    payer: str | None = None
    phone: str | None = None
    wallet: str | None = None
    card: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """`code` is stable (metrics, filters) and `reason` is for people; both name the first rule that was exceeded, and
    `action` says what its profile wants done. `window_s` after now nothing of what counts today counts any more."""

    admitted: bool
    code: str
    reason: str
    action: Action | None = None
    scope: str = ""
    window_s: int = 0


@dataclass(slots=True)
class Used:
    """What a window holds: a number of intents, and minor units."""

    count: int = 0
    amount: int = 0


@dataclass(frozen=True, slots=True)
class MeterEntry:
    """One intent on one meter of one subject: what gets counted."""

    intent_id: str
    meter: str
    subject: str
    amount: int


# (place of the rule, subject) -> what its window holds.
Gauges = Mapping[tuple[int, str], Used]
ADMITTED = Admission(True, "within_limits", "within every velocity limit")


def meter_of(rule: VelocityRule) -> str:
    """Return what the rule counts: `payer`, or `payer:KES` when it sees one currency only. Rules with other windows or
    limits share it, so changing them forgets nothing."""
    return rule.scope if rule.currency is None else f"{rule.scope}:{rule.currency}"


def subject_of(rule: VelocityRule, usage: Usage) -> str | None:
    """Return whom the rule counts, one text for one subject however it is written; None: the rule does not see the
    intent."""
    if rule.currency not in (None, usage.paid.currency):
        return None
    value = (getattr(usage, rule.scope) or "").strip()
    return (_PLAIN[rule.scope](value) if rule.scope in _PLAIN else value) or None


def _plain_phone(value: str) -> str:
    """Return one text for one phone: `+254 712 345 678`, `00254712345678` and `254712345678`."""
    return _NOT_DIGITS.sub("", value).removeprefix("00")


def _plain_wallet(value: str) -> str:
    """Return one text for one wallet: hexadecimal addresses differ in case only by their checksum; base58 ones are
    others in another case."""
    return value.lower() if _HEX.fullmatch(value.lower()) else value


_PLAIN = {"phone": _plain_phone, "wallet": _plain_wallet, "country": str.upper}


def entries_of(usages: Sequence[Usage], rules: Rules) -> Iterator[MeterEntry]:
    """Yield what is counted if everything is admitted: one entry for each intent and meter."""
    for usage in usages:
        meters = {meter_of(rule): subject for rule in rules if (subject := subject_of(rule, usage)) is not None}
        for meter, subject in meters.items():
            yield MeterEntry(usage.intent_id, meter, subject, usage.paid.minor)


def judge(
    usages: Sequence[Usage],
    rules: Rules,
    used: Gauges,
    *,
    counted: Collection[tuple[str, str]] = (),
) -> dict[str, Admission]:
    """Return the admissions by intent id, each intent in its turn: what is admitted uses up the windows for those
    behind it, what is not admitted uses up nothing.

    `counted`: (intent id, meter) that are in the windows already; they were admitted once and are not asked again.
    """
    totals = {key: Used(of.count, of.amount) for key, of in used.items()}
    admissions = {}
    for usage in usages:
        windows = _Windows.of(usage, rules, totals, counted)
        exceeded = windows.first_exceeded()
        admissions[usage.intent_id] = ADMITTED if exceeded is None else _refusal(*exceeded)
        if exceeded is None:
            windows.use()
    return admissions


@dataclass(slots=True)
class _Windows:
    """One intent against the windows as those before it left them."""

    paid: Money
    seen_by: list[tuple[VelocityRule, Used]] = field(default_factory=list)

    @classmethod
    def of(
        cls, usage: Usage, rules: Rules, totals: dict[tuple[int, str], Used], counted: Collection[tuple[str, str]]
    ) -> _Windows:
        windows = cls(usage.paid)
        for place, rule in enumerate(rules):
            subject = subject_of(rule, usage)
            if subject is not None and (usage.intent_id, meter_of(rule)) not in counted:
                windows.seen_by.append((rule, totals.setdefault((place, subject), Used())))
        return windows

    def first_exceeded(self) -> tuple[VelocityRule, str] | None:
        """Return the first rule that is exceeded, one that refuses before one that holds; and by what."""
        exceeded = [(rule, what) for rule, of in self.seen_by if (what := _exceeds(rule, of, self.paid.minor))]
        return min(exceeded, key=lambda pair: pair[0].action != "refuse", default=None)

    def use(self) -> None:
        for _, of in self.seen_by:
            of.count += 1
            of.amount += self.paid.minor


def _exceeds(rule: VelocityRule, of: Used, minor: int) -> str:
    """Return `count`, `amount`, or empty when there is room."""
    if rule.max_count is not None and of.count + 1 > rule.max_count:
        return "count"
    return "amount" if rule.max_amount is not None and of.amount + minor > rule.max_amount else ""


def _refusal(rule: VelocityRule, what: str) -> Admission:
    limit = f"{rule.max_count} payments"
    if what == "amount":
        limit = f"{format_minor(rule.max_amount or 0, rule.currency or '')} {rule.currency}"
    reason = f"beyond {limit} for one {rule.scope} within {rule.window_s} seconds"
    return Admission(False, f"velocity_{rule.scope}_{what}", reason, rule.action, rule.scope, rule.window_s)
