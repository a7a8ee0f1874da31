"""Burns are told from redemptions, and a node that does not know everything is no witness."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.core.supply import Coin, SupplyChange, SupplyKind
from fiatrails.chains.evm.contracts.deployment import CountryContracts, Deployment
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.escrow import Redeemed
from fiatrails.chains.evm.contracts.identifiers import intent_id, tx_ref_hash
from fiatrails.chains.evm.contracts.supply import ChainEvent, Place, changes_of, read
from fiatrails.chains.evm.contracts.token import Burnt
from fiatrails.chains.evm.submitter.finality import final_height
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.profile import Evm

ESCROW, TOKEN, COIN, USER = ("0x" + each * 20 for each in ("e5", "70", "c0", "a1"))
CONTRACTS = Deployment(
    31337, 1, USER, USER, USER, {"KES": CountryContracts("KES", TOKEN, ESCROW, COIN, "KES")}
)  # fmt: skip

# A step of a transaction: whose, how much, of which country, whether it is a redemption, and logs of others before it.
steps = st.lists(
    st.tuples(
        st.sampled_from(["0xa", "0xb"]), st.integers(1, 2), st.sampled_from(["KES", "NGN"]), st.booleans(),
        st.integers(0, 2),
    ),
    max_size=6,
)  # fmt: skip


@given(blocks=st.lists(st.lists(steps, max_size=3), max_size=3))
def test_exactly_the_burns_that_no_redemption_made_are_burns(blocks: Any) -> None:
    """Equal holders and amounts stand in one transaction on purpose."""
    events, redeemed, burned = [], [], []
    for number, transactions in enumerate(blocks):
        index = 0
        for name, each in enumerate(transactions):
            for holder, amount, country, is_redemption, others in each:
                index += others
                if is_redemption:
                    place = Place(number, f"0x{number}{name}", index)
                    events.append(ChainEvent(country, place, Redeemed(holder, amount)))
                    redeemed.append((place, country, holder, amount))
                    index += 1
                place = Place(number, f"0x{number}{name}", index)
                events.append(ChainEvent(country, place, Burnt(holder, amount)))
                if not is_redemption:
                    burned.append((place, country, holder, amount))
                index += 1
    assert told(changes_of(events), SupplyKind.REDEEMED) == keys(redeemed)
    assert told(changes_of(events), SupplyKind.BURNED) == keys(burned)


def told(changes: Sequence[SupplyChange], kind: SupplyKind) -> list[tuple[str, str, str, int]]:
    return [(each.key, each.asset, each.account, each.amount) for each in changes if each.kind is kind]


def keys(expected: Sequence[tuple[Place, str, str, int]]) -> list[tuple[str, str, str, int]]:
    return [(f"{place.transaction}:{place.index}", *rest) for place, *rest in expected]  # type: ignore[misc]


@pytest.mark.parametrize(
    "events",
    [
        [Redeemed("0xa", 1)],
        [Redeemed("0xa", 1), Redeemed("0xa", 1), Burnt("0xa", 1), Burnt("0xa", 1)],
        [Redeemed("0xa", 1), Burnt("0xa", 2)],
        [Redeemed("0xa", 1), Burnt("0xb", 1)],
        [Burnt("0xa", 1), Redeemed("0xa", 1)],
    ],
)
def test_a_redemption_without_its_own_burn_is_no_history(events: Sequence[Redeemed | Burnt]) -> None:
    with pytest.raises(ValueError, match="redemption"):
        changes_of([ChainEvent("KES", Place(1, "0x1", index), what) for index, what in enumerate(events)])


def test_a_burn_in_another_transaction_is_not_the_redemptions() -> None:
    events = [
        ChainEvent("KES", Place(1, "0x1", 0), Redeemed("0xa", 1)),
        ChainEvent("KES", Place(1, "0x2", 1), Burnt("0xa", 1)),
    ]
    with pytest.raises(ValueError, match="without its burn"):
        changes_of(events)


# -- what nodes answer -------------------------------------------------------------------------------------------


def word(value: str | int) -> str:
    return f"0x{value:064x}" if isinstance(value, int) else "0x" + value[2:].rjust(64, "0")


def log(address: str, topic: str, indexed: Sequence[str], *data: str | int, index: int = 0) -> dict[str, Any]:
    return {
        "address": address, "topics": [topic, *map(word, indexed)], "data": "0x" + "".join(word(d)[2:] for d in data),
        "blockHash": word(9), "blockNumber": "0x5", "transactionHash": word(7), "logIndex": hex(index),
    }  # fmt: skip


def minted(payer: str, *, amount: int = 3) -> dict[str, Any]:
    reference = intent_id(chain_id=31337, escrow=ESCROW, payer=payer, tx_ref="TX")
    topic = load("MintEscrow").event("MintExecuted").topic
    return log(ESCROW, topic, [reference, USER, word(1)], amount, tx_ref_hash("TX"))


def burnt(amount: int, *, index: int = 3) -> dict[str, Any]:
    return log(TOKEN, load("CountryToken").event("Transfer").topic, [USER, word(0)], amount, index=index)


class Nodes:
    """A pool whose endpoints answer with what they are given."""

    def __init__(self, *answers: list[Any]) -> None:
        self.answers = list(answers)
        self.has_quorum = len(answers) > 2

    def batch(self, calls: Sequence[Any]) -> list[Any]:
        return self.answers[0]

    def batch_each(self, calls: Sequence[Any]) -> list[list[Any]]:
        return self.answers


HEADER = {"hash": word(9), "number": "0x5"}


def changes(*answers: list[Any]) -> list[SupplyChange]:
    found, _ = read(CONTRACTS, first=5, last=5, pool=cast(RpcPool, Nodes(*answers)))
    return found


def test_a_mint_of_our_own_orders_is_no_change_and_one_for_a_deposit_is() -> None:
    assert changes([[minted(ESCROW)], [], HEADER]) == []
    [change] = changes([[minted(USER)], [], HEADER])
    reference = intent_id(chain_id=31337, escrow=ESCROW, payer=USER, tx_ref="TX")
    assert change == SupplyChange(f"{word(7)}:0", SupplyKind.MINTED, "KES", 3, USER, word(7), 5, reference)


def test_a_coin_that_came_into_use_is_told() -> None:
    changed = log(ESCROW, load("MintEscrow").event("StablecoinChanged").topic, [COIN], 1)
    pool = cast(RpcPool, Nodes([[changed], [], HEADER]))
    assert read(CONTRACTS, first=5, last=5, pool=pool) == ([], [Coin("KES", COIN)])


@pytest.mark.parametrize(
    "answer",
    [
        [[], [], None],
        [RpcError(-32005, "too many logs"), [], HEADER],
        [[], RpcError(-32005, "too many logs"), HEADER],
        [[], [], RpcError(-32000, "header not found")],
        [None, [], HEADER],
        [[{"topics": []}], [], HEADER],
        [[burnt(1)], [], HEADER],
        [[], [minted(USER)], HEADER],
        [[], [burnt(1) | {"address": USER}], HEADER],
    ],
)
def test_a_node_that_does_not_know_everything_is_not_believed(answer: list[Any]) -> None:
    with pytest.raises(OutsideUnknown, match="blocks 5 to 5"):
        changes(answer)


def test_where_three_endpoints_are_configured_two_must_say_the_same() -> None:
    whole, behind, lies = [[], [burnt(4)], HEADER], [[], [], None], [[], [burnt(5)], HEADER]
    assert [each.amount for each in changes(behind, whole, whole)] == [4]
    assert [each.amount for each in changes(lies, whole, whole)] == [4]
    with pytest.raises(OutsideUnknown):
        changes(whole, behind, behind)
    with pytest.raises(OutsideUnknown):
        changes(whole, lies, behind)


def test_fields_that_only_some_nodes_add_do_not_part_them() -> None:
    plain, more = [[], [burnt(4)], HEADER], [[], [burnt(4) | {"blockTimestamp": "0x1"}], HEADER]
    assert len(changes(plain, more, [[], [], None])) == 1


def test_finality_by_depth_and_by_tag() -> None:
    header = {"number": "0x14", "hash": word(1), "parentHash": word(2)}
    pool = cast(RpcPool, SimpleNamespace(has_quorum=False, batch=lambda calls: [header]))
    assert final_height(pool, Evm(finality="depth", confirmations=12)) == 8
    assert final_height(pool, Evm(finality="finalized")) == 20
    none = cast(RpcPool, SimpleNamespace(has_quorum=False, batch=lambda calls: [None]))
    assert final_height(none, Evm(finality="finalized")) == -1
    broken = cast(RpcPool, SimpleNamespace(has_quorum=False, batch=lambda calls: [RpcError(-32601, "no such tag")]))
    with pytest.raises(OutsideUnknown):
        final_height(broken, Evm(finality="finalized"))
