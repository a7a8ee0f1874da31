"""`fiatrails intent` and `fiatrails payments` on a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.conf import Config
from fiatrails.kernel.profile import CountryProfile
from fiatrails.providers.core.models import Payment, ProviderRequest
from fiatrails.purchases.models import Purchase
from tests.functional.cli.conftest import USER, Make, pay
from tests.kit.commands import Run

pytestmark = pytest.mark.django_db(transaction=True)


def test_tokens_and_base_units_create_the_same_intent(run: Run, address_book: Path) -> None:
    one = run("intent", "create", "--user", USER, "--amount", "10.5", "--tx-ref", "A-1", "--json")
    two = run("intent", "create", "--user", USER, "--base-units", "10500000000000000000", "--tx-ref", "A-2", "--json")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert one.document["amount"] == two.document["amount"] == "10500000000000000000"
    assert (one.document["tokens"], one.document["expected"]) == ("10.5", "10.50 KES")
    assert one.document["client"] == "cli"


@pytest.mark.parametrize(
    "amounts", [(), ("--amount", "1", "--base-units", "1"), ("--amount", "1e3"), ("--amount", "0")]
)
def test_an_unclear_amount_changes_nothing(run: Run, address_book: Path, amounts: tuple[str, ...]) -> None:
    outcome = run("intent", "create", "--user", USER, *amounts)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert not Purchase.objects.exists()


def test_a_price_may_differ_by_the_tolerance_and_no_further(
    run: Run, address_book: Path, configure: Callable[..., Config]
) -> None:
    kenya = CountryProfile(country_code="KES", currency="KES", price_tolerance_bps=100)
    configure(profile=settings.FIATRAILS.profile.model_copy(update={"countries": (kenya,)}))
    outcome = run("intent", "create", "--user", USER, "--amount", "10", "--fiat", "10.10", "--json")
    assert outcome.document["expected"] == "10.10 KES"
    refused = run("intent", "create", "--user", USER, "--amount", "10", "--fiat", "1500.50")
    assert refused.code == 2
    assert "fiatAmount is 1500.50 KES, the price is 10.00 KES" in refused.err


def test_a_used_reference_is_a_conflict(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    outcome = run("intent", "create", "--user", USER, "--amount", "10", "--tx-ref", "A-1", "--json")
    assert outcome.code == 4
    assert outcome.document["error"] == "tx_ref_used"
    assert outcome.document["exitCode"] == 4


def test_show_tells_the_whole_story_and_masks_the_phone(run: Run, make_purchase: Make) -> None:
    purchase = make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")
    by_reference = run("intent", "show", "A-1", "--json")
    assert by_reference.document == run("intent", "show", purchase.intent_id, "--json").document
    assert [step["state"] for step in by_reference.document["timeline"]] == ["awaiting_payment", "paid"]
    assert by_reference.document["payments"][0]["phone"] == "2547****678"
    assert by_reference.document["ledger"] == ["payment:mpesa:SGR7XK21QP"]
    table = run("intent", "show", "A-1").out
    assert purchase.intent_id in table
    assert "254712345678" not in table + by_reference.out


@pytest.mark.parametrize("reference", ["NOWHERE", "0x" + "00" * 32])
def test_an_unknown_intent_is_not_found(run: Run, reference: str) -> None:
    assert run("intent", "show", reference).code == 3


def test_a_malformed_id_is_a_usage_error(run: Run) -> None:
    assert run("intent", "show", "0x12").code == 2


def test_list_filters(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    make_purchase("A-2", user="0x" + "b2" * 20)
    pay("A-2", 10, receipt="SGR7XK21QP")

    def references(*filters: str) -> list[str]:
        return [intent["txRef"] for intent in run("intent", "list", *filters, "--json").document["intents"]]

    assert references() == ["A-2", "A-1"]
    assert references("--limit", "1") == ["A-2"]
    assert references("--state", "paid", "--state", "held") == ["A-2"]
    assert references("--user", USER) == ["A-1"]
    assert references("--client", "cli") == []
    assert references("--since", "1 hour ago") == ["A-2", "A-1"]
    assert "A-1" in run("intent", "list").out
    assert run("intent", "list", "--state", "lost").code == 2
    assert run("intent", "list", "--since", "sometime").code == 2


def test_accepting_a_held_intent_asks_first(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 9, receipt="SGR7XK21QP")
    refused = run("intent", "accept", "A-1", "--reason", "written off", answers="n\n")
    assert refused.code == 1
    assert Purchase.objects.get().state == "held"
    accepted = run("intent", "accept", "A-1", "--reason", "written off", "--yes", "--actor", "amina", "--json")
    assert accepted.code == 0
    assert accepted.document["state"] == "paid"
    record = AuditRecord.objects.get(action="intent.accept")
    assert (record.actor, record.details["reason"]) == ("amina", "written off")


def test_accepting_what_is_not_held_is_a_conflict(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    assert run("intent", "accept", "A-1", "--reason", "x", "--yes").code == 4


def test_a_refund_goes_through_the_provider(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 9, receipt="SGR7XK21QP")
    outcome = run("intent", "refund", "A-1", "--reason", "too little", "--yes", "--json")
    assert outcome.document["state"] == "refunding"
    assert ProviderRequest.objects.get().kind == "refund"


def test_a_refund_by_other_means_is_recorded_at_once(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 9, receipt="SGR7XK21QP")
    arguments = ("--reason", "refused", "--external-reference", "BANK-1", "--yes", "--json")
    assert run("intent", "refund", "A-1", *arguments).document["status"] == "refunded"


def test_an_unpaid_intent_is_cancelled_not_refunded(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    assert run("intent", "refund", "A-1", "--reason", "x", "--yes").code == 4
    assert run("intent", "cancel", "A-1", "--reason", "x", "--yes", "--json").document["state"] == "cancelled"
    assert run("intent", "cancel", "A-1", "--reason", "x", "--yes").code == 4


def test_a_reason_is_required(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    assert run("intent", "cancel", "A-1", "--yes").code == 2
    assert Purchase.objects.get().state == "awaiting_payment"


def test_waiting_payments_are_listed_and_given_back(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")
    pay("A-1", 10, receipt="SGR7XK21QQ")
    pay("UNKNOWN", 5, receipt="SGR7XK21QR")
    waiting = run("payments", "list", "--json").document["payments"]
    assert {(p["receipt"], p["state"]) for p in waiting} == {("SGR7XK21QQ", "surplus"), ("SGR7XK21QR", "unmatched")}
    applied = run("payments", "list", "--state", "applied", "--json").document["payments"]
    assert [p["receipt"] for p in applied] == ["SGR7XK21QP"]
    outcome = run("payments", "refund", "sgr7xk21qq", "--reason", "paid twice", "--yes", "--json")
    assert (outcome.code, outcome.document["state"]) == (0, "refunding")
    number = str(Payment.objects.get(receipt="SGR7XK21QR").pk)
    given = run("payments", "refund", number, "--reason", "x", "--external-reference", "BANK-2", "--yes", "--json")
    assert given.document["state"] == "refunded"


def test_money_that_an_intent_holds_is_not_surplus(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")
    assert run("payments", "refund", "SGR7XK21QP", "--reason", "x", "--yes").code == 4
    assert run("payments", "refund", "SGR0000000", "--reason", "x", "--yes").code == 3


def test_an_intent_says_what_it_waits_for(run: Run, make_purchase: Make) -> None:
    make_purchase("A-1")
    pay("A-1", 10, receipt="SGR7XK21QP")
    why = "treasury_short: the treasury holds 3.00, and this mint needs 10.00; send it coins"
    Purchase.objects.update(state="cleared", due_at=None, waits_for="evm:31337 KES", last_error=why)
    (hold,) = run("intent", "show", "A-1", "--json").document["waitsFor"]
    assert (hold["reason"], hold["role"], hold["address"], hold["detail"]) == ("treasury", "country", "KES", why)
    assert "waits for country" in run("intent", "show", "A-1").out
