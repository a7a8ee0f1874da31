"""An HTTP server that keeps what it is sent and answers what it is told: the other end of any callback."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


Answer = Callable[[Received], tuple[int, Any]]


class Receiver:
    """What arrived so far, and how the next request is answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answer: Answer = lambda _: (200, {"ResultCode": 0, "ResultDesc": "Accepted"})
        self._received: list[Received] = []
        self._arrival = threading.Condition()

    def take(self, received: Received) -> tuple[int, Any]:
        """Keep a request and decide its answer."""
        with self._arrival:
            self._received.append(received)
            self._arrival.notify_all()
        return self.answer(received)

    def all(self, path: str) -> list[Received]:
        """Return what arrived at a path."""
        with self._arrival:
            return [received for received in self._received if received.path == path]

    def wait(self, path: str, count: int = 1, timeout_s: float = 10) -> list[Received]:
        """Return what arrived at a path once there are `count`; fail when they do not come."""
        deadline = time.monotonic() + timeout_s
        with self._arrival:
            while len(found := [r for r in self._received if r.path == path]) < count:
                if not self._arrival.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(found)} of {count} requests arrived at {path}")
            return found


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, payload = receiver.take(Received(self.path, headers, self.rfile.read(length), time.time()))
            body = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: what matters is in the receiver."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
