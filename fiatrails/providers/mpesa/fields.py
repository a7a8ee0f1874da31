"""Reading what others sent: JSON objects and the fields that M-PESA bodies share. Nothing but BadInput is raised."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money, parse_money

# East Africa Time has no summer time; Daraja writes local times without an offset.
EAT = timezone(timedelta(hours=3), "EAT")
RECEIPT = re.compile(r"[A-Za-z0-9-]{4,64}", re.ASCII)
_LOCAL_TIME = re.compile(r"[0-9]{14}", re.ASCII)
# "J*** D**", "XXXX DOE": M-PESA hides names in one form, gateways in another.
_MASKED = re.compile(r"[*#\u2022\u25cf\u2588\ufffd]|\b[xX]{2,}\b")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)


def json_object(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object in `raw`; numbers with a point come as Decimal."""
    try:
        body = json.loads(
            raw.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repetition,
        )
    except (ValueError, ArithmeticError, RecursionError):
        raise BadInput("malformed_json", "the body must be a JSON object in UTF-8") from None
    return mapping(body, "the body")


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """`value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise BadInput("malformed_json", f"{field} must be a JSON object in UTF-8")
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two amounts under one name two readers may take different ones, so nobody gets to read either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found


def amount(value: object, currency: str) -> Money:
    """Return a positive amount, from a number or text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise BadInput("malformed_amount", f"amount must be what was paid, in {currency}, such as 1500 or 1500.00")
    # 1e999999999 is a short number with a gigabyte of digits: its magnitude is checked before it is written out.
    if isinstance(value, Decimal) and not -18 <= value.adjusted() <= 15:
        raise BadInput("amount_out_of_range", "amount is out of range")
    if isinstance(value, int) and abs(value) >= 10**18:
        raise BadInput("amount_out_of_range", "amount is out of range")
    money = parse_money(format(value, "f") if isinstance(value, Decimal) else str(value), currency)
    if money.minor == 0:
        raise BadInput("zero_amount", "amount must be positive")
    return money


def receipt(value: object, field: str) -> str:
    """Return an M-PESA receipt number, upper case."""
    if not isinstance(value, str) or not RECEIPT.fullmatch(value):
        raise BadInput("malformed_receipt", f"{field} must be 4 to 64 letters, digits or dashes")
    return value.upper()


def code(value: object) -> str:
    """Return a result code as text; Daraja sends numbers and strings for the same thing."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9 else value
    if not isinstance(text, str) or not _CODE.fullmatch(text.strip()):
        raise BadInput("malformed_code", "the result code must be a number or a short word")
    return text.strip()


def words(value: object, limit: int = 200) -> str:
    """Return free text or a number made harmless: printable ASCII, one line, cut at `limit`. Anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    if isinstance(value, int) and abs(value) >= 10**36:
        return ""
    if isinstance(value, Decimal):
        # Without the exponent: this may be an amount.
        value = format(value, "f") if -36 < value.adjusted() < 36 else ""
    text = value if isinstance(value, str) else str(value)
    return "".join(c if " " <= c <= "~" else " " for c in text[: 4 * limit]).strip()[:limit]


def payer_name(*parts: object) -> str:
    """Return one line of the parts of a name: letters of any script kept, blanks made one, marks without a shape left
    out; at most 100 characters of each part. Empty when no letter is left, and when any part is masked: half a name
    would be screened as if it were a whole one."""
    texts = [part[:100] for part in parts if isinstance(part, str)]
    if any(_MASKED.search(text) for text in texts):
        return ""
    plain = " ".join("".join(map(_shown, " ".join(texts))).split())
    return plain if any(character.isalpha() for character in plain) else ""


def _shown(character: str) -> str:
    """Return the character as it is kept: a control becomes a blank, and so does half of a surrogate pair, which JSON
    can carry and PostgreSQL cannot."""
    category = unicodedata.category(character)
    return "" if category == "Cf" else " " if category.startswith("C") else character


def local_time(value: object) -> datetime | None:
    """Return YYYYMMDDHHmmss of East Africa Time as UTC; None when it is something else: no decision hangs on it."""
    text = words(value, 14)
    if not _LOCAL_TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=EAT).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
