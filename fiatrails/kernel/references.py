"""Payment references (txRef): what a client calls a payment, and what the payer types."""

from __future__ import annotations

import re

from fiatrails.kernel.errors import BadInput

TX_REF = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?", re.ASCII)


def parse_tx_ref(value: object) -> str:
    """Return `value` as a reference: 1-128 printable ASCII characters without blanks at either end; else BadInput."""
    if not isinstance(value, str) or not TX_REF.fullmatch(value):
        raise BadInput("malformed_tx_ref", "txRef must be 1 to 128 printable ASCII characters, no blanks at the ends")
    return value
