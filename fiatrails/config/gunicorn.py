"""gunicorn's settings: `gunicorn -c python:fiatrails.config.gunicorn fiatrails.config.wsgi:application`.

Threads bound how many requests a worker handles at once, and with that its database connections: workers x threads,
plus one per worker for the group commit.
"""

from __future__ import annotations

import os
import socket

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]
from prometheus_client import multiprocess

from fiatrails.kernel.metrics import process_name

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '3000')}"
worker_class = "fiatrails.config.gunicorn_worker.StickyThreadWorker"
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
threads = int(os.environ.get("GUNICORN_THREADS", "32"))
# A worker whose main loop hangs this long is replaced; requests run on threads and have limits of their own.
timeout = int(os.environ.get("GUNICORN_TIMEOUT", "30"))
# Requests under way may finish; above the 10 s that a callback waits for its COMMIT.
graceful_timeout = 15
keepalive = 75
backlog = 1024
worker_connections = 1000
# Every worker imports the application itself: nothing that must not cross a fork (database connections, threads)
# can be made before it.
preload_app = False
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# Heartbeat files on a disk can stall a worker; shared memory cannot.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True
accesslog = None
errorlog = "-"
logger_class = "fiatrails.config.logging.GunicornLogger"


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Drop the gauges of a worker that ended; its counters stay, or rates would fall."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        name = process_name(socket.gethostname(), worker.pid)
        multiprocess.mark_process_dead(name)  # type: ignore[no-untyped-call]
