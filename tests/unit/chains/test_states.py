"""The only moves there are, and that no framework hides in them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fiatrails.chains.evm.submitter.answers import SendOutcome
from fiatrails.chains.evm.submitter.states import (
    AttemptState,
    IntentState,
    SlotState,
    attempt_after_send,
    intent_sources,
    is_published,
    slot_sources,
)


def test_final_is_the_end() -> None:
    assert all("final" not in slot_sources(state) for state in SlotState)
    for ended in ("executed", "released"):
        assert all(ended not in intent_sources(state) for state in IntentState)


def test_only_a_reorganisation_leads_back() -> None:
    assert slot_sources(SlotState.RESERVED) == []
    assert slot_sources(SlotState.PUBLISHED) == ["reserved", "included"]
    assert intent_sources(IntentState.LIVE) == ["mined"]


@pytest.mark.parametrize("outcome", list(SendOutcome))
def test_what_may_have_left_never_counts_as_unsent(outcome: SendOutcome) -> None:
    certainly_here = {SendOutcome.NOT_SENT, SendOutcome.NO_FUNDS, SendOutcome.REFUSED}
    assert is_published(outcome) is (outcome not in certainly_here)
    assert (attempt_after_send(outcome) is AttemptState.SIGNED) is (outcome in certainly_here)


@pytest.mark.parametrize("module", ["states", "fees", "answers", "receipts", "headers"])
def test_the_rules_do_without_django_models(module: str) -> None:
    probe = f"import sys, fiatrails.chains.evm.submitter.{module}; print('django.db.models' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
