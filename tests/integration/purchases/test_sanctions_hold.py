"""Money of a payer who may be listed: held, never minted, never returned by itself, and free once two people say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from fiatrails.compliance.sanctions import checks, payers, releases
from fiatrails.kernel.conf import ScreeningConfig
from fiatrails.kernel.errors import Conflict
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.opening import NewPurchase, create_purchase
from fiatrails.purchases.payments.record import record_payments
from fiatrails.purchases.payments.refunds import refund
from fiatrails.screening.lists import current, store
from fiatrails.screening.lists.formats import read_list
from tests.conftest import SteppedClock
from tests.integration.purchases.conftest import paid
from tests.integration.purchases.stage import Stage, set_profile

pytestmark = pytest.mark.django_db(transaction=True)
USER = "0x" + "b2" * 20
FILES = {"sdn.csv": b'36,"YAN, Xiaobing","individual","SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'}


@pytest.fixture(autouse=True)
def screened(configure: Callable[..., None], clock: SteppedClock) -> Iterator[None]:
    configure(screening=ScreeningConfig(enabled=True))
    _forget()
    store.load(FILES, published=date(2026, 10, 20), actor="test", now=clock.now())
    yield
    _forget()


def _forget() -> None:
    current.forget_cached()
    checks._made = None


def bought(tx_ref: str, payer: str, clock: SteppedClock, *, user: str = USER) -> Purchase:
    """A purchase whose client names the payer, paid."""
    request = NewPurchase(
        user=user, amount=10 * 10**18, country_code="KES", tx_ref=tx_ref, payer=payers.Identity(name=payer)
    )
    purchase = create_purchase(request=request, client="default", now=clock.now())
    record_payments([paid(tx_ref, 10, receipt=f"R{tx_ref}")], now=clock.now())
    return purchase


def fresh(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def test_a_listed_payer_is_held_and_an_ordinary_one_is_cleared(stage: Stage, clock: SteppedClock) -> None:
    listed = bought("L1", "Xiaobing YAN", clock)
    stage.step()
    assert (fresh(listed).state, fresh(listed).hold) == ("held", "sanctions")
    assert "YAN, Xiaobing" in fresh(listed).reason
    ordinary = bought("L2", "Jane Wanjiku", clock, user="0x" + "c3" * 20)
    stage.step()
    assert fresh(ordinary).state == "cleared"


def test_no_policy_and_no_operator_returns_the_money_of_a_listed_payer(
    stage: Stage, clock: SteppedClock, configure: Callable[..., None]
) -> None:
    set_profile(configure, "compliance", refund_non_compliant_after_s=60)
    purchase = bought("L1", "Xiaobing YAN", clock)
    stage.step()
    for _ in range(5):
        stage.step(minutes=10)
    assert fresh(purchase).state == "held"
    with pytest.raises(Conflict, match="listed person"):
        refund(intent_id=purchase.intent_id, actor="ann", reason="asked", now=clock.now())
    done = refund(
        intent_id=purchase.intent_id, actor="ann", reason="blocked account", external_reference="OFAC-77",
        now=clock.now(),
    )  # fmt: skip
    assert done.state == "refunded"


def test_a_released_namesake_goes_on_by_itself(stage: Stage, clock: SteppedClock) -> None:
    purchase = bought("L1", "Xiaobing YAN", clock)
    stage.step()
    entity = read_list(FILES).entities[0]
    asked = releases.request(
        user=USER, target=releases.ReleaseTarget.of(entity), reason="passport seen", actor="ann", now=clock.now()
    )
    stage.step(minutes=1)
    assert fresh(purchase).state == "held"
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    stage.step(minutes=1)
    stage.step()
    assert fresh(purchase).state in ("cleared", "submitting")
