"""What may stand behind a token, and what nobody may be minted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.contracts.deployment import CountryContracts
from fiatrails.chains.evm.contracts.stablecoin import Backing, CoinFacts, fault_of, read_backings
from fiatrails.kernel.errors import OutsideUnknown

COIN, OTHER, ESCROW = ("0x" + digit * 40 for digit in "abc")
KENYA = CountryContracts("KES", "0x" + "d" * 40, ESCROW, COIN, "KES")
SOUND = Backing(KENYA, CoinFacts(18, "KES"), COIN)
REVERTED = RpcError(3, "execution reverted")


def test_a_coin_of_the_wanted_currency_is_sound() -> None:
    assert fault_of(SOUND, "KES") is None


def test_a_coin_that_does_not_say_its_currency_is_what_the_book_says() -> None:
    silent = replace(SOUND, coin=CoinFacts(18, None))
    assert fault_of(silent, "KES") is None
    fault = fault_of(silent, "USD")
    assert fault is not None
    assert fault.code == "stablecoin_currency"


@pytest.mark.parametrize(
    ("backing", "wanted", "code", "sides"),
    [
        (replace(SOUND, coin=CoinFacts(6, "KES")), "KES", "stablecoin_decimals", ("6 decimals", "18")),
        (replace(SOUND, coin=CoinFacts(None, None)), "KES", "stablecoin_decimals", ("does not answer", "18")),
        (replace(SOUND, coin=CoinFacts(18, "USD")), "KES", "stablecoin_currency", ("USD", "KES", COIN)),
        (replace(SOUND, coin=CoinFacts(18, "")), "KES", "stablecoin_currency", ("''", "KES")),
        (SOUND, "USD", "stablecoin_currency", ("KES", "USD")),
        (
            replace(SOUND, coin=CoinFacts(18, None), recorded=replace(KENYA, stablecoin_currency="USD")),
            "KES",
            "stablecoin_currency",
            ("address book", "USD", "KES"),
        ),
        (
            replace(SOUND, recorded=replace(KENYA, stablecoin_currency="")),
            "KES",
            "stablecoin_unrecorded",
            ("stablecoinCurrency", "KES"),
        ),
        (replace(SOUND, in_escrow=OTHER), "KES", "stablecoin_escrow", (OTHER, COIN)),
        (replace(SOUND, in_escrow=None), "KES", "stablecoin_escrow", ("nothing that answers", COIN)),
    ],
)
def test_what_is_wrong_is_said_with_both_sides_and_a_next_step(
    backing: Backing, wanted: str, code: str, sides: Sequence[str]
) -> None:
    fault = fault_of(backing, wanted)
    assert fault is not None
    assert fault.code == code
    what, _, next_step = fault.message.partition("; ")
    assert [side for side in sides if side not in fault.message] == []
    assert what
    assert next_step


class Node:
    """A pool that answers decimals, currency and the escrow's coin, in the order in which they are asked."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def batch(self, calls: Sequence[Call]) -> list[object]:
        """The next answer to each call."""
        return [self._answers.pop(0) for _ in calls]


def word(number: int) -> str:
    return f"0x{number:064x}"


LETTERS = "0x" + f"{32:064x}{3:064x}" + b"KES".ljust(32, b"\0").hex()


@pytest.mark.parametrize(
    ("answers", "coin", "in_escrow"),
    [
        ((word(18), LETTERS, word(int(COIN, 16))), CoinFacts(18, "KES"), COIN),
        ((word(18), REVERTED, REVERTED), CoinFacts(18, None), None),
        ((word(18), "0x", "0x"), CoinFacts(18, None), None),
        ((word(18), word(7), word(int(COIN, 16))), CoinFacts(18, None), COIN),
        ((REVERTED, LETTERS, word(int(COIN, 16))), CoinFacts(None, "KES"), COIN),
    ],
)
def test_what_the_chain_says_is_read(answers: Sequence[object], coin: CoinFacts, in_escrow: str | None) -> None:
    assert read_backings([KENYA], pool=Node(*answers)) == (Backing(KENYA, coin, in_escrow),)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_node_that_refuses_to_say_is_unknown_and_no_match(place: int) -> None:
    answers: list[object] = [word(18), LETTERS, word(int(COIN, 16))]
    answers[place] = RpcError(-32005, "limit exceeded")
    with pytest.raises(OutsideUnknown):
        read_backings([KENYA], pool=Node(*answers))  # type: ignore[arg-type]
