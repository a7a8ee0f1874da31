"""`fiatrails worker` and `fiatrails api`: the two long-running processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from fiatrails.cli.kit import environment, runtime

_APPLICATION = "fiatrails.config.wsgi:application"
_SETTINGS = "python:fiatrails.config.gunicorn"


def worker() -> None:
    """Run a worker: every loop that moves money, until SIGTERM or Ctrl-C. Any number may run.

    It finishes the step in hand; a killed one loses nothing, another takes over when its leases end. With
    METRICS_PORT it serves its own /metrics, on METRICS_HOST.

    \b
    Examples:
      fiatrails worker
      METRICS_PORT=9100 fiatrails worker
    """
    runtime.setup(server=True)
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.kernel.conf import config
    from fiatrails.operations.exposition import serve_metrics
    from fiatrails.operations.worker import run

    if (port := config().metrics_port) is not None:
        serve_metrics(host=config().metrics_host, port=port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(clock=SystemClock(), stop=stop)


def api(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[GUNICORN OPTIONS]", help="Passed on.")] = None,
) -> None:
    """Serve the HTTP API with gunicorn (HOST, PORT, GUNICORN_WORKERS, _THREADS, _TIMEOUT); replaces this process.

    \b
    Examples:
      fiatrails api
      PORT=3001 GUNICORN_WORKERS=4 fiatrails api -- --access-logfile -
    """
    environment.prepare()
    command = [sys.executable, "-m", "gunicorn", "-c", _SETTINGS, *(arguments or ()), _APPLICATION]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell
