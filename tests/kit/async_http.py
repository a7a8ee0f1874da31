"""As much HTTP/1.1 as the fault proxies need, on asyncio streams: quick, keep-alive, nothing else."""

import asyncio
import json
import socket
import struct
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

BODY_LIMIT = 64 * 1024 * 1024
_HEAD_LIMIT = 64 * 1024


class BadMessage(Exception):
    """What arrived is not HTTP as these proxies speak it."""


@dataclass(frozen=True)
class Request:
    """One request, read completely."""

    method: str
    path: str
    keep_alive: bool
    body: bytes


@dataclass(frozen=True)
class Response:
    """One response, read completely."""

    status: int
    body: bytes
    keep_alive: bool = True
    content_type: str = "application/json"


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None when the client closed the connection between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as short:
        if short.partial:
            raise BadMessage("the request ended in its head") from None
        return None
    first, headers = _parse_head(head)
    try:
        method, path, version = first.split(" ")
    except ValueError:
        raise BadMessage(f"no request line: {first!r}") from None
    keep_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(method, path, keep_alive, await _read_body(reader, headers))


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Read one response."""
    first, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
    status = int(first.split(" ")[1])
    body = await _read_body(reader, headers)
    keep_alive = headers.get("connection", "").lower() != "close"
    return Response(status, body, keep_alive, headers.get("content-type", "application/json"))


def encode_response(response: Response) -> bytes:
    """Return the bytes of a response."""
    reason = HTTPStatus(response.status).phrase
    head = (
        f"HTTP/1.1 {response.status} {reason}\r\nContent-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n\r\n"
    )
    return head.encode() + response.body


def json_response(payload: Any, status: int = 200) -> Response:
    """Return a response with a JSON body."""
    return Response(status, json.dumps(payload).encode())


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_LIMIT:
        raise BadMessage(f"bad Content-Length: {length!r}")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with an RST: no goodbye, nothing flushed. One that has ended already is left alone."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Upstream:
    """Posts to one server over kept-alive connections."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def post(self, path: str, body: bytes) -> Response:
        """Post once. Never retried: a request may have been carried out although its reply was lost."""
        reader, writer = await self._connection()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            response = await read_response(reader)
        except BaseException:
            writer.transport.abort()
            raise
        if response.keep_alive:
            self._idle.append((reader, writer))
        else:
            writer.close()
        return response

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].transport.abort()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port, limit=_HEAD_LIMIT)
