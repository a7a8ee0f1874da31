"""Lead a request through credentials and faults to its handler, and log what was replied."""

import time

from sandbox.kit.faults import Faults
from sandbox.kit.log import Log
from sandbox.kit.messages import Refusal, Reply, Request, control_refusal
from sandbox.kit.provider import Provider
from sandbox.kit.router import NoRoute, Router, Routes

_CONTROL = "/_sandbox/"
_LOGGED_BODY_LIMIT = 16 * 1024


class ReplyLost(Exception):
    """Raised when the work is done and the connection must end without a reply."""


class Dispatcher:
    """The way of a request from the server to its handler and back."""

    def __init__(self, provider: Provider, controls: Routes, faults: Faults, requests: Log) -> None:
        self._provider = provider
        self._api = Router(provider.routes())
        self._controls = Router(controls)
        self._faults = faults
        self._requests = requests

    def reply(self, request: Request) -> Reply:
        """Return the reply to a request; raise ReplyLost to cut the connection. Faults spare control endpoints."""
        if request.path.startswith(_CONTROL):
            return self._reply_control(request)
        asked_at = time.time()
        try:
            reply, is_lost = self._reply_api(request)
        except Refusal as refusal:
            reply, is_lost = refusal.reply, False
        except Exception:
            self._log(request, asked_at, "failed", Reply(500))
            raise
        self._log(request, asked_at, "lost" if is_lost else "answered", reply)
        if is_lost:
            raise ReplyLost
        return reply

    def _reply_control(self, request: Request) -> Reply:
        try:
            handler, found = self._controls.find(request)
            return handler(found)
        except Refusal as refusal:
            return refusal.reply
        except NoRoute as unknown:
            if unknown.methods:
                return control_refusal(f"use {' or '.join(unknown.methods)}", 405).reply
            return control_refusal("no such control endpoint", 404).reply

    def _reply_api(self, request: Request) -> tuple[Reply, bool]:
        time.sleep(self._faults.number("slowMs") / 1000)
        try:
            handler, found = self._api.find(request)
        except NoRoute as unknown:
            raise self._provider.no_route(request, unknown.methods) from None
        self._provider.authorize(found)
        concerned = self._faults.hits_path(found.path)
        for name, error in self._provider.errors().items():
            if concerned and self._faults.strikes(name):
                raise error()
        reply = handler(found)
        return reply, concerned and self._faults.strikes("replyLost")

    def _log(self, request: Request, asked_at: float, outcome: str, reply: Reply) -> None:
        self._requests.add(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "body": request.body[:_LOGGED_BODY_LIMIT].decode(errors="replace"),
                "outcome": outcome,
                "at": asked_at,
                "httpStatus": reply.status,
                "reply": reply.payload,
            }
        )
