"""Inject faults: which ones are on, and the seeded dice that decide what they hit."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.kit.messages import control_refusal


@dataclass(frozen=True)
class Fault:
    """One fault: its value while it is off, and the check that returns a wanted value or refuses it."""

    off: Any
    check: Callable[[str, Any], Any]


def rate() -> Fault:
    """Return a fault that strikes by chance: a number from 0 to 1."""
    return Fault(0.0, lambda name, value: _number(name, value, 1.0))


def count(most: int) -> Fault:
    """Return a fault that is a whole number from 0 to `most`."""
    return Fault(0, lambda name, value: int(_number(name, value, most, whole=True)))


def flag() -> Fault:
    """Return a fault that is on or off."""

    def check(name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise control_refusal(f"{name} must be true or false")
        return value

    return Fault(False, check)


def choice(*known: str) -> Fault:
    """Return a fault that is one of several words; the first means off."""

    def check(name: str, value: Any) -> str:
        if value not in known:
            raise control_refusal(f"{name} must be one of {', '.join(known)}")
        return str(value)

    return Fault(known[0], check)


def words(off: list[str], *, known: tuple[str, ...] | None = None) -> Fault:
    """Return a fault that is a list of words, any words unless they are `known`."""

    def check(name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise control_refusal(f"{name} must be a list of strings")
        if known is not None and not set(value) <= set(known):
            raise control_refusal(f"{name} may hold {', '.join(known)}")
        return value

    return Fault(off, check)


def chance(name: str) -> dict[str, Fault]:
    """Return the two faults that make `name` strike: `<name>Rate` by chance, `<name>Next` the next N times."""
    return {f"{name}Rate": rate(), f"{name}Next": count(1_000_000)}


def _common(kinds: tuple[str, ...]) -> dict[str, Fault]:
    return {
        **chance("lose"),
        **chance("replyLost"),
        "duplicate": count(200),
        "reorder": count(1_000),
        "delayMs": count(600_000),
        "jitterMs": count(600_000),
        "slowMs": count(120_000),
        "kinds": words(list(kinds), known=kinds),
        "paths": words([]),
    }


class Faults:
    """The faults that are on. Unknown names and wild values are refused, never ignored.

    `kinds` are the kinds of webhooks a provider sends, `own` its own faults beside the common ones. Paths that begin
    with one of `spared` are hit by API faults only when `paths` names them.
    """

    def __init__(
        self, seed: str, *, kinds: tuple[str, ...], own: Mapping[str, Fault] | None = None, spared: tuple[str, ...] = ()
    ) -> None:
        self._seed = seed
        self._known = {**_common(kinds), **(own or {})}
        self._spared = spared
        self._lock = threading.Lock()
        self._values = self._off()
        self._dice: dict[str, random.Random] = {}

    def update(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Switch faults on (or off, with 0 or false) and return all of them."""
        checked = {name: self._checked(name, value) for name, value in wanted.items()}
        with self._lock:
            self._values.update(checked)
            return dict(self._values)

    def clear(self) -> dict[str, Any]:
        """Switch everything off and return all faults; the dice keep their place."""
        with self._lock:
            self._values = self._off()
            return dict(self._values)

    def view(self) -> dict[str, Any]:
        """Return every fault with its value."""
        with self._lock:
            return dict(self._values)

    def number(self, name: str) -> int:
        """Return a fault that is a count or a time."""
        return int(self.view()[name])

    def text(self, name: str) -> str:
        """Return a fault that is a word."""
        return str(self.view()[name])

    def is_on(self, name: str) -> bool:
        """Return whether a flag is set."""
        return bool(self.view()[name])

    def hits_kind(self, kind: str) -> bool:
        """Return whether webhook faults concern this kind of webhook."""
        return kind in self.view()["kinds"]

    def hits_path(self, path: str) -> bool:
        """Return whether API faults concern this path; an empty list means all but the spared ones."""
        paths = self.view()["paths"]
        return path in paths if paths else not path.startswith(self._spared)

    def strikes(self, name: str) -> bool:
        """Consume one of `<name>Next`, or throw the die of `<name>Rate`; return whether the fault strikes."""
        with self._lock:
            if self._values.get(f"{name}Next", 0) > 0:
                self._values[f"{name}Next"] -= 1
                return True
            chance = float(self._values.get(f"{name}Rate", 0.0))
            return chance > 0 and self._die(name).random() < chance

    def delay_s(self) -> float:
        """Draw the delay of one webhook: `delayMs` and up to `jitterMs` more."""
        with self._lock:
            drawn = self._die("jitter").uniform(0, self._values["jitterMs"])
            return float(self._values["delayMs"] + drawn) / 1000

    def shuffle(self, items: list[Any]) -> None:
        """Reorder in place, the same way for the same seed, and never into the same order."""
        if len(items) < 2:
            return
        before = list(items)
        with self._lock:
            while items == before:
                self._die("reorder").shuffle(items)

    def _off(self) -> dict[str, Any]:
        return {name: fault.off for name, fault in self._known.items()}

    def _checked(self, name: str, value: Any) -> Any:
        fault = self._known.get(name)
        if fault is None:
            raise control_refusal(f"unknown fault {name!r}; known: {', '.join(sorted(self._known))}")
        return fault.check(name, value)

    def _die(self, name: str) -> random.Random:
        # One die per fault: switching one fault on does not change what another one hits.
        return self._dice.setdefault(name, random.Random(f"{self._seed}:{name}"))


def _number(name: str, value: Any, most: float, *, whole: bool = False) -> float:
    fits = isinstance(value, int) if whole else isinstance(value, int | float)
    if not fits or isinstance(value, bool) or not 0 <= value <= most:
        raise control_refusal(f"{name} must be {'a whole number' if whole else 'a number'} from 0 to {most:g}")
    return float(value)
