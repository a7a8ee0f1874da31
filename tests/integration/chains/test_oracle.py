"""An on-chain sanctions oracle as a second opinion: its yes is a hit, its silence clears nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.conf import settings

from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from fiatrails.compliance.models import Case, Decision
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.sanctions import oracle, releases
from fiatrails.kernel.conf import ScreeningConfig
from fiatrails.kernel.errors import OutsideUnknown
from tests.integration.chains.conftest import Rail
from tests.integration.compliance.sanctions_kit import forget

ORACLE = "0x" + "0c" * 20
INTENT = "0x" + "11" * 32


@pytest.fixture(autouse=True)
def with_oracle(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Screening on, and a contract that calls one address sanctioned."""
    current = settings.FIATRAILS
    screening = current.profile.screening.model_copy(update={"oracle": ORACLE})
    profile = current.profile.model_copy(update={"screening": screening})
    on = replace(current, screening=ScreeningConfig(enabled=True), profile=profile)
    monkeypatch.setattr(settings, "FIATRAILS", on)
    forget()

    def sanction(address: str) -> None:
        # PUSH20 address, the argument, EQ, return it as one word.
        rail.rpc("anvil_setCode", ORACLE, f"0x73{address[2:]}6004351460005260206000f3")

    return sanction


def decide(rail: Rail, user: str) -> Verdict:
    subject = Subject(INTENT, user, 10**18)
    now = rail.clock.now()
    entries = clearing.look_up([subject], pool=rail.pool)
    screened = clearing.screen_payers([subject], pool=rail.pool, now=now)
    return clearing.decide([subject], entries, now=now, screened=screened)[INTENT]


def test_a_wallet_that_the_oracle_names_is_held_and_another_is_not(
    rail: Rail, with_oracle: Callable[[str], None]
) -> None:
    with_oracle(rail.user(1))
    verdict = decide(rail, rail.user(1))
    assert (verdict.cleared, verdict.code) == (False, "sanctions_listed")
    assert ORACLE in verdict.reason
    assert (Case.objects.get().entity_uid, Case.objects.get().band) == (oracle.UID, "block")
    assert decide(rail, rail.user(2)).cleared
    assert Decision.objects.latest("id").inputs["screening"]["oracle"] == {"address": ORACLE, "sanctioned": False}


def test_two_people_may_overrule_the_oracle(rail: Rail, with_oracle: Callable[[str], None]) -> None:
    with_oracle(rail.user(1))
    decide(rail, rail.user(1))
    case = Case.objects.get()
    asked = releases.request_for_case(case_id=case.id, reason="see letter", actor="ann", now=rail.clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=rail.clock.now())
    assert decide(rail, rail.user(1)).cleared


def test_an_oracle_that_is_not_there_clears_nobody(rail: Rail) -> None:
    rail.rpc("anvil_setCode", ORACLE, "0x")
    with pytest.raises(OutsideUnknown, match=r"screening\.oracle"):
        decide(rail, rail.user(1))
    assert not Decision.objects.exists()
