"""The bad days: which faults are on, and the seeded dice that decide whom they hit."""

import random
import threading
from typing import Any

from sandbox.mpesa.replies import control_refusal

KINDS = ("stk", "c2b", "result", "gateway")
_RATES = ("loseRate", "spikeArrestRate", "replyLostRate")
_COUNTS = {
    "duplicate": 200,
    "reorder": 1_000,
    "delayMs": 600_000,
    "jitterMs": 600_000,
    "slowMs": 120_000,
    "loseNext": 1_000_000,
    "spikeArrestNext": 1_000_000,
    "replyLostNext": 1_000_000,
    "queueTimeoutNext": 1_000_000,
    "failResultNext": 1_000_000,
}
_FLAGS = ("alsoAsC2b", "oauthDown")
_CALM: dict[str, Any] = {
    **dict.fromkeys(_RATES, 0.0),
    **dict.fromkeys(_COUNTS, 0),
    **dict.fromkeys(_FLAGS, False),
    "kinds": list(KINDS),
    "paths": [],
    "inFlight": "error",
    "failResultCode": "26",
}


class Faults:
    """The faults that are on. Unknown names and wild values are refused, never ignored."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._values = dict(_CALM)
        self._dice: dict[str, random.Random] = {}

    def update(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Switch faults on (or off, with 0 or false) and return all of them."""
        checked = {name: _checked(name, value) for name, value in wanted.items()}
        with self._lock:
            self._values.update(checked)
            return dict(self._values)

    def clear(self) -> dict[str, Any]:
        """Switch everything off; the dice keep their place."""
        with self._lock:
            self._values = dict(_CALM)
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
        """Say whether a flag is set."""
        return bool(self.view()[name])

    def hits_kind(self, kind: str) -> bool:
        """Say whether callback faults concern this kind of callback."""
        return kind in self.view()["kinds"]

    def hits_path(self, path: str) -> bool:
        """Say whether API faults concern this path; an empty list means all but the tokens."""
        paths = self.view()["paths"]
        return path in paths if paths else not path.startswith("/oauth/")

    def strikes(self, name: str) -> bool:
        """Consume one of `<name>Next`, or throw the die of `<name>Rate`."""
        with self._lock:
            if self._values.get(f"{name}Next", 0) > 0:
                self._values[f"{name}Next"] -= 1
                return True
            rate = float(self._values.get(f"{name}Rate", 0.0))
            return rate > 0 and self._die(name).random() < rate

    def jitter_s(self) -> float:
        """Return the delay of one callback."""
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

    def _die(self, name: str) -> random.Random:
        # One die per fault: switching one fault on does not change what another one hits.
        return self._dice.setdefault(name, random.Random(f"{self._seed}:{name}"))


def _checked(name: str, value: Any) -> Any:
    if name in _RATES:
        return _number(name, value, 1.0)
    if name in _COUNTS:
        return int(_number(name, value, _COUNTS[name], whole=True))
    if name in _FLAGS:
        return _flag(name, value)
    if name == "kinds":
        return _words(name, value, KINDS)
    if name == "paths":
        return _words(name, value, None)
    if name == "inFlight":
        return _word(name, value, ("error", "4999"))
    if name == "failResultCode":
        return _code(name, value)
    raise control_refusal(f"unknown fault {name!r}; known: {', '.join(sorted(_CALM))}")


def _number(name: str, value: Any, most: float, *, whole: bool = False) -> float:
    fits = isinstance(value, int) if whole else isinstance(value, int | float)
    if not fits or isinstance(value, bool) or not 0 <= value <= most:
        raise control_refusal(f"{name} must be {'a whole number' if whole else 'a number'} from 0 to {most:g}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise control_refusal(f"{name} must be true or false")
    return value


def _words(name: str, value: Any, known: tuple[str, ...] | None) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise control_refusal(f"{name} must be a list of strings")
    if known is not None and not set(value) <= set(known):
        raise control_refusal(f"{name} may hold {', '.join(known)}")
    return value


def _word(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise control_refusal(f"{name} must be one of {', '.join(known)}")
    return str(value)


def _code(name: str, value: Any) -> str:
    code = str(value)
    if isinstance(value, bool) or not code.isalnum() or code == "0":
        raise control_refusal(f"{name} must be a result code other than 0")
    return code
