"""A TCP proxy that breaks on request, for PostgreSQL, Redis or HTTP alike.

In a thread: `with TcpProxy("127.0.0.1:5432") as proxy: proxy.set(blackhole=True)`. As a process:
`python -m tests.kit.tcp_proxy --upstream HOST:PORT --port N --control-port M`, where `POST /_faults`
switches, `POST /_reset` resets every open connection and `GET /_stats` counts. An upstream may be
`unix:/path` too.
"""

import argparse
import asyncio
import json
import signal
import threading
from collections import Counter
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Self

from tests.kit.async_http import (
    BadMessage,
    Request,
    Response,
    encode_response,
    json_response,
    read_request,
    reset,
)

_CHUNK = 64 * 1024
_THREAD_START_S = 10


@dataclass(frozen=True)
class TcpFaults:
    """Everything that can be switched on; the defaults are a healthy network.

    `cut_reply_to` names bytes, such as COMMIT: they reach the other side, which acts on them, but its
    reply is thrown away and the connection reset. `cut_count` limits how often (None: every time).
    Replies to earlier messages of a pipeline count as the reply.
    """

    latency_ms: int = 0
    bandwidth_bytes_s: int = 0
    blackhole: bool = False
    refuse: bool = False
    cut_reply_to: str = ""
    cut_count: int | None = None


class BadFault(Exception):
    """A fault that does not exist, or a value it cannot take."""


class Link:
    """One client connection with its upstream connection."""

    def __init__(self, engine: "Engine", client: asyncio.StreamWriter, upstream: asyncio.StreamWriter) -> None:
        self._engine = engine
        self._client = client
        self._upstream = upstream
        self._tail = b""
        self._is_doomed = False
        self.is_silent = False

    async def run(self, from_client: asyncio.StreamReader, from_upstream: asyncio.StreamReader) -> None:
        """Carry bytes both ways until either side ends; a half-closed connection counts as ended."""
        ways = [
            asyncio.create_task(self._carry(from_client, self._upstream, upwards=True)),
            asyncio.create_task(self._carry(from_upstream, self._client, upwards=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._client.close()
            self._upstream.close()

    def reset(self) -> None:
        """End both connections with an RST."""
        reset(self._client)
        reset(self._upstream)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, upwards: bool) -> None:
        while chunk := await source.read(_CHUNK):
            faults = self._engine.faults
            if faults.latency_ms:
                await asyncio.sleep(faults.latency_ms / 1000)
            if faults.bandwidth_bytes_s:
                await asyncio.sleep(len(chunk) / faults.bandwidth_bytes_s)
            if self._engine.faults.blackhole or self.is_silent:
                self._engine.counts["swallowed_chunks"] += 1
                continue
            if not upwards and self._is_doomed:
                self._engine.counts["cut_replies"] += 1
                self.reset()
                return
            if upwards:
                self._watch_for_doom(chunk)
            sink.write(chunk)
            await sink.drain()

    def _watch_for_doom(self, chunk: bytes) -> None:
        wanted = self._engine.faults.cut_reply_to.encode()
        if not wanted:
            return
        # The bytes may be split over two chunks.
        seen, self._tail = self._tail + chunk, chunk[-len(wanted) + 1 :] if len(wanted) > 1 else b""
        if wanted in seen and self._engine.take_cut():
            self._is_doomed = True


class Engine:
    """The proxy itself; lives on one event loop."""

    def __init__(self, upstream: str) -> None:
        self.faults = TcpFaults()
        self.counts: Counter[str] = Counter()
        self._upstream = upstream
        self._links: set[Link] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection."""
        self.counts["connections"] += 1
        if self.faults.refuse:
            reset(writer)
            return
        try:
            from_upstream, to_upstream = await self._connect()
        except OSError:
            self.counts["upstream_unreachable"] += 1
            reset(writer)
            return
        link = Link(self, writer, to_upstream)
        self._links.add(link)
        try:
            await link.run(reader, from_upstream)
        except asyncio.CancelledError:
            link.reset()
        finally:
            self._links.discard(link)

    def update(self, wanted: dict[str, Any]) -> None:
        """Change what is named and keep the rest."""
        for name, value in wanted.items():
            _check(name, value)
        self.faults = replace(self.faults, **wanted)

    def reset_all(self) -> int:
        """Reset every open connection and return how many there were."""
        links = list(self._links)
        for link in links:
            link.reset()
        self.counts["resets"] += len(links)
        return len(links)

    def silence_all(self) -> int:
        """Let every open connection lead nowhere from now on, while new ones work; return how many there were."""
        for link in self._links:
            link.is_silent = True
        return len(self._links)

    def take_cut(self) -> bool:
        """Consume one of the cuts that are left."""
        left = self.faults.cut_count
        if left is not None and left <= 0:
            return False
        if left is not None:
            self.faults = replace(self.faults, cut_count=left - 1)
        return True

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.startswith("unix:"):
            return await asyncio.open_unix_connection(self._upstream.removeprefix("unix:"))
        host, _, port = self._upstream.rpartition(":")
        return await asyncio.open_connection(host, int(port))


class TcpProxy:
    """An engine in a thread of its own, for tests that hold both ends."""

    def __init__(self, upstream: str, *, port: int = 0) -> None:
        self.port = port
        self._engine = Engine(upstream)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_THREAD_START_S):
            raise TimeoutError("the TCP proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_THREAD_START_S)

    @property
    def counts(self) -> dict[str, int]:
        """Return what happened so far."""
        return dict(self._engine.counts)

    def set(self, **faults: Any) -> None:
        """Switch faults by the names of TcpFaults; takes effect with the next chunk."""
        self._call(lambda: self._engine.update(faults))

    def heal(self) -> None:
        """Switch every fault off."""
        self.set(**asdict(TcpFaults()))

    def reset_all(self) -> int:
        """Reset every open connection and return how many there were."""
        return int(self._call(self._engine.reset_all))

    def silence_all(self) -> int:
        """Let every open connection lead nowhere, as a NAT that forgot them does; return how many there were."""
        return int(self._call(self._engine.silence_all))

    def _call(self, work: Any) -> Any:
        async def on_loop() -> Any:
            return work()

        if self._loop is None:
            raise RuntimeError("the TCP proxy is not running")
        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(_THREAD_START_S)

    async def _run(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._engine.serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        server.close()
        self._engine.reset_all()


class Control:
    """The control port of a proxy that runs as a process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one control connection."""
        try:
            while request := await read_request(reader):
                writer.write(encode_response(self._answer(request)))
                await writer.drain()
        except (BadMessage, OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/_stats":
                return json_response(dict(self._engine.counts))
            case "GET", "/_faults":
                return json_response(asdict(self._engine.faults))
            case "POST", "/_faults":
                return self._set_faults(request.body)
            case "POST", "/_reset":
                return json_response({"reset": self._engine.reset_all()})
        return json_response({"error": "use /_faults, /_reset or /_stats"}, 404)

    def _set_faults(self, body: bytes) -> Response:
        try:
            wanted = json.loads(body)
            if not isinstance(wanted, dict):
                raise BadFault("the body must be a JSON object")
            self._engine.update(wanted)
        except ValueError:
            return json_response({"error": "the body is not JSON"}, 400)
        except BadFault as bad:
            return json_response({"error": str(bad)}, 400)
        return json_response(asdict(self._engine.faults))


def _check(name: str, value: Any) -> None:
    if name in {"latency_ms", "bandwidth_bytes_s"}:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    elif name in {"blackhole", "refuse"}:
        fits = isinstance(value, bool)
    elif name == "cut_reply_to":
        fits = isinstance(value, str)
    elif name == "cut_count":
        fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    else:
        raise BadFault(f"unknown fault {name!r}; known: {', '.join(asdict(TcpFaults()))}")
    if not fits:
        raise BadFault(f"{name} cannot be {value!r}")


async def run(*, upstream: str, port: int, control_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    engine, ended = Engine(upstream), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", port, backlog=1024)
    control = await asyncio.start_server(Control(engine).serve, "127.0.0.1", control_port)
    await ended.wait()
    server.close()
    control.close()
    engine.reset_all()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.kit.tcp_proxy", description="A TCP proxy that breaks.")
    parser.add_argument("--upstream", required=True, help="HOST:PORT or unix:/path")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    given = parser.parse_args()
    asyncio.run(run(upstream=given.upstream, port=given.port, control_port=given.control_port))


if __name__ == "__main__":
    main()
