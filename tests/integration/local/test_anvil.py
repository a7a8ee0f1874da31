"""The local chain keeps what it mined, and mines only by the clock or when told to."""

import json
import time
from pathlib import Path

import pytest

from fiatrails.local.anvil import Anvil
from fiatrails.local.keystores import DEPLOYER, PAYER, dev_address
from tests.kit.ports import free_port
from tests.kit.services import AnvilFactory


def transfer(chain: Anvil) -> str:
    order = {"from": dev_address(DEPLOYER), "to": dev_address(PAYER), "value": "0x1"}
    return chain.rpc("eth_sendTransaction", order)


def wait_for_blocks(chain: Anvil, count: int) -> None:
    wanted = chain.block_number() + count
    while chain.block_number() < wanted:
        time.sleep(0.05)


def stored_chain(tmp_path: Path, port: int | None = None) -> Anvil:
    return Anvil(port or free_port(), block_time=1, state_path=tmp_path / "state.json", log_path=tmp_path / "anvil.log")


def test_blocks_balances_and_nonces_survive_a_stop(tmp_path: Path) -> None:
    chain = stored_chain(tmp_path)
    with chain:
        transfer(chain)
        wait_for_blocks(chain, 2)
        first = chain.rpc("eth_getBlockByNumber", "0x1", False)
        height = chain.block_number()
    with chain:
        assert chain.rpc("eth_getBlockByNumber", "0x1", False) == first
        assert chain.block_number() >= height
        assert int(chain.rpc("eth_getTransactionCount", dev_address(DEPLOYER), "latest"), 16) == 1


def test_a_kill_loses_no_finalized_block(tmp_path: Path) -> None:
    chain = stored_chain(tmp_path)
    chain.start()
    wait_for_blocks(chain, 4)
    height = chain.block_number()
    final = chain.rpc("eth_getBlockByNumber", hex(height - 2), False)
    chain.kill()
    with chain:
        assert chain.block_number() >= height - 2
        assert chain.rpc("eth_getBlockByNumber", hex(height - 2), False) == final


def test_a_state_file_that_a_kill_cut_short_is_replaced_by_the_last_whole_one(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    chain = stored_chain(tmp_path)
    with chain:
        transfer(chain)
        wait_for_blocks(chain, 2)
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    with chain:
        assert int(chain.rpc("eth_getTransactionCount", dev_address(DEPLOYER), "latest"), 16) == 1
    assert json.loads(state.read_bytes())


def test_without_a_block_time_nothing_is_mined_by_itself(anvil_factory: AnvilFactory) -> None:
    chain = anvil_factory(block_time=None)
    transfer(chain)
    time.sleep(1.2)
    assert chain.block_number() == 0
    chain.rpc("evm_mine")
    assert chain.block_number() == 1


def test_finality_is_two_blocks_behind(anvil_factory: AnvilFactory) -> None:
    chain = anvil_factory(block_time=None)
    for _ in range(5):
        chain.rpc("evm_mine")
    assert "'number': '0x3'" in chain.rpc("eth_getBlockByNumber", "finalized", False)


def test_a_chain_with_another_id_is_not_taken_for_ours(anvil_factory: AnvilFactory) -> None:
    chain = anvil_factory(chain_id=4242)
    assert chain.is_ready()
    assert not Anvil(chain.port).is_ready()


def test_two_chains_do_not_share_blocks(anvil_factory: AnvilFactory) -> None:
    one, other = anvil_factory(block_time=None), anvil_factory(block_time=None)
    one.rpc("evm_mine")
    assert (one.block_number(), other.block_number()) == (1, 0)


def test_an_error_of_the_chain_is_raised(anvil_factory: AnvilFactory) -> None:
    with pytest.raises(ValueError, match="no_such_method"):
        anvil_factory(block_time=None).rpc("no_such_method")
