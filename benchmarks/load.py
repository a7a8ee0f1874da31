"""A small HTTP load generator: prepared requests over kept connections, each timed from send to last byte.

It shares the cores with what it measures, so it does as little as possible per request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What came of a run: latencies in milliseconds of the requests answered 200, and all other statuses."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    others: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Requests answered 200 per second."""
        return len(self.latencies_ms) / self.seconds


def run(host: str, port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send every request once over `connections` connections, each sending its next when the last was answered."""
    return asyncio.run(_run(host, port, requests, connections))


async def _run(host: str, port: int, requests: Sequence[bytes], connections: int) -> Load:
    load, source = Load(), iter(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_client(host, port, source, load) for _ in range(connections)))
    load.seconds = time.perf_counter() - started
    return load


async def _client(host: str, port: int, source: object, load: Load) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in source:  # type: ignore[attr-defined]
        sent = time.perf_counter()
        writer.write(request)
        status = await _answer(reader)
        if status == 200:
            load.latencies_ms.append((time.perf_counter() - sent) * 1000)
        else:
            load.others[status] = load.others.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    start = lowered.index(b"content-length:") + len(b"content-length:")
    length = int(lowered[start : lowered.index(b"\r\n", start)])
    if length:
        await reader.readexactly(length)
    return int(head[9:12])
