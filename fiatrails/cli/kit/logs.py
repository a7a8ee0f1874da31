"""Logs of what the CLI starts. stdout belongs to answers, so commands log to stderr. Import after `django.setup()`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from pydantic import SecretStr

from fiatrails.kernel import log
from fiatrails.kernel.conf import config


def configure_command() -> None:
    """Log for a one-shot command: what went wrong, for a person; everything with FIATRAILS_DEBUG=1."""
    level = logging.DEBUG if os.environ.get("FIATRAILS_DEBUG") else logging.ERROR
    log.configure(as_json=False, secrets=_secrets(), stream=sys.stderr, level=level)


def configure_server() -> None:
    """Log for a long-running process: one event per line on stdout, as the API logs."""
    log.configure(as_json=config().log_json, secrets=_secrets())


def _secrets() -> Iterator[str]:
    """Everything in the environment that no log line may show, and the parts of URLs that grant access."""
    environment = settings.ENVIRONMENT
    for name in type(environment).model_fields:
        value = getattr(environment, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    yield settings.DATABASES["default"]["PASSWORD"]
    for url in config().profile.rpc_urls:
        parts = urlsplit(url)
        yield from filter(None, (parts.password, parts.path.strip("/"), parts.query))
