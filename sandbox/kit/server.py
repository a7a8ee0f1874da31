"""Serve HTTP on threads."""

import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from sandbox.kit.dispatcher import Dispatcher, ReplyLost
from sandbox.kit.messages import Reply, Request

_BODY_LIMIT = 1024 * 1024
_IDLE_S = 60

log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """A server whose threads do not outlive the process."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], dispatcher: Dispatcher) -> None:
        super().__init__(address, type("Connection", (_Connection,), {"dispatcher": dispatcher}))

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
        body = self._body()
        if body is None:
            return
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        try:
            self._send(self.dispatcher.reply(request))
        except ReplyLost:
            self.close_connection = True
        except Exception:
            log.exception("%s %s failed", self.command, parts.path)
            self._send(Reply(500, {"error": "the simulator failed; see its log"}))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)

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
