"""gunicorn's threaded worker, in which no thread waits for a client.

A thread takes a connection once its whole request has arrived. Until then the main loop collects the bytes, with a
deadline for the head and one for the body: the worker it is made from lets a thread read, and as many clients as there
are threads stop it by sending nothing more. What may still block a thread is an answer that nobody takes, and the
kernel ends that after the same time.

A thread stays with a busy connection. The original hands a kept-alive connection back to its main thread after every
answer: four hand-overs between threads per request, a quarter of all processor time under load (*measured*).
"""

from __future__ import annotations

import os
import select
import selectors
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from fiatrails.config.arriving import Arriving, Progress

# Long enough for the next request of a busy client, short enough not to keep others waiting when every thread stays.
NEXT_REQUEST_WAIT_MS = 10
# Seconds for a request's head, again for its body, and for a client to take some of its answer.
REQUEST_TIMEOUT_S = int(os.environ.get("GUNICORN_REQUEST_TIMEOUT", "10"))
# A closed connection is read on this long, or the client's system would throw away the end of the answer.
_LINGER_S = 2.0
_SWEEP_S = 0.5
_READ_BYTES = 64 * 1024
_INCOMPLETE = object()
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class StickyThreadWorker(ThreadWorker):  # type: ignore[misc]
    """Gives threads complete requests only, and the next one of a connection to the same thread when it comes at once.

    Connections outside the threads: `arriving` ones, whose request is incomplete, and `closing` ones, each with its
    deadline in monotonic seconds and in the order they came.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[Any, float] = {}
        self.closing: dict[Any, float] = {}
        self._swept = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse TLS: this worker reads a request's bytes itself."""
        if cfg.is_ssl:
            raise RuntimeError("TLS ends at a proxy in front of the API: start it without --certfile and --keyfile")
        super().check_config(cfg, log)

    def init_process(self) -> None:
        """Limit how long an answer may wait for its client; connections inherit it from the listening socket."""
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", REQUEST_TIMEOUT_S, 0))
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Take a connection. When there are as many as may be, the one that has been arriving longest ends."""
        super().accept(listener)
        if self.nr_conns >= self.worker_connections and self.arriving:
            self._end(next(iter(self.arriving)))

    # In a thread.

    def handle(self, conn: Any) -> Any:
        """Serve the connection while complete requests come at once.

        True: kept alive and idle; False: to be closed; `_INCOMPLETE`: for the main loop to collect the rest.
        """
        while True:
            if not self._has_arrived(conn):
                return _INCOMPLETE
            if not self._hand_over(conn):
                return False
            kept = super().handle(conn)
            if kept is not True or not self._has_next_request(conn):
                return kept

    def _has_arrived(self, conn: Any) -> bool:
        """Read what is there, without waiting; return whether the request is as complete as it will get."""
        arriving = conn.__dict__.get("request")
        if arriving is None:
            arriving = conn.request = Arriving(time.monotonic())
            if conn.parser is not None and (ahead := conn.parser.unreader.take_buffered()):
                arriving.feed(ahead)
        while not _is_settled(arriving) and (more := _receive(conn)) is not None:
            if not more:
                return True
            arriving.feed(more)
        return _is_settled(arriving)

    def _hand_over(self, conn: Any) -> bool:
        """Give the bytes to gunicorn's parser; return whether there is anything to serve."""
        arriving, conn.request = conn.request, None
        if not arriving.data:
            return False
        if arriving.progress is Progress.TOO_LARGE:
            if arriving.data.find(b"\r\n\r\n") < 0:
                self.handle_error(None, conn.sock, conn.client, LimitRequestHeaders("the head is too long"))
                return False
            # The view refuses it by its declared length; whoever reads on all the same finds the end, not a wait.
            conn.sock.shutdown(socket.SHUT_RD)
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(arriving.data))
        return True

    def _has_next_request(self, conn: Any) -> bool:
        if not self.alive or conn.is_http2 or self.tpool._work_queue.qsize():
            return False
        if conn.parser.unreader.buf.getbuffer().nbytes:
            return True
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        return bool(poll.poll(NEXT_REQUEST_WAIT_MS))

    # In the main loop.

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take a connection back from its thread."""
        result = None if fs.cancelled() or fs.exception() else fs.result()
        if result is _INCOMPLETE:
            self._collect(conn)
        elif result is False:
            self._close_gently(conn)
        else:
            super().finish_request(conn, fs)

    def _collect(self, conn: Any) -> None:
        self._invite_body(conn)
        # Time for the body starts anew, once: a client that sends all of the head gets no more by sending it slowly.
        self.arriving[conn] = conn.request.began + REQUEST_TIMEOUT_S * (1 + (conn.request.progress is Progress.BODY))
        self._watch(conn, self._on_more)

    def _watch(self, conn: Any, callback: Callable[[Any, Any], None]) -> None:
        conn.sock.setblocking(False)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))

    def _on_more(self, conn: Any, _socket: Any) -> None:
        """Collect what came; a thread takes the connection when that was the rest, or the end."""
        more = _receive(conn)
        if more is None:
            return
        before = conn.request.progress
        after = conn.request.feed(more)
        if before is Progress.HEAD and after is Progress.BODY:
            self._invite_body(conn)
            self.arriving[conn] = conn.request.began + 2 * REQUEST_TIMEOUT_S
        if not more or _is_settled(conn.request):
            self.poller.unregister(conn.sock)
            del self.arriving[conn]
            self.enqueue_req(conn)

    def _invite_body(self, conn: Any) -> None:
        if conn.request.take_expectation():
            _send_now(conn, _CONTINUE)

    def _close_gently(self, conn: Any) -> None:
        """Send the end of the answer, and read on until the client closes too or the time is up. The original waits
        for that in the main loop, where it stops every other connection."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self._watch(conn, self._on_rest)
        except (OSError, ValueError):
            self._close(conn)
        else:
            self.closing[conn] = time.monotonic() + _LINGER_S

    def _on_rest(self, conn: Any, _socket: Any) -> None:
        if _receive(conn) == b"":
            self._end(conn)

    def murder_pending(self) -> None:
        """Close connections whose time is up."""
        super().murder_pending()
        now = time.monotonic()
        if now - self._swept < _SWEEP_S:
            return
        self._swept = now
        late = [conn for conn, deadline in self.arriving.items() if deadline <= now]
        if late:
            # Not at the top: this module is imported before workers are forked, and metrics belong to a process.
            from fiatrails.kernel import metrics

            metrics.unfinished_requests.inc(len(late))
            self.log.warning("%d connections closed: their requests did not arrive in time", len(late))
        for conn in late:
            _send_now(conn, _TIMED_OUT)
            self._end(conn)
        for conn in [conn for conn, deadline in self.closing.items() if deadline <= now]:
            self._end(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """Let a stopping worker wait no longer for requests that are arriving than for kept-alive connections."""
        super()._cap_keepalive(deadline)
        self.arriving = {conn: min(until, deadline) for conn, until in self.arriving.items()}

    def _end(self, conn: Any) -> None:
        self.arriving.pop(conn, None)
        self.closing.pop(conn, None)
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()


def _is_settled(arriving: Arriving) -> bool:
    return arriving.progress in (Progress.COMPLETE, Progress.TOO_LARGE)


def _receive(conn: Any) -> bytes | None:
    """Return what has arrived; None when nothing has, empty at the end of the stream or when it broke."""
    try:
        received: bytes = conn.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
    return received


def _send_now(conn: Any, message: bytes) -> None:
    """Send a few bytes if they fit into the socket's buffer: nobody waits for a client here."""
    try:
        conn.sock.send(message, socket.MSG_DONTWAIT)
    except OSError:
        return
