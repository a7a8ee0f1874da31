"""Which RPC faults are on, and the seeded dice that decide which request they hit."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any


class BadFault(Exception):
    """A fault that does not exist, or a value it cannot take."""


@dataclass(frozen=True)
class LyingReceipt:
    """Receipts that are there and answered as null: the next few, or those of some hashes."""

    answers: int = 0
    hashes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FaultSet:
    """Everything that can be switched on; the defaults are a healthy node."""

    drop_request_rate: float = 0.0
    drop_reply_rate: float = 0.0
    rate_429: float = 0.0
    delay_ms: int = 0
    stale_head_by: int = 0
    down: bool = False
    methods: frozenset[str] = frozenset()
    healthy_but_500: frozenset[str] = frozenset()
    lying_receipt: LyingReceipt = LyingReceipt()

    def concerns(self, methods: set[str]) -> bool:
        """Say whether a request with these methods is within the filter; an empty filter is all."""
        return not self.methods or bool(self.methods & methods)

    def view(self) -> dict[str, Any]:
        """Return the faults as JSON."""
        view: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        view["methods"] = sorted(self.methods)
        view["healthy_but_500"] = sorted(self.healthy_but_500)
        lie = self.lying_receipt
        view["lying_receipt"] = {"answers": lie.answers, "hashes": sorted(lie.hashes)}
        return view


@dataclass
class Faults:
    """The current set, its dice and its counts."""

    seed: str
    current: FaultSet = field(default_factory=FaultSet)
    counts: Counter[str] = field(default_factory=Counter)
    _dice: dict[str, random.Random] = field(default_factory=dict)

    def update(self, wanted: Any) -> None:
        """Change what is named and keep the rest; `{"reset": true}` goes back to health first."""
        if not isinstance(wanted, dict):
            raise BadFault("the body must be a JSON object")
        changes = dict(wanted)
        base = FaultSet() if changes.pop("reset", False) is True else self.current
        self.current = replace(base, **{name: _read(name, value) for name, value in changes.items()})

    def strikes(self, name: str, rate: float) -> bool:
        """Throw the die of one fault and count a hit."""
        if rate <= 0:
            return False
        # One die per fault: switching one on does not change what another one hits.
        die = self._dice.setdefault(name, random.Random(f"{self.seed}:{name}"))
        if die.random() >= rate:
            return False
        self.counts[name] += 1
        return True

    def lies_about(self, receipt: dict[str, Any]) -> bool:
        """Decide whether an existing receipt is answered as null, and count the lie."""
        lie = self.current.lying_receipt
        listed = str(receipt.get("transactionHash")).lower() in lie.hashes
        if not listed and lie.answers == 0:
            return False
        if not listed:
            self.current = replace(self.current, lying_receipt=replace(lie, answers=lie.answers - 1))
        self.counts["lying_receipt"] += 1
        return True


def _read(name: str, value: Any) -> Any:
    reader = _READERS.get(name)
    if reader is None:
        raise BadFault(f"unknown fault {name!r}; known: reset, {', '.join(sorted(_READERS))}")
    return reader(name, value)


def _rate(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadFault(f"{name} must be a number from 0 to 1")
    return float(value)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadFault(f"{name} must be a whole number, 0 or more")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadFault(f"{name} must be true or false")
    return value


def _words(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadFault(f"{name} must be a list of strings")
    return frozenset(value)


def _lie(name: str, value: Any) -> LyingReceipt:
    if not isinstance(value, dict) or not set(value) <= {"answers", "hashes"}:
        raise BadFault(f'{name} must look like {{"answers": 3, "hashes": ["0x..."]}}')
    hashes = _words(f"{name}.hashes", value.get("hashes", []))
    answers = _whole(f"{name}.answers", value.get("answers", 0))
    return LyingReceipt(answers, frozenset(word.lower() for word in hashes))


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "drop_request_rate": _rate,
    "drop_reply_rate": _rate,
    "rate_429": _rate,
    "delay_ms": _whole,
    "stale_head_by": _whole,
    "down": _flag,
    "methods": _words,
    "healthy_but_500": _words,
    "lying_receipt": _lie,
}
