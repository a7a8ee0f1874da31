"""The seal of a clearance holds every letter of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fiatrails.chains.core.clearance import Clearance
from fiatrails.kernel.errors import Forbidden

KEY = b"a test's clearance key"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SOLANA = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV"


def issue(recipient: str) -> Clearance:
    """A clearance that holds for an hour."""
    until = NOW + timedelta(hours=1)
    return Clearance.issue(
        intent_id="0x" + "11" * 32, recipient=recipient, amount=7, issued_at=NOW, expires_at=until, policy="p", key=KEY
    )


def test_what_was_sealed_opens() -> None:
    issue(SOLANA).require_valid(now=NOW, key=KEY)


@pytest.mark.parametrize("other", [SOLANA.lower(), SOLANA.upper(), SOLANA.swapcase()])
def test_another_case_is_another_account(other: str) -> None:
    with pytest.raises(Forbidden, match="seal"):
        replace(issue(SOLANA), recipient=other).require_valid(now=NOW, key=KEY)


def test_a_seal_made_when_case_was_folded_still_opens_for_a_lower_case_recipient() -> None:
    """Vector of the version that folded it: EVM addresses are lower-case in every row."""
    made = issue("0x" + "ab" * 20)
    assert made.seal == "49daa02f1a56442c11c5d1e22508b4f4e1a05cdbd826f8978d12809d7f5afa63"
    made.require_valid(now=NOW, key=KEY)
