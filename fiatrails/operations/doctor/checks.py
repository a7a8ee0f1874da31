"""What a check of the doctor is: one question about a deployment, answered by findings that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import httpx

from fiatrails.chains.core.rpc import Endpoint, NoAnswer, RpcFailed
from fiatrails.kernel.conf import Config

HTTP_TIMEOUT_S = 5.0
# How `Context.rpc` says that there is no result.
NO_RESULT = (NoAnswer, RpcFailed, ValueError)


class Level(StrEnum):
    """How a check ended. Only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding, and what to do next when it is not good."""

    name: str
    level: Level
    message: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks look at."""

    config: Config
    http: httpx.Client
    now: datetime

    def rpc(self, url: str, method: str, *parameters: object) -> str | dict[str, str]:
        """Return one JSON-RPC result; raise one of NO_RESULT when there is none."""
        with Endpoint(url, index=0, timeout_s=HTTP_TIMEOUT_S) as endpoint:
            result: str | dict[str, str] | None = endpoint.call(method, *parameters)
        if result is None:
            raise ValueError(f"{method} has no result")
        return result


Findings = Iterator[CheckResult]


@dataclass(frozen=True, slots=True)
class DeploymentCheck:
    """A named question about a deployment. `run` yields one finding or several; it may raise."""

    name: str
    run: Callable[[Context], Findings]
