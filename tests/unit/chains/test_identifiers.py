"""Ids beside vectors from `cast` (Foundry 1.7.1)."""

from __future__ import annotations

from fiatrails.chains.evm.contracts.identifiers import intent_id, intent_id_of_hash, tx_ref_hash

ESCROW = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def test_a_reference_is_hashed_as_keccak_of_its_text() -> None:
    assert tx_ref_hash("") == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert tx_ref_hash("hello") == "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"


def test_an_id_is_what_cast_computes() -> None:
    made = intent_id(chain_id=31337, escrow=ESCROW, payer=ESCROW, tx_ref="MPESA-1")
    assert made == "0x25285bae751fc408985fe606cdb0fe9eeea457842e1e4d9bb1fb49eb8e4a9f36"
    assert made == intent_id_of_hash(
        chain_id=31337, escrow=ESCROW.lower(), payer=ESCROW.lower(), tx_ref_word=tx_ref_hash("MPESA-1")
    )


def test_chain_escrow_payer_and_reference_all_count() -> None:
    base = {"chain_id": 1, "escrow": ESCROW, "payer": ESCROW, "tx_ref": "a"}
    other = "0x" + "11" * 20
    changed = [{"chain_id": 2}, {"escrow": other}, {"payer": other}, {"tx_ref": "b"}]
    ids = {intent_id(**{**base, **change}) for change in ({}, *changed)}  # type: ignore[arg-type]
    assert len(ids) == 5
