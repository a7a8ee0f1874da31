"""Structured logs: one JSON object per line, without secrets and without phone numbers.

Secrets are masked in the finished line, so it does not matter through which field, message or traceback one came.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from fiatrails.kernel.clock import SystemClock, isoformat

MASK = "[masked]"
# Shorter ones would blank out ordinary words.
_MIN_SECRET_CHARS = 8
_SECRET_FIELDS = re.compile(
    r"secret|password|passkey|token|signature|authorization|credential|private_key", re.IGNORECASE
)
_PHONE_FIELDS = frozenset({"phone", "msisdn", "phone_number"})
# Kenyan mobile numbers, also inside of longer texts. Not inside of hex or of longer numbers.
_PHONE = re.compile(r"(?<![0-9A-Za-z])(\+?254[17][0-9])[0-9]{5}([0-9]{2})(?![0-9A-Za-z])")
_QUIET_LIBRARIES = ("django.request", "httpx", "httpcore", "urllib3", "web3")


def redact_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask fields that are named like a secret, and all but the ends of a phone number."""
    for name, value in event.items():
        if isinstance(value, str | bytes) and _SECRET_FIELDS.search(name):
            event[name] = MASK
        elif name in _PHONE_FIELDS and value:
            event[name] = mask_phone(str(value))
    return event


def mask_phone(phone: str) -> str:
    """Mask a phone number but for its ends: 254712345678 -> 25471*****78."""
    return f"{phone[:5]}{'*' * max(len(phone) - 7, 0)}{phone[-2:]}" if len(phone) > 7 else "*" * len(phone)


def line_redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a processor that masks every given secret (also as JSON writes it) and every phone number in a finished
    line."""
    forms = {
        form for secret in secrets if len(secret) >= _MIN_SECRET_CHARS for form in (secret, json.dumps(secret)[1:-1])
    }
    # The longest first: one secret may begin with another.
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    known = re.compile(pattern) if pattern else None

    def redact(line: str) -> str:
        line = known.sub(MASK, line) if known else line
        return _PHONE.sub(r"\1*****\2", line)

    return redact


def configure(
    *, as_json: bool, secrets: Iterable[str] = (), stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Send structlog and standard logging through the same processors to `stream` (stdout)."""
    redact = line_redactor(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_time,
        structlog.processors.format_exc_info,
        redact_fields,
    ]
    finish = partial(_finish, redact, _renderer(as_json))
    structlog.configure(
        processors=[*shared, finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, finish]
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def _finish(
    redact: Callable[[str], str], render: Processor, logger: WrappedLogger, method: str, event: EventDict
) -> str:
    return redact(str(render(logger, method, event)))


def _renderer(as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(default=_text)
    return structlog.dev.ConsoleRenderer(colors=False)


def _text(value: Any) -> str:
    """Return what JSON cannot write as text. `str` and not `repr`: a SecretStr shows nothing in either."""
    return str(value)


def _add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["at"] = isoformat(_CLOCK.now())
    return event


_CLOCK = SystemClock()
