"""Writes MaxMind-format files, from the format's description: https://maxmind.github.io/MaxMind-DB/"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

_SEPARATOR = b"\xab\xcd\xefMaxMind.com"
_TEXT, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11
# The metadata's integers have types of their own.
_INTEGERS = {"node_count": _UINT32, "build_epoch": _UINT64}


def mmdb(records: Mapping[str, Any], *, build_epoch: int = 1_790_000_000, ip_version: int = 6) -> bytes:
    """A file with one record per network; a longer prefix wins over a shorter one that is named before it."""
    nodes: list[list[Any]] = [[None, None]]
    data, offsets = b"", {}
    for network, record in records.items():
        raw = _encoded(record)
        if raw not in offsets:
            offsets[raw] = len(data)
            data += raw
        _insert(nodes, network, ("data", offsets[raw]), ip_version)
    count = len(nodes)
    tree = b"".join(struct.pack(">II", *(_pointer(half, count) for half in node)) for node in nodes)
    metadata = {
        "node_count": count,
        "record_size": 32,
        "ip_version": ip_version,
        "database_type": "Test-Country",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": build_epoch,
        "description": {"en": "made by a test"},
    }
    return tree + b"\0" * 16 + data + _SEPARATOR + _encoded(metadata)


def _insert(nodes: list[list[Any]], text: str, leaf: tuple[str, int], ip_version: int) -> None:
    network = ip_network(text)
    inside = network.version == 4 and ip_version == 6
    bits, length = (128, network.prefixlen + 96) if inside else (network.max_prefixlen, network.prefixlen)
    at, value = 0, int(network.network_address)
    for depth in range(length - 1):
        side = value >> (bits - 1 - depth) & 1
        if not isinstance(nodes[at][side], int):
            nodes.append([nodes[at][side], nodes[at][side]])
            nodes[at][side] = len(nodes) - 1
        at = nodes[at][side]
    nodes[at][value >> (bits - length) & 1] = leaf


def _pointer(half: Any, count: int) -> int:
    if half is None:
        return count
    return half if isinstance(half, int) else count + 16 + half[1]


def _encoded(value: Any, kind: int = _UINT16) -> bytes:
    if isinstance(value, str):
        return _control(_TEXT, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        pairs = (_encoded(key) + _encoded(inner, _INTEGERS.get(key, _UINT16)) for key, inner in value.items())
        return _control(_MAP, len(value)) + b"".join(pairs)
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(map(_encoded, value))
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(raw)) + raw


def _control(kind: int, size: int) -> bytes:
    assert size < 29, "no longer values are needed here"
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
