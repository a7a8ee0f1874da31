"""The payer's own country within the way of a payment: who lives where nobody is served waits, and never mints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings

from fiatrails.compliance.geo import residence
from fiatrails.compliance.geo.countries import country_source
from fiatrails.compliance.models import Decision
from fiatrails.compliance.sanctions import payers
from fiatrails.kernel.conf import GeoConfig
from fiatrails.kernel.profile import Geo
from fiatrails.purchases.models import Purchase
from tests.conftest import SteppedClock
from tests.integration.purchases.conftest import USER
from tests.integration.purchases.stage import Stage, fresh, set_profile, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Restrict = Callable[..., None]


@pytest.fixture
def restrict(configure: Callable[..., None]) -> Restrict:
    def set_rules(*, on: bool = True, **geo: object) -> None:
        profile = settings.FIATRAILS.profile.model_copy(update={"geo": Geo.model_validate(geo)})
        configure(profile=profile, geo=GeoConfig(restricted=on))

    return set_rules


def tell(*countries: str, clock: SteppedClock, name: str = "Jane Wanjiku") -> None:
    payers.record(payers.Identity(name, countries=countries), user=USER, actor="kyc", now=clock.now())


def standing(purchase: Purchase) -> tuple[str, str, str]:
    found = fresh(purchase)
    return found.state, found.hold, found.reason


def last_decision() -> Decision:
    return Decision.objects.latest("id")


def test_a_payer_of_a_country_that_is_not_served_is_held_and_the_decision_can_be_made_again(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict()
    tell("ke", clock=clock)
    purchase = pay_for("G1")
    stage.step()
    assert standing(purchase) == ("held", "not_compliant", "the payer's country KE is not served here")
    decision = last_decision()
    assert (decision.cleared, decision.code) == (False, "payer_country_not_allowed")
    assert decision.inputs["geo"] == {
        "countries": ["KE"],
        "allowed": ["US"],
        "denied": [],
        "unknown": "block",
        "code": "country_not_allowed",
    }
    restrict(on=False)
    again = residence.reproduce(decision.inputs["geo"])
    assert (again.code, again.allowed, again.country) == ("country_not_allowed", False, "KE")


def test_a_payer_of_a_served_country_goes_on(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict(allowedCountries=["US", "KE"])
    tell("KE", "US", clock=clock)
    purchase = pay_for("G1")
    stage.step()
    assert fresh(purchase).state == "cleared"
    assert residence.reproduce(last_decision().inputs["geo"]).allowed


def test_every_country_of_everybody_behind_the_wallet_has_to_be_served(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict()
    tell("US", clock=clock)
    tell("US", "KE", clock=clock, name="John Wanjiku")
    tell(clock=clock, name="Without CountryProfile")
    purchase = pay_for("G1")
    stage.step()
    assert standing(purchase)[1:] == ("not_compliant", "the payer's country KE is not served here")


def test_a_denied_country_is_refused_while_the_restriction_is_off(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict(on=False, deniedCountries=["KP"])
    tell("KP", clock=clock)
    pay_for("G1")
    stage.step()
    assert last_decision().code == "payer_country_denied"


def test_a_payer_of_unknown_country_waits_until_it_is_told_and_then_goes_on_by_itself(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict()
    tell(clock=clock)
    purchase = pay_for("G1")
    stage.step()
    state, hold, reason = standing(purchase)
    assert (state, hold, last_decision().code) == ("held", "not_compliant", "payer_country_unknown")
    assert "fiatrails payer record" in reason
    stage.step(minutes=1)
    assert fresh(purchase).state == "held"
    tell("US", clock=clock)
    stage.step(minutes=1)
    stage.step()
    assert "cleared" in timeline(purchase)


def test_unknown_countries_go_on_where_the_profile_lets_them_through(
    stage: Stage, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict(unknownCountry="allow")
    purchase = pay_for("G1")
    stage.step()
    assert fresh(purchase).state == "cleared"


def test_while_no_country_is_restricted_nobody_is_asked_for_one(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase]
) -> None:
    tell("KP", clock=clock)
    purchase = pay_for("G1")
    stage.step()
    assert fresh(purchase).state == "cleared"
    assert "geo" not in last_decision().inputs


def test_judging_payers_loads_no_data_about_addresses(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict
) -> None:
    restrict()
    tell("US", clock=clock)
    country_source.cache_clear()
    pay_for("G1")
    stage.step()
    assert last_decision().cleared
    assert country_source.cache_info().currsize == 0


def test_the_money_goes_back_when_the_policy_says_so(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], restrict: Restrict,
    configure: Callable[..., None],
) -> None:  # fmt: skip
    restrict()
    set_profile(configure, "compliance", refund_non_compliant_after_s=60)
    tell("KE", clock=clock)
    purchase = pay_for("G1")
    stage.step()
    stage.step(minutes=5)
    assert fresh(purchase).state == "refunding"
