"""Cases against wallets on a chain, and passes of the job that suspends them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from django.db import transaction

from fiatrails.chains.evm.registry import UserCompliance, read_users
from fiatrails.chains.evm.submitter import lanes
from fiatrails.compliance.models import Case, Suspension
from fiatrails.compliance.sanctions import cases, releases, suspensions
from fiatrails.kernel.conf import ScreeningConfig
from tests.integration.chains.conftest import Rail

FINDING = cases.OpenHit("f" * 64, "SDN:36", "YAN, Xiaobing", "review", "name is 99% like", {"parties": []})


@pytest.fixture
def screening_is_on(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FIATRAILS", replace(settings.FIATRAILS, screening=ScreeningConfig(enabled=True)))


def open_case(rail: Rail, user: str, finding: cases.OpenHit = FINDING) -> Case:
    with transaction.atomic():
        cases.open_for(user, [finding], origin="payment", now=rail.clock.now())
    return Case.objects.filter(user=user).latest("id")


def release_case(rail: Rail, case: Case) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=rail.clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=rail.clock.now())


def step(rail: Rail) -> int:
    """A pass, a tick of every lane, a block."""
    moved = suspensions.settle(pool=rail.pool, now=rail.clock.now())
    lanes.run_lanes(clock=rail.clock, pool=rail.pool, signers=rail.signers, holder=rail.holder)
    rail.mine()
    return moved


def settle(rail: Rail) -> None:
    """Steps until nothing moves any more."""
    rail.until(lambda: step(rail) == 0 and not Suspension.objects.filter(settled_at=None).exists())


def on_chain(rail: Rail, user: str) -> UserCompliance:
    return read_users([user], pool=rail.pool)[user]
