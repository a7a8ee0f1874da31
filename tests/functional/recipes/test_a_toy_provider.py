"""The recipe for a provider, walked: a file of 50 lines and two lines of settings pay a purchase, to the final mint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fiatrails.kernel.signatures import sign
from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.recipes.toy import SECRET
from tests.kit.rail import ROOT, Rail, compliant_users
from tests.kit.services import ChainFactory


@pytest.fixture
def rail(services_dir: Path, postgres: EmbeddedPostgres, chain_factory: ChainFactory) -> Iterator[Rail]:
    """A rail of real processes that knows the toy."""
    chain = chain_factory(services_dir / "chain-toy", block_time=0.5)
    own = {"DJANGO_SETTINGS_MODULE": "tests.functional.recipes.settings", "PYTHONPATH": str(ROOT)}
    made = Rail(services_dir / "toy", postgres, chain, "toy", extra_env=own)
    yield made
    made.close()


def pay(rail: Rail, reference: str, *, receipt: str, amount: str = "10", secret: bytes = SECRET) -> httpx.Response:
    raw = json.dumps({"id": receipt, "amount": amount, "currency": "KES", "reference": reference}).encode()
    headers = {"X-Toy-Signature": sign(secret, raw)}
    return httpx.post(f"{rail.url}/callbacks/toy", content=raw, headers=headers, timeout=20, trust_env=False)


@pytest.mark.slow
def test_a_provider_made_by_the_recipe_pays_a_purchase_to_the_final_mint(rail: Rail) -> None:
    [user] = compliant_users(rail.chain, 1)
    rail.start_api()
    rail.start_worker()
    made = rail.create_intent("TOY-1", user=user)
    assert made.status_code == 201, made.text
    assert pay(rail, "TOY-1", receipt="T1", secret=b"somebody else's").status_code == 401
    assert pay(rail, "TOY-1", receipt="T1", amount="ten").status_code == 400
    answers = [pay(rail, "TOY-1", receipt="T1") for _ in range(3)]
    assert [answer.json()["status"] for answer in answers] == ["processed", "already_processed", "already_processed"]
    assert answers[0].json()["intentId"] == made.json()["intentId"]
    rail.wait_executed(1, seconds=60)
    rail.require_invariants(minted=1)
    accounts = json.loads(rail.cli("ledger", "trial-balance", "--json").stdout)["accounts"]
    found = {account["account"]: (account["debits"], account["credits"]) for account in accounts}
    assert found["cash:toy:KES"][0] == found["minted:KES"][1]
