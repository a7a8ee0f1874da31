"""Calldata beside vectors from `cast` (Foundry 1.7.1), answers and reverts."""

from __future__ import annotations

import pytest

from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts import abi
from fiatrails.chains.evm.contracts.identifiers import tx_ref_hash

USER = "0x5FbDB2315678afecb367f032d93F642f64180aa3".lower()
SETTLE = (
    "0x58c22199"
    "0000000000000000000000000000000000000000000000000000000000000020"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000005fbdb2315678afecb367f032d93f642f64180aa3"
    "0000000000000000000000000000000000000000000000000de0b6b3a7640000"
    "e296825f74d75bc032586987198429471fe70ba03d4c3188c9149da2433802a8"
)


def test_calldata_of_a_batch_is_what_cast_makes() -> None:
    item = abi.Item("0x", USER, 10**18, tx_ref_hash("MPESA-1"))
    assert "0x" + abi.settle_batch([item]).hex() == SETTLE


def test_topics_are_what_cast_makes() -> None:
    assert abi.MINT_EXECUTED == "0x9e5413da4c9712f53fd7402bcc0d01a3de57897ab75defc5fbc6e10608224b40"
    assert abi.MINT_SKIPPED == "0x07b404fbcf431e10d0a95d5a51b0a69977f2345194d7c8dd918b3ba47a966055"


@pytest.mark.parametrize("answer", ["", "0x", "0x00", "0x" + "ff" * 64, "nonsense"])
def test_an_answer_that_is_none_is_refused(answer: str) -> None:
    for decode in (abi.decode_intent_states, abi.decode_intent, abi.decode_user):
        with pytest.raises(ValueError, match="not an answer"):
            decode(answer)


def test_a_user_is_decoded() -> None:
    words = [42, int("ab" * 32, 16), 1700000000, 1]
    record = abi.decode_user("0x" + "".join(f"{word:064x}" for word in words))
    assert record == abi.RegistryRecord(42, "0x" + "ab" * 32, 1700000000, True)


@pytest.mark.parametrize(
    ("data", "name", "systemic"),
    [
        ("0x729e4c40", "SystemPaused", True),
        ("0xd93c0665", "EnforcedPause", True),
        ("0xc33738c4", "InvalidRiskScore", False),
        (
            "0x08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000c6e6f2073756368206c75636b0000000000000000000000000000000000000000",
            "no such luck",
            False,
        ),
        ("0xdeadbeef00", "0xdeadbeef", False),
        ("0x08c379a0ff", "reverted", False),
        ("", "reverted", False),
    ],
)
def test_a_revert_has_a_short_stable_name(data: str, name: str, systemic: bool) -> None:
    assert abi.revert_name(RpcError(3, "execution reverted", data)) == name
    assert abi.is_systemic(name) is systemic
