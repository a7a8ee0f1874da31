"""The rule, pure: what the registry says of a user -> cleared or refused, with a reason a person can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fiatrails.kernel.profile import Compliance

ZERO_WORD = "0x" + "0" * 64


class RegistryEntry(Protocol):
    """What the on-chain registry says of one user (see `chains.evm.registry.UserCompliance`)."""

    @property
    def is_registered(self) -> bool:
        """Return whether the registry has a record."""

    @property
    def is_verified(self) -> bool:
        """Return whether the user's identity was verified."""

    @property
    def is_compliant(self) -> bool:
        """Return the contract's own verdict."""

    @property
    def risk_score(self) -> int:
        """Return 0 to 100, higher is riskier."""

    @property
    def attestation_hash(self) -> str:
        """Return 0x and 64 hex digits; zero when there is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` is stable (metrics, filters); `reason` is for people. `refund`: the rule that refused wants the money to
    go back at once, rather than wait for a person."""

    cleared: bool
    code: str
    reason: str
    refund: bool = False


def judge(entry: RegistryEntry, rules: Compliance) -> Verdict:
    """Clear only when the contract and this deployment's own rules both agree."""
    if not entry.is_registered:
        return Verdict(False, "not_registered", "the user is not in the registry; complete KYC and record it")
    if not entry.is_verified:
        return Verdict(False, "not_verified", "the registry says that the user is not verified")
    if entry.risk_score > rules.max_risk_score:
        return Verdict(
            False,
            "risk_too_high",
            f"risk score {entry.risk_score} is above the limit of {rules.max_risk_score}",
        )
    if rules.require_attestation and entry.attestation_hash == ZERO_WORD:
        return Verdict(False, "no_attestation", "no attestation is recorded for the user")
    if not entry.is_compliant:
        return Verdict(False, "contract_refuses", "the registry contract does not call the user compliant")
    return Verdict(True, "compliant", "verified, attested, and within the risk limit")


def policy_version(rules: Compliance) -> str:
    """Name the rules in force, so that a stored decision says what it was made under."""
    return f"registry-1/max{rules.max_risk_score}/{'attested' if rules.require_attestation else 'open'}"
