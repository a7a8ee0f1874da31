"""HTTP on threads: reads a request, finds its handler, applies the API faults, answers."""

import logging
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from sandbox.mpesa.daraja import require_token, spike_arrest
from sandbox.mpesa.faults import Faults
from sandbox.mpesa.replies import Refusal, Reply, Request, control_refusal, daraja_refusal
from sandbox.mpesa.tokens import Tokens

Handler = Callable[[Request], Reply]
Routes = dict[tuple[str, str], Handler]

_CONTROL = "/_sandbox/"
_OAUTH = "/oauth/"
_BODY_LIMIT = 1024 * 1024
_IDLE_S = 60

log = logging.getLogger(__name__)


class ReplyLost(Exception):
    """The work is done, and the connection ends without an answer."""


class Dispatcher:
    """Everything between the wire and a handler."""

    def __init__(self, routes: Routes, faults: Faults, tokens: Tokens) -> None:
        self._routes = routes
        self._faults = faults
        self._tokens = tokens

    def answer(self, request: Request) -> Reply:
        """Answer a request; control endpoints are never hit by faults."""
        try:
            if request.path.startswith(_CONTROL):
                return self._handler(request)(request)
            return self._answer_api(request)
        except Refusal as refusal:
            return refusal.reply

    def _answer_api(self, request: Request) -> Reply:
        time.sleep(self._faults.number("slowMs") / 1000)
        handler = self._handler(request)
        if not request.path.startswith(_OAUTH):
            require_token(self._tokens, request)
        concerned = self._faults.hits_path(request.path)
        if concerned and self._faults.strikes("spikeArrest"):
            raise spike_arrest()
        reply = handler(request)
        if concerned and self._faults.strikes("replyLost"):
            raise ReplyLost
        return reply

    def _handler(self, request: Request) -> Handler:
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return handler
        methods = [method for method, path in self._routes if path == request.path]
        if request.path.startswith(_CONTROL):
            allowed = f"use {' or '.join(methods)}" if methods else "no such control endpoint"
            raise control_refusal(allowed, 405 if methods else 404)
        if methods:
            raise daraja_refusal(405, "405.001", f"{request.method} Method Not Allowed")
        raise daraja_refusal(404, "404.001.01", "Resource not found")


class Server(ThreadingHTTPServer):
    """A server whose threads do not outlive the process."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], dispatcher: Dispatcher) -> None:
        super().__init__(address, _handler_class(dispatcher))

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Keep quiet about clients that went away; failures of handlers are logged where they happen."""
        log.debug("a connection from %s ended badly", client_address, exc_info=True)


class _Connection(BaseHTTPRequestHandler):
    dispatcher: ClassVar[Dispatcher]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        request = Request(self.command, parts.path, query, headers, body)
        try:
            self._send(self.dispatcher.answer(request))
        except ReplyLost:
            self.close_connection = True
        except Exception:
            log.exception("%s %s failed", self.command, parts.path)
            self._send(Reply(500, {"error": "the simulator failed; see its log"}))

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            self._send(Reply(413 if length.isdecimal() else 400, {"error": "bad Content-Length"}))
            return None
        return self.rfile.read(int(length))

    def _send(self, reply: Reply) -> None:
        body = reply.encoded()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _handler_class(dispatcher: Dispatcher) -> type[_Connection]:
    return type("Connection", (_Connection,), {"dispatcher": dispatcher})
