"""A listed payer, a listed wallet, a namesake and an ordinary payer, all the way through a running rail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.rail import Rail, compliant_users
from tests.kit.services import ChainFactory

_TAIL = ",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- "
YAN = f'36,"YAN, Xiaobing","individual","SDNTK"{_TAIL},"DOB 25 Mar 1977; citizen China."\r\n'
JANE = f'38,"WANJIKU, Jane","individual","SDGT"{_TAIL},"DOB 02 Apr 1991."\r\n'


def lazarus(wallet: str) -> str:
    return f'37,"LAZARUS GROUP",-0- ,"DPRK3"{_TAIL},"Digital Currency Address - ETH {wallet}."\r\n'


@pytest.fixture
def rail(services_dir: Path, postgres: EmbeddedPostgres, chain_factory: ChainFactory) -> Iterator[Rail]:
    """A rail that screens, on a chain of its own."""
    chain = chain_factory(services_dir / "chain-listed-payer", block_time=0.5)
    made = Rail(
        services_dir / "listed-payer", postgres, chain, "listed_payer", extra_env={"OFAC_SCREENING_ENABLED": "true"}
    )
    yield made
    made.close()


def load(rail: Rail, text: str) -> None:
    path = rail.directory / "sdn.csv"
    path.write_text(text + "\x1a")
    rail.cli("lists", "load", str(path), "--allow-shrink", "--reason", "a test", "--actor", "ann", "--yes")


def ask(rail: Rail, *arguments: str, code: int = 0) -> Any:
    done = rail.cli(*arguments, "--json", check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def pay(rail: Rail, reference: str, user: str, payer: dict[str, object] | None) -> str:
    answer = rail.create_intent(reference, user=user, payer=payer)
    assert answer.status_code == 201, answer.text
    rail.deliver(reference)
    return str(answer.json()["intentId"])


def shown(rail: Rail, intent_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(rail, "intent", "show", intent_id)
    return found


def is_compliant(rail: Rail, user: str) -> bool:
    return bool(ask(rail, "user", "show", user)["compliant"])


@pytest.mark.slow
def test_a_listed_payer_is_held_and_suspended_until_two_people_say_otherwise(rail: Rail) -> None:
    listed, lazarus_wallet, namesake, ordinary = compliant_users(rail.chain, 4)
    load(rail, YAN + lazarus(lazarus_wallet))
    rail.start_api()
    rail.start_worker()
    yan: dict[str, object] = {"name": "Xiaobing Yan", "type": "person"}
    held = pay(rail, "YAN-1", listed, yan)
    by_wallet = pay(rail, "LAZARUS-1", lazarus_wallet, {"name": "Grace Otieno", "type": "person"})
    pay(rail, "YAN-2", namesake, yan | {"birthDate": "1999-01-01"})
    pay(rail, "JANE-1", ordinary, {"name": "Jane Wanjiku", "type": "person"})
    rail.wait_for(lambda: rail.states() == {"executed": 2, "held": 2}, seconds=60, what="two held, two minted")

    assert shown(rail, held)["hold"] == "sanctions"
    assert "YAN, Xiaobing (SDN:36, SDNTK)" in shown(rail, held)["reason"]
    assert f"wallet {lazarus_wallet} is listed for LAZARUS GROUP" in shown(rail, by_wallet)["reason"]
    waiting = {case["user"]: case["number"] for case in ask(rail, "case", "list", code=1)["cases"]}
    assert set(waiting) == {listed, lazarus_wallet}
    for user in waiting:
        rail.wait_for(lambda user=user: not is_compliant(rail, user), seconds=60, what=f"{user} suspended on chain")
    assert is_compliant(rail, namesake)

    number = str(waiting[listed])
    ask(rail, "case", "release", number, "--reason", "passport seen, born 1991", "--actor", "ann")
    assert "somebody else" in rail.cli("case", "approve", number, "--actor", "ann", check=False).stderr
    ask(rail, "case", "approve", number, "--actor", "ben")
    rail.wait_for(lambda: rail.states() == {"executed": 3, "held": 1}, seconds=90, what="the released one minted")
    assert is_compliant(rail, listed)

    ask(rail, "case", "confirm", str(waiting[lazarus_wallet]), "--reason", "the wallet itself", "--actor", "ann")
    refused = rail.cli("intent", "refund", by_wallet, "--reason", "give it back", "--yes", check=False)
    assert refused.returncode != 0
    assert "external" in refused.stderr
    attest = rail.cli("user", "attest", lazarus_wallet, check=False)
    assert f"case {waiting[lazarus_wallet]} stands" in attest.stderr

    load(rail, YAN + lazarus(lazarus_wallet) + JANE)
    rail.cli("screen", "rescreen")
    assert [case["entity"] for case in ask(rail, "case", "list", code=1)["cases"]] == ["SDN:37", "SDN:38"]
    rail.wait_for(lambda: not is_compliant(rail, ordinary), seconds=60, what="who is listed today is suspended")
    rail.require_invariants(minted=3)
