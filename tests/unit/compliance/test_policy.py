"""Who is cleared, and with what words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.compliance.policy import ZERO_WORD, judge, policy_version
from fiatrails.kernel.profile import Compliance


@dataclass(frozen=True)
class Entry:
    is_registered: bool = True
    is_verified: bool = True
    is_compliant: bool = True
    risk_score: int = 10
    attestation_hash: str = "0x" + "ab" * 32


RULES = Compliance(max_risk_score=50, require_attestation=True, refund_non_compliant_after_s=None)


def test_a_verified_attested_low_risk_user_is_cleared() -> None:
    assert judge(Entry(), RULES).cleared


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_registered": False}, "not_registered"),
        ({"is_verified": False}, "not_verified"),
        ({"risk_score": 51}, "risk_too_high"),
        ({"attestation_hash": ZERO_WORD}, "no_attestation"),
        ({"is_compliant": False}, "contract_refuses"),
    ],
)
def test_each_shortcoming_is_named(change: dict[str, object], code: str) -> None:
    verdict = judge(replace(Entry(), **change), RULES)
    assert (verdict.cleared, verdict.code) == (False, code)
    assert verdict.reason


@given(st.builds(Entry, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 255)))
def test_nobody_whom_the_contract_refuses_is_cleared(entry: Entry) -> None:
    if judge(entry, RULES).cleared:
        assert entry.is_compliant
        assert entry.is_verified
        assert entry.risk_score <= 50


def test_other_rules_are_another_policy() -> None:
    assert policy_version(RULES) != policy_version(RULES.model_copy(update={"require_attestation": False}))
