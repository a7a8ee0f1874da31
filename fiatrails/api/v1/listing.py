"""A client's intents, newest first, page by page."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from fiatrails.api.shapes import JsonSchema, Parsed, Refusal, RequestShape
from fiatrails.api.v1.fields import Address, Status
from fiatrails.api.v1.mint_intent_shapes import MintIntent, MintIntentPage
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.purchases import queries
from fiatrails.purchases.queries import PurchaseFilter
from fiatrails.purchases.states import State, public_status

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_LIMIT = re.compile(r"[0-9]{1,4}", re.ASCII)
_CURSOR = re.compile(rb"before:([1-9][0-9]{0,17})")
_NOT_A_TIME = Refusal("malformed_time", "{field} must be a time such as 2026-11-01T12:00:00Z")
_TIME: JsonSchema = {"type": "string", "format": "date-time"}


def _limit(text: str) -> int:
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise BadInput("malformed_limit", f"limit must be 1 to {MAX_LIMIT}")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        # An unescaped + in a query string arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError(text)
        # The first and the last day of the calendar do not exist in every time zone.
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _NOT_A_TIME.error() from None


def _row_before(cursor: str) -> int:
    try:
        match = _CURSOR.fullmatch(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise BadInput("malformed_cursor", "cursor must be the nextCursor of a page before")
    return int(match[1])


def _cursor(row: int) -> str:
    return base64.urlsafe_b64encode(b"before:%d" % row).decode()


class MintIntentQuery(RequestShape):
    """Which of the caller's intents; None where nothing is asked."""

    limit: Annotated[
        int,
        Parsed(_limit, {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
        Field(description="Size of a page"),
    ] = DEFAULT_LIMIT
    status: Annotated[Status | None, Field(description="Only these")] = None
    tx_ref: Annotated[
        str | None,
        Parsed(parse_tx_ref, {"type": "string", "minLength": 1, "maxLength": 128}),
        Field(description="Exactly this"),
    ] = None
    user: Annotated[Address | None, Field(description="Exactly this")] = None
    created_after: Annotated[
        datetime | None, Parsed(_moment, _TIME), Field(description="Later than this, with time zone")
    ] = None
    created_before: Annotated[
        datetime | None, Parsed(_moment, _TIME), Field(description="Earlier than this, with time zone")
    ] = None
    # The row that the page before ended with.
    cursor: Annotated[
        int | None, Parsed(_row_before, {"type": "string"}), Field(description="nextCursor of the page before")
    ] = None


def list_intents(query: MintIntentQuery, *, client: str) -> MintIntentPage:
    """Return the page that is asked for."""
    # One more than asked for tells whether there is a next page.
    found = queries.list_purchases(_filter(query, client), limit=query.limit + 1)
    more = len(found) > query.limit
    return MintIntentPage(
        items=[MintIntent.of(purchase) for purchase in found[: query.limit]],
        next_cursor=_cursor(found[query.limit - 1].id) if more else None,
    )


def _filter(query: MintIntentQuery, client: str) -> PurchaseFilter:
    states = [state.value for state in State if public_status(state) == query.status] if query.status else []
    return PurchaseFilter(
        client=client,
        states=states,
        tx_ref=query.tx_ref,
        user=query.user,
        after=query.created_after,
        before=query.created_before,
        below_id=query.cursor,
    )
