"""Read the fields of Daraja requests, refusing what Daraja refuses."""

import json
import re
from datetime import datetime
from typing import Any

from sandbox.kit.wire import is_url
from sandbox.mpesa.money import cents_of
from sandbox.mpesa.refusals import daraja_refusal, invalid

_MSISDN = re.compile(r"254(7|1)\d{8}")
_LOOPBACK = re.compile(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(/|$)")


class Fields:
    """The JSON body of a request; every reader names the field it refuses."""

    def __init__(self, raw: bytes) -> None:
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise daraja_refusal(400, "400.002.05", "Invalid Request Payload")
        self._body: dict[str, Any] = body

    def text(self, name: str, *, longest: int = 256) -> str:
        """Return a field that must be there; Daraja takes numbers and strings alike."""
        value = self._body.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise invalid(name)
        text = str(value)
        if not text.strip() or len(text) > longest:
            raise invalid(name)
        return text

    def optional(self, name: str) -> str:
        """Return a field that may be missing, as text."""
        return self.text(name) if self._body.get(name) not in (None, "") else ""

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        """Return a field with a closed set of values."""
        value = self.text(name)
        if value not in known:
            raise invalid(name)
        return value

    def whole_amount(self, name: str, *, least: int = 1) -> int:
        """Return a whole number of shillings, in cents."""
        value = self.text(name, longest=12)
        if not re.fullmatch(r"[0-9]+", value) or int(value) < least:
            raise invalid(name)
        return int(value) * 100

    def amount(self, name: str) -> int:
        """Return an amount that may have cents, in cents."""
        cents = cents_of(self.text(name, longest=15))
        if cents is None:
            raise invalid(name)
        return cents

    def msisdn(self, name: str) -> str:
        """Return a Kenyan mobile number: 2547... or 2541..."""
        value = self.text(name)
        if not is_msisdn(value):
            raise invalid(name)
        return value

    def timestamp(self, name: str) -> str:
        """Return a time of the form YYYYMMDDHHmmss."""
        value = self.text(name)
        try:
            datetime.strptime(value, "%Y%m%d%H%M%S")  # noqa: DTZ007 - only the form is checked
        except ValueError:
            raise invalid(name) from None
        if len(value) != 14:
            raise invalid(name)
        return value

    def url(self, name: str) -> str:
        """Return a callback URL: https, or http on this machine."""
        value = self.text(name, longest=2048)
        if not is_url(value) or not (value.startswith("https://") or _LOOPBACK.match(value)):
            raise invalid(name)
        return value


def is_msisdn(value: str) -> bool:
    """Return whether this is a Kenyan mobile number in international form."""
    return _MSISDN.fullmatch(value) is not None
