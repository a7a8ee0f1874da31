"""Celery entry point: `celery -A fiatrails.config.celery worker`."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fiatrails.config.settings.production")
django.setup()

from django.db import connection  # noqa: E402 - Django must be set up first

from fiatrails.engine.celery_dispatch import TASK, make_app  # noqa: E402
from fiatrails.engine.database_clock import DatabaseClock  # noqa: E402
from fiatrails.kernel import statements  # noqa: E402
from fiatrails.kernel.clock import SystemClock  # noqa: E402
from fiatrails.kernel.conf import config  # noqa: E402
from fiatrails.kernel.errors import Misconfigured  # noqa: E402
from fiatrails.operations.worker import drain  # noqa: E402

statements.limit_process(statements.PASS_S)
_url = config().redis_url
if _url is None:
    raise Misconfigured("redis_url", "set REDIS_URL to run Celery workers")
app = make_app(_url)
_CLOCK = DatabaseClock(SystemClock())


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def advance() -> int:
    """Work until nothing is due, and return how much was done."""
    try:
        _CLOCK.measure()
        return drain(clock=_CLOCK)
    finally:
        connection.close()
