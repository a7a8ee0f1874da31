"""Clearances as stored: only what was sealed by us, and is in force, opens the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from fiatrails.chains.evm.registry import UserCompliance
from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
USER = "0x" + "a1" * 20
INTENT = "0x" + "11" * 32
SUBJECT = Subject(INTENT, USER, 10**18)


def entry(*, verified: bool = True) -> UserCompliance:
    return UserCompliance(USER, 10, "0x" + "ab" * 32, 1, verified, verified, True, 7)


def decide(clock: SteppedClock, *, verified: bool = True) -> None:
    clearing.decide([SUBJECT], {USER: entry(verified=verified)}, now=clock.now())


def test_a_clearance_holds_until_it_expires(clock: SteppedClock) -> None:
    decide(clock)
    assert INTENT in clearing.clearances([INTENT], now=clock.now())
    assert clearing.clearances([INTENT], now=clock.now() + timedelta(seconds=301)) == {}


def test_the_last_decision_counts(clock: SteppedClock) -> None:
    decide(clock)
    decide(clock, verified=False)
    assert clearing.clearances([INTENT], now=clock.now()) == {}


def test_a_row_edited_by_hand_clears_nothing(clock: SteppedClock) -> None:
    decide(clock)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE compliance_decision SET amount = amount * 10")
        cursor.execute("SET session_replication_role = DEFAULT")
    assert clearing.clearances([INTENT], now=clock.now()) == {}


def test_a_decision_keeps_what_it_was_made_on(clock: SteppedClock) -> None:
    from fiatrails.compliance.models import Decision

    decide(clock, verified=False)
    row = Decision.objects.get()
    assert row.inputs["is_verified"] is False
    assert row.policy.startswith("registry-1/")
    assert row.reason
