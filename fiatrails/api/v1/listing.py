"""A client's intents, newest first, page by page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.purchases import queries
from fiatrails.purchases.models import Intent
from fiatrails.purchases.queries import IntentFilter
from fiatrails.purchases.states import State, public_status

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
STATUSES = ("pending", "executed", "refunded", "failed")
_LIMIT = re.compile(r"[0-9]{1,4}", re.ASCII)
_CURSOR = re.compile(rb"before:([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Page:
    """Some intents, and the cursor of those that follow; None at the end."""

    intents: list[Intent]
    next_cursor: str | None


def list_intents(parameters: Mapping[str, str], *, client: str) -> Page:
    """The page that the query parameters ask for; BadInput names the one that is malformed."""
    limit = _limit(parameters.get("limit"))
    # One more than asked for tells whether there is a next page.
    found = queries.list_intents(_filter(parameters, client), limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], _encode(found[limit - 1].id) if more else None)


def _filter(parameters: Mapping[str, str], client: str) -> IntentFilter:
    return IntentFilter(
        client=client,
        states=_states(parameters["status"]) if "status" in parameters else (),
        tx_ref=parse_tx_ref(parameters["txRef"]) if "txRef" in parameters else None,
        user=parse_address(parameters["user"], field="user") if "user" in parameters else None,
        after=_moment(parameters["createdAfter"], "createdAfter") if "createdAfter" in parameters else None,
        before=_moment(parameters["createdBefore"], "createdBefore") if "createdBefore" in parameters else None,
        below_id=_decode(parameters["cursor"]) if "cursor" in parameters else None,
    )


def _states(status: str) -> list[str]:
    if status not in STATUSES:
        raise BadInput("malformed_status", f"status must be one of {', '.join(STATUSES)}")
    return [state.value for state in State if public_status(state) == status]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise BadInput("malformed_limit", f"limit must be 1 to {MAX_LIMIT}")
    return int(text)


def _moment(text: str, name: str) -> datetime:
    try:
        # An unescaped + in a query string arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError(text)
        # The first and the last day of the calendar do not exist in every time zone.
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("malformed_time", f"{name} must be a time such as 2026-11-01T12:00:00Z") from None
    return in_utc


def _encode(pk: int) -> str:
    return base64.urlsafe_b64encode(b"before:%d" % pk).decode()


def _decode(cursor: str) -> int:
    try:
        match = _CURSOR.fullmatch(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise BadInput("malformed_cursor", "cursor must be the nextCursor of a page before")
    return int(match[1])
