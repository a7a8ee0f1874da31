"""Who may take a nonce, how many, and from which lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.db import IntegrityError, transaction
from eth_account import Account

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.evm.signer import SignedTransaction, Signers, TransactionFields, sign_with
from fiatrails.chains.evm.submitter import lanes
from fiatrails.chains.evm.submitter.reservation import reserve
from fiatrails.kernel.errors import Forbidden, Misconfigured
from tests.integration.chains.conftest import KEY, TOKEN, Rail


class MemorySigner:
    """A key in memory."""

    def __init__(self) -> None:
        self._account = Account.create()

    @property
    def address(self) -> str:
        return str(self._account.address).lower()

    def sign_transaction(self, fields: TransactionFields) -> SignedTransaction:
        return sign_with(self._account, fields)


def test_it_runs_in_the_callers_transaction_only(rail: Rail) -> None:
    with pytest.raises(RuntimeError):
        reserve([rail.order(1)], now=rail.clock.now(), clearance_key=KEY)


def test_what_the_caller_rolls_back_was_never_reserved(rail: Rail) -> None:
    before = rail.sql("SELECT next_nonce FROM evm_lane WHERE id = %s", rail.lane_id)
    with transaction.atomic():
        assert reserve([rail.order(1)], now=rail.clock.now(), clearance_key=KEY).accepted
        transaction.set_rollback(True)
    assert rail.sql("SELECT next_nonce FROM evm_lane WHERE id = %s", rail.lane_id) == before
    assert rail.slots() == []


def _with_clearance(rail: Rail, **changes: object) -> object:
    order = rail.order(1)
    fields = {
        "intent_id": order.intent_id,
        "recipient": order.recipient,
        "amount": order.amount,
        "issued_at": rail.clock.now(),
        "expires_at": rail.clock.now() + timedelta(minutes=5),
        "policy": "test",
        "key": KEY,
    }
    return replace(order, clearance=Clearance.issue(**{**fields, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": b"another key"}, "clearance_forged"),
        ({"amount": TOKEN + 1}, "clearance_mismatch"),
        ({"recipient": "0x" + "77" * 20}, "clearance_mismatch"),
        ({"intent_id": "0x" + "77" * 32}, "clearance_mismatch"),
    ],
)
def test_only_a_clearance_of_exactly_this_order_opens_the_way(
    rail: Rail, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(Forbidden) as refused:
        rail.reserve([_with_clearance(rail, **changes)])  # type: ignore[list-item]
    assert refused.value.code == code
    assert rail.slots() == []


def test_an_expired_clearance_opens_nothing(rail: Rail) -> None:
    order = rail.order(1, clear_for_s=5)
    rail.clock.advance(5)
    with pytest.raises(Forbidden, match="clearance_expired"):
        rail.reserve([order])


def test_an_id_that_the_escrow_would_not_compute_is_refused(rail: Rail) -> None:
    order = rail.order(1)
    with pytest.raises(Forbidden, match="intent_id_mismatch"):
        rail.reserve([replace(order, tx_ref_hash="0x" + "77" * 32)])


def test_an_intent_in_a_slot_is_accepted_and_not_reserved_again(rail: Rail) -> None:
    order, other = rail.order(1), rail.order(2)
    rail.reserve([order])
    assert rail.reserve([order, other, other]) == [order.intent_id, other.intent_id]
    assert rail.sql("SELECT count(*) FROM evm_slot_intent") == [(2,)]


def test_the_news_of_an_executed_intent_are_told_again_to_who_orders_it_again(rail: Rail) -> None:
    order = rail.order(1)
    rail.reserve([order])
    rail.finish()
    rail.take_all()
    assert rail.reserve([order]) == [order.intent_id]
    assert [kind for kind, _, _ in rail.take_all()] == ["mined", "executed"]
    assert len(rail.slots()) == 1


def test_the_database_itself_refuses_an_intent_in_two_slots(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.reserve([rail.order(2)])
    with pytest.raises(IntegrityError, match="intent_in_one_slot"):
        rail.sql("UPDATE evm_slot_intent SET intent_id = (SELECT min(intent_id) FROM evm_slot_intent)")


@pytest.mark.parametrize("change", ["UPDATE evm_attempt SET raw = ''", "DELETE FROM evm_attempt"])
def test_the_database_keeps_signed_bytes_as_they_are(rail: Rail, change: str) -> None:
    rail.reserve([rail.order(1)])
    rail.tick()
    rail.sql("DELETE FROM evm_broadcast")
    with pytest.raises(IntegrityError, match=r"append-only|never change"):
        rail.sql(change)


def test_what_does_not_fit_in_flight_stays_with_the_caller(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(in_flight=2, batch_size=10)
    orders = [rail.order(number % 20) for number in range(25)]
    assert rail.reserve(orders) == [order.intent_id for order in orders[:20]]
    assert rail.reserve(orders[20:]) == []
    rail.tick()
    rail.mine()
    rail.tick()  # mined slots make room, final or not
    assert rail.reserve(orders[20:]) == [order.intent_id for order in orders[20:]]
    rail.finish()


def test_an_order_that_goes_alone_shares_its_slot_with_nobody(rail: Rail) -> None:
    rail.reserve([rail.order(1), rail.order(2, alone=True), rail.order(3), rail.order(4, alone=True)])
    sizes = rail.sql("SELECT count(*) FROM evm_slot_intent GROUP BY slot_id ORDER BY slot_id")
    assert sorted(sizes) == [(1,), (1,), (2,)]


def test_batches_spread_over_the_lanes_and_each_keeps_its_own_nonces(
    rail: Rail, adjust_evm: Callable[..., None]
) -> None:
    adjust_evm(batch_size=10)
    second = MemorySigner()
    rail.signers = Signers((*rail.signers.executors, second), rail.signers.officer)
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())
    rail.reserve([rail.order(number % 20) for number in range(60)])
    counts = rail.sql("SELECT lane_id, count(*), max(nonce) - min(nonce) FROM evm_nonce_slot GROUP BY lane_id")
    assert sorted(row[1:] for row in counts) == [(3, 2), (3, 2)]


def test_the_lane_of_a_signer_that_was_taken_out_of_service_gets_nothing_more(rail: Rail) -> None:
    both = Signers((*rail.signers.executors, MemorySigner()), rail.signers.officer)
    lanes.ensure_lanes(signers=both, pool=rail.pool, now=rail.clock.now())
    rail.clock.advance(121)
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())
    for number in range(4):
        rail.reserve([rail.order(number)])
    assert rail.sql("SELECT DISTINCT lane_id FROM evm_nonce_slot") == [(rail.lane_id,)]


def test_without_a_lane_it_says_what_to_do(rail: Rail) -> None:
    rail.sql("DELETE FROM evm_lane")
    with pytest.raises(Misconfigured, match="SIGNER_KEYSTORE"):
        rail.reserve([rail.order(1)])


def test_two_reservations_of_one_intent_do_not_pass_each_other(rail: Rail, settings: object) -> None:
    order = rail.order(1)
    database = settings.DATABASES["default"]  # type: ignore[attr-defined]
    with transaction.atomic():
        reserve([order], now=rail.clock.now(), clearance_key=KEY)
        with (
            psycopg.connect(
                host=database["HOST"],
                port=database["PORT"],
                user=database["USER"],
                password=database["PASSWORD"],
                dbname=rail.sql("SELECT current_database()")[0][0],
            ) as other,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            other.execute("SELECT 1 FROM evm_lane WHERE id = %s FOR UPDATE NOWAIT", [rail.lane_id])
