"""A JSON-RPC proxy that breaks on request: `python -m tests.kit.rpc_proxy --upstream URL --port N --seed S`.

`POST /_faults` switches faults, `GET /_faults` shows them, `GET /_stats` counts, `POST /_stats` counts
anew. Every other POST goes to the node. Faults apply to whole HTTP requests, so a batch stands or falls
together; only stale heads and lying receipts look into each call. "down" resets each request when it
arrives: the port stays open, because the control endpoints live there too.
"""

import argparse
import asyncio
import json
import signal
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from tests.kit.async_http import (
    BadMessage,
    Request,
    Response,
    Upstream,
    encode_response,
    json_response,
    read_request,
    reset,
)
from tests.kit.rpc_faults import BadFault, Faults
from tests.kit.rpc_stale import age_answer, age_call

Call = dict[str, Any]


class CutConnection(Exception):
    """The client gets no answer: the connection is reset."""


class RpcProxy:
    """One proxy in front of one node."""

    def __init__(self, upstream_url: str, seed: str) -> None:
        parts = urlsplit(upstream_url)
        self._upstream = Upstream(parts.hostname or "127.0.0.1", parts.port or 80)
        self._upstream_path = parts.path or "/"
        self._faults = Faults(seed)
        self._methods: Counter[str] = Counter()
        self._requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection."""
        try:
            while request := await read_request(reader):
                writer.write(encode_response(await self._answer(request)))
                await writer.drain()
                if not request.keep_alive:
                    break
        except (CutConnection, BadMessage):
            reset(writer)
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    def close(self) -> None:
        """Let go of the node."""
        self._upstream.close()

    async def _answer(self, request: Request) -> Response:
        if request.path.startswith("/_"):
            return self._control(request)
        if request.method != "POST":
            return json_response({"error": "use POST"}, 405)
        calls = _calls(request.body)
        methods = {str(call.get("method")) for call in calls}
        self._requests += 1
        self._methods.update(str(call.get("method")) for call in calls)
        if not self._faults.current.concerns(methods):
            return await self._forward(request.body)
        return await self._faulty(request.body, calls, methods)

    async def _faulty(self, body: bytes, calls: list[Call], methods: set[str]) -> Response:
        faults, current = self._faults, self._faults.current
        if current.down:
            faults.counts["down"] += 1
            raise CutConnection
        if current.delay_ms:
            faults.counts["delay_ms"] += 1
            await asyncio.sleep(current.delay_ms / 1000)
        if faults.strikes("drop_request", current.drop_request_rate):
            raise CutConnection
        if faults.strikes("rate_429", current.rate_429):
            return _error(429, -32005, "rate limited")
        if current.healthy_but_500 & methods:
            faults.counts["healthy_but_500"] += 1
            return _error(500, -32603, "internal error")
        response = await self._ask(body, calls)
        if faults.strikes("drop_reply", current.drop_reply_rate):
            raise CutConnection
        return response

    async def _ask(self, body: bytes, calls: list[Call]) -> Response:
        current = self._faults.current
        lying = current.lying_receipt.answers or current.lying_receipt.hashes
        if not current.stale_head_by and not lying:
            return await self._forward(body)
        head = await self._old_head() if current.stale_head_by else None
        is_batch = body.lstrip().startswith(b"[")
        if head is not None:
            self._faults.counts["stale_head"] += 1
            calls = [age_call(call, head) for call in calls]
        response = await self._forward(json.dumps(calls if is_batch else calls[0]).encode())
        return self._retold(response, calls, head) if response.status == 200 else response

    def _retold(self, response: Response, calls: list[Call], head: int | None) -> Response:
        told = json.loads(response.body)
        methods = {json.dumps(call.get("id")): str(call.get("method")) for call in calls}
        for answer in told if isinstance(told, list) else [told]:
            method = methods.get(json.dumps(answer.get("id")), "")
            if "result" in answer:
                answer["result"] = self._result(method, answer["result"], head)
        return json_response(told)

    def _result(self, method: str, result: Any, head: int | None) -> Any:
        if head is not None:
            result = age_answer(method, result, head)
        if method == "eth_getTransactionReceipt" and isinstance(result, dict) and self._faults.lies_about(result):
            return None
        return result

    async def _old_head(self) -> int:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        response = await self._forward(json.dumps(question).encode())
        return max(0, int(json.loads(response.body)["result"], 16) - self._faults.current.stale_head_by)

    async def _forward(self, body: bytes) -> Response:
        try:
            return await self._upstream.post(self._upstream_path, body)
        except (OSError, EOFError):
            self._faults.counts["upstream_unreachable"] += 1
            raise CutConnection from None

    def _control(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/_stats":
                return json_response(self._stats())
            case "POST", "/_stats":
                self._methods.clear()
                self._faults.counts.clear()
                self._requests = 0
                return json_response(self._stats())
            case "GET", "/_faults":
                return json_response(self._faults.current.view())
            case "POST", "/_faults":
                return self._set_faults(request.body)
        return json_response({"error": "use GET or POST on /_faults or /_stats"}, 404)

    def _set_faults(self, body: bytes) -> Response:
        try:
            self._faults.update(json.loads(body))
        except ValueError:
            return json_response({"error": "the body is not JSON"}, 400)
        except BadFault as bad:
            return json_response({"error": str(bad)}, 400)
        return json_response(self._faults.current.view())

    def _stats(self) -> dict[str, Any]:
        faults = dict(self._faults.counts)
        return {"http_requests": self._requests, "methods": dict(self._methods), "faults": faults}


def _calls(body: bytes) -> list[Call]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return [{}]
    calls = parsed if isinstance(parsed, list) else [parsed]
    return [call if isinstance(call, dict) else {} for call in calls]


def _error(status: int, code: int, message: str) -> Response:
    return json_response({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}, status)


async def run(*, upstream_url: str, host: str, port: int, seed: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    proxy = RpcProxy(upstream_url, seed)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(proxy.serve, host, port, backlog=1024)
    print(f"RPC proxy on http://{host}:{port} to {upstream_url}, seed {seed}", flush=True)
    await ended.wait()
    server.close()
    proxy.close()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.kit.rpc_proxy", description="A JSON-RPC proxy that breaks.")
    parser.add_argument("--upstream", required=True, help="the node, http://host:port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args()
    asyncio.run(run(upstream_url=given.upstream, host=given.host, port=given.port, seed=given.seed))


if __name__ == "__main__":
    main()
