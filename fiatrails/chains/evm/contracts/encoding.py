"""What the ABI of a contract says: how its functions are called, what they answer, and what its events mean.

The ABIs in `abi/` are those of the compiled contracts (contracts/tools/export_abi.py). Selectors, topics and layouts
are derived from them; nothing is typed here a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

_DIRECTORY = Path(__file__).with_name("abi")
_HEX_WORD = 64
_HEX_TOPIC = 66


class Function:
    """A function of a contract: its calldata made, its calldata and its answers read."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name = str(entry["name"])
        self.selector = bytes(keccak(text=_signature(entry))[:4])
        self._inputs = _types(entry["inputs"])
        self._outputs = _types(entry["outputs"])

    def encode(self, *arguments: object) -> bytes:
        """Return the calldata of a call with these arguments."""
        return self.selector + encode(self._inputs, arguments)

    def arguments(self, calldata: bytes) -> tuple[Any, ...]:
        """Return the arguments in calldata of this function; ValueError when it is of another."""
        if calldata[:4] != self.selector:
            raise ValueError(f"not a call of {self.name}")
        try:
            return decode(self._inputs, calldata[4:])
        except (DecodingError, OverflowError) as error:
            raise ValueError(f"not a call of {self.name}") from error

    def answer(self, result: object) -> tuple[Any, ...]:
        """Return the values in a result of eth_call; ValueError when it is no such answer."""
        if not isinstance(result, str):
            raise ValueError(f"not an answer of {self.name}")
        try:
            return decode(self._outputs, bytes.fromhex(result.removeprefix("0x")))
        except (DecodingError, ValueError, OverflowError) as error:
            raise ValueError(f"not an answer of {self.name}") from error


class Event:
    """An event of a contract. `topic` marks its logs."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.topic = "0x" + keccak(text=_signature(entry)).hex()
        self._topics = 1 + sum(parameter["indexed"] for parameter in entry["inputs"])
        self._places = dict(_places(entry["inputs"], self._topics))

    def reader(self, *names: str) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Return a function that takes these values from a log of the event: numbers as int, all else as 0x and
        lower-case hex. It raises ValueError, KeyError or TypeError for what is no such log.

        A batch of 100 mints has some 300 logs, and eth_abi takes twenty times as long for each: places are computed
        once, here.
        """
        count = self._topics
        places = [self._places[name] for name in names]
        length = max(stop for _, stop, _ in places)

        def read(log: Mapping[str, Any]) -> tuple[Any, ...]:
            text = "".join(log["topics"][:count]) + log["data"]
            if len(text) < length:
                raise ValueError("a log of other values")
            return tuple([value(text[start:stop]) for start, stop, value in places])

        return read


class Abi:
    """The functions, events and errors of one contract, by name."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries = {(entry["type"], entry.get("name")): entry for entry in entries}

    def function(self, name: str) -> Function:
        """Return the function; KeyError when the contract has none of this name."""
        return Function(self._entries["function", name])

    def event(self, name: str) -> Event:
        """Return the event; KeyError when the contract has none of this name."""
        return Event(self._entries["event", name])

    def errors(self) -> dict[str, str]:
        """Return the names of the custom errors by selector, eight hex digits."""
        entries = (entry for (kind, _), entry in self._entries.items() if kind == "error")
        return {keccak(text=_signature(entry))[:4].hex(): entry["name"] for entry in entries}


@cache
def load(name: str) -> Abi:
    """Return the ABI of the contract of this name."""
    return Abi(json.loads((_DIRECTORY / f"{name}.json").read_text(encoding="utf-8")))


def as_bytes(word: str) -> bytes:
    """Return the bytes of 0x and hex."""
    return bytes.fromhex(word[2:])


def _signature(entry: Mapping[str, Any]) -> str:
    """Return the name and types of a function, event or error, as they are hashed."""
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def _types(parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    return [_type(parameter) for parameter in parameters]


def _type(parameter: Mapping[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(parameter['components']))}){kind.removeprefix('tuple')}"


def _places(
    inputs: Sequence[Mapping[str, Any]], topics: int
) -> Iterator[tuple[str, tuple[int, int, Callable[[str], Any]]]]:
    """Per value of one word: its name, where its digits are in the topics and the data written after each other, and
    how they are read."""
    topic, data = _HEX_TOPIC, topics * _HEX_TOPIC
    for parameter in inputs:
        kind, indexed = parameter["type"], parameter["indexed"]
        start = (topic if indexed else data) + len("0x")
        if kind in _VALUES:
            digits, value = _VALUES[kind]
            yield parameter["name"], (start + _HEX_WORD - digits, start + _HEX_WORD, value)
        elif not indexed and kind not in ("string", "bytes"):
            return  # may take several words: what follows has no place that is known here
        if indexed:
            topic += _HEX_TOPIC
        else:
            data += _HEX_WORD


def _hex(digits: str) -> str:
    return "0x" + digits.lower()


def _number(digits: str) -> int:
    return int(digits, 16)


# How many digits of the word count, from its end.
_VALUES: dict[str, tuple[int, Callable[[str], Any]]] = {
    "address": (40, _hex),
    "bytes32": (64, _hex),
    "uint8": (64, _number),
    "uint256": (64, _number),
}
