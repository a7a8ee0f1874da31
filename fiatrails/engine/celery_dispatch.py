"""The scale-out dispatcher: the same hint, sent through Redis to Celery workers.

A message says only "there is work"; rows say which. The PostgreSQL sweep of `fiatrails worker` runs beside it always,
so losing Redis, or every message in it, costs latency and nothing else.
"""

from __future__ import annotations

import os
import threading

import structlog
from celery import Celery
from django.conf import settings

log = structlog.get_logger(__name__)
TASK = "fiatrails.advance"
HARD_LIMIT_S = 120
# One message per moment is enough: the task it starts works until nothing is due.
COALESCE_S = 0.02
PAUSE_AFTER_ERROR_S = 5.0


def make_app(redis_url: str) -> Celery:
    """Return the Celery application. Late acknowledgement and rejection on a lost worker: a hint is repeated rather
    than lost; the visibility timeout lies above the hard limit, so that a running task is not delivered twice."""
    app = Celery("fiatrails", broker=redis_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        result_backend=None,
        task_time_limit=HARD_LIMIT_S,
        task_soft_time_limit=HARD_LIMIT_S - 20,
        broker_transport_options={
            "visibility_timeout": 2 * HARD_LIMIT_S,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        },
        broker_connection_retry_on_startup=True,
        task_publish_retry=False,
        worker_hijack_root_logger=False,
    )
    return app


class CeleryHint:
    """Callable hint for `wakeup.add_hook`. Never blocks the caller: a thread of its own talks to Redis."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._due = threading.Event()
        self._lock = threading.Lock()
        self._pid = 0

    def __call__(self) -> None:
        self._ensure_thread()
        self._due.set()

    def _ensure_thread(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="celery-hint", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._due.wait()
            self._due.clear()
            try:
                self._app.send_task(TASK, expires=60)
            except Exception as error:  # noqa: BLE001 - kombu raises many kinds; each costs latency only
                log.warning("celery.hint_lost", error=type(error).__name__)
                pause.wait(PAUSE_AFTER_ERROR_S)
            pause.wait(COALESCE_S)


def install() -> None:
    """Add the Celery hint when the deployment asks for it (FIATRAILS_DISPATCH=celery and REDIS_URL)."""
    from fiatrails.engine.wakeup import add_hook

    config = settings.FIATRAILS
    if config.dispatch == "celery" and config.redis_url:
        add_hook(CeleryHint(make_app(config.redis_url)))
