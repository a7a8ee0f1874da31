"""Signatures and their freshness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import Unauthorized
from fiatrails.kernel.signatures import matching_key, require_fresh, sign

KEYS = [("old", b"old secret"), ("new", b"new secret")]


@given(message=st.binary(max_size=200))
def test_each_valid_key_is_recognised_by_name(message: bytes) -> None:
    assert [matching_key(KEYS, message, sign(secret, message)) for _, secret in KEYS] == ["old", "new"]


@given(message=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_signature_is_for_one_message_only(message: bytes, other: bytes) -> None:
    if message != other:
        assert matching_key(KEYS, other, sign(b"old secret", message)) is None


@given(signature=st.text(max_size=80))
def test_any_text_is_a_signature_or_none(signature: str) -> None:
    assert matching_key(KEYS, b"message", signature) is None


@pytest.mark.parametrize("off", [-301, 301, 10**6, -(10**6)])
def test_a_stale_time_is_refused_on_either_side(off: int) -> None:
    with pytest.raises(Unauthorized):
        require_fresh(1_000_000_000 + off, 1_000_000_000, 300)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_a_time_at_the_edge_of_the_window_passes(off: int) -> None:
    require_fresh(1_000_000_000 + off, 1_000_000_000, 300)
