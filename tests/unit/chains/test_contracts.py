"""Calldata beside vectors from `cast` (Foundry 1.7.1), answers and reverts."""

from __future__ import annotations

import pytest

from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.errors import SYSTEMIC, error_names, is_systemic, revert_name
from fiatrails.chains.evm.contracts.escrow import BatchItem, Minted, MintEscrow, read_minted
from fiatrails.chains.evm.contracts.identifiers import tx_ref_hash
from fiatrails.chains.evm.contracts.manager import ComplianceManager
from fiatrails.chains.evm.contracts.oracle import SanctionsOracle
from fiatrails.chains.evm.contracts.registry import RegistryRecord, UserRegistry, UserUpdate
from fiatrails.chains.evm.contracts.stablecoin import Stablecoin

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
    item = BatchItem("0x", USER, 10**18, tx_ref_hash("MPESA-1"))
    assert "0x" + MintEscrow.settle_batch([item]).hex() == SETTLE


def test_topics_are_what_cast_makes() -> None:
    executed, skipped = (load("MintEscrow").event(name).topic for name in ("MintExecuted", "MintSkipped"))
    assert executed == "0x9e5413da4c9712f53fd7402bcc0d01a3de57897ab75defc5fbc6e10608224b40"
    assert skipped == "0x07b404fbcf431e10d0a95d5a51b0a69977f2345194d7c8dd918b3ba47a966055"


@pytest.mark.parametrize("answer", ["", "0x", "0x00", "0x" + "ff" * 64, "nonsense"])
def test_an_answer_that_is_none_is_refused(answer: str) -> None:
    escrow, registry = MintEscrow(USER), UserRegistry(USER)
    for read in (escrow.intent_states([]), escrow.get_intent("0x" + "11" * 32), registry.get_user(USER)):
        with pytest.raises(ValueError, match="not an answer"):
            read.decode(answer)


def test_a_user_is_decoded() -> None:
    words = [42, int("ab" * 32, 16), 1700000000, 1]
    record = UserRegistry(USER).get_user(USER).decode("0x" + "".join(f"{word:064x}" for word in words))
    assert record == RegistryRecord(42, "0x" + "ab" * 32, 1700000000, True)


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
    assert revert_name(RpcError(3, "execution reverted", data)) == name
    assert is_systemic(name) is systemic


def test_every_error_that_stops_the_whole_rail_is_one_of_a_contract() -> None:
    assert set(error_names().values()) >= SYSTEMIC


def test_an_update_is_read_as_it_was_written() -> None:
    update = UserUpdate(USER, 42, "0x" + "ab" * 32, True)
    assert UserRegistry.read_update(UserRegistry.update_user(update)) == update


@pytest.mark.parametrize(
    "calldata",
    [b"", MintEscrow.settle_batch([]), UserRegistry.update_user(UserUpdate(USER, 1, "0x" + "ab" * 32, True))[:40]],
)
def test_calldata_of_another_call_is_no_update(calldata: bytes) -> None:
    with pytest.raises(ValueError, match="not a call of updateUser"):
        UserRegistry.read_update(calldata)


def test_a_question_names_contract_call_and_block() -> None:
    asked = Stablecoin(USER).decimals().call()
    assert (asked.method, asked.params) == ("eth_call", ({"to": USER, "data": "0x313ce567"}, "latest"))
    block = {"blockHash": "0x" + "bb" * 32, "requireCanonical": True}
    (question, where) = MintEscrow(USER).paused().call(block).params
    assert (question, where) == ({"to": USER, "data": "0x5c975abb"}, block)


def test_a_role_is_asked_for_by_its_name() -> None:
    (question, _) = MintEscrow(USER).has_role("EXECUTOR_ROLE", USER).call().params
    role = "d8aa0f3194971a2a116679f7c2090f6939c8d4e01a2a8d7e41d55e5351469e63"
    assert question == {"to": USER, "data": f"0x91d14854{role}{'0' * 24}{USER[2:]}"}


@pytest.mark.parametrize(("answer", "yes"), [(f"0x{1:064x}", True), (f"0x{0:064x}", False)])
def test_an_oracle_says_yes_or_no(answer: str, yes: bool) -> None:
    read = SanctionsOracle(USER).is_sanctioned(USER)
    assert read.call().params[0] == {"to": USER, "data": f"0xdf592f7d{'0' * 24}{USER[2:]}"}
    assert read.decode(answer) is yes


@pytest.mark.parametrize("answer", [f"0x{2:064x}", "0x", None, RpcError(3, "execution reverted")])
def test_an_oracle_that_says_neither_is_no_answer(answer: object) -> None:
    with pytest.raises(ValueError, match="isSanctioned"):
        SanctionsOracle(USER).is_sanctioned(USER).decode(answer)


def test_a_proxy_names_its_implementation_and_what_is_none_does_not() -> None:
    read = ComplianceManager(USER).implementation()
    assert read.call().method == "eth_getStorageAt"
    found = read.decode(f"0x{'0' * 24}{USER[2:]}")
    assert found == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert read.decode(f"0x{0:064x}") is None
    with pytest.raises(ValueError, match="slot"):
        read.decode("0x")


def test_a_mint_is_read_from_its_log() -> None:
    intent, reference = "0x" + "1F" * 32, "0x" + "00" * 32
    log = {
        "topics": [
            load("MintEscrow").event("MintExecuted").topic,
            intent,
            f"0x{'0' * 24}{USER[2:].upper()}",
            reference,
        ],
        "data": f"0x{7:064x}{9:064x}",
    }
    assert read_minted(log) == Minted(intent.lower(), USER, 7)
    with pytest.raises(ValueError, match="log"):
        read_minted(log | {"data": "0x07"})


def test_a_value_without_a_place_of_its_own_cannot_be_read() -> None:
    refunded = load("MintEscrow").event("MintRefunded")
    refunded.reader("user", "amount")
    with pytest.raises(KeyError):
        refunded.reader("reason")
