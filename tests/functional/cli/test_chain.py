"""`fiatrails user`, `nonce` and `contracts` on a real chain with blocks of a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from eth_account import Account

from fiatrails.chains.evm.contracts.registry import UserRegistry
from fiatrails.chains.evm.pool import default_pool
from fiatrails.compliance.models import Suspension
from fiatrails.compliance.sanctions import cases
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.clock import SystemClock
from fiatrails.kernel.conf import Config
from fiatrails.kernel.profile import CoinProfile
from fiatrails.operations import worker
from tests.kit.commands import Run
from tests.kit.services import DeployedChain, set_stablecoin

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lanes(on_chain: DeployedChain) -> Iterator[DeployedChain]:
    """A worker's lanes, running."""
    worker.signers.cache_clear()
    default_pool()
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(0.1):
            worker.lane_pass(clock=SystemClock(), holder="test")
        connection.close()

    thread = threading.Thread(target=turn)
    thread.start()
    yield on_chain
    stop.set()
    thread.join()
    worker.signers.cache_clear()


@pytest.fixture
def user() -> str:
    """Somebody whom the registry has never seen."""
    return str(Account.create().address).lower()


def test_an_attestation_is_final_when_the_command_ends(run: Run, lanes: DeployedChain, user: str) -> None:
    before = run("user", "show", user, "--json").document
    assert (before["registered"], before["cleared"], before["verdict"]) == (False, False, "not_registered")
    outcome = run("user", "attest", user, "--risk-score", "20", "--actor", "amina", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["cleared"]
    assert outcome.document["riskScore"] == 20
    assert outcome.document["txHash"].startswith("0x")
    assert "registry update" in outcome.err
    assert AuditRecord.objects.get(action="user.update").actor == "amina"

    again = run("user", "attest", user, "--risk-score", "20", "--json")
    assert again.document["changed"] is False

    risky = run("user", "risk", user, "95", "--json")
    assert risky.code == 0, risky.err
    assert (risky.document["cleared"], risky.document["verdict"]) == (False, "risk_too_high")
    revoked = run("user", "attest", user, "--revoke", "--json")
    assert (revoked.document["verified"], revoked.document["riskScore"]) == (False, 95)


def test_nothing_verifies_a_user_against_whom_a_case_stands_and_a_revocation_stays(
    run: Run, lanes: DeployedChain, user: str
) -> None:
    run("user", "attest", user)
    finding = cases.OpenHit("f" * 64, "SDN:36", "YAN, Xiaobing", "review", "name is 99% like", {"parties": []})
    with transaction.atomic():
        cases.open_for(user, [finding], origin="payment", now=SystemClock().now())
    for command in (("attest", user), ("risk", user, "50")):
        refused = run("user", *command, "--json")
        assert (refused.code, refused.document["error"]) == (4, "case_stands")
    assert run("user", "attest", user, "--revoke", "--json").document["verified"] is False
    Suspension.objects.create(
        user=user, wanted="suspended", risk_score=10, due_at=SystemClock().now(), opened_at=SystemClock().now()
    )
    again = run("user", "attest", user, "--revoke", "--actor", "amina", "--json")
    assert (again.code, again.document["changed"]) == (0, False)
    assert Suspension.objects.get().risk_score is None
    assert AuditRecord.objects.get(action="user.return_revoked").actor == "amina"


def test_an_update_may_be_left_to_itself(run: Run, on_chain: DeployedChain, user: str) -> None:
    outcome = run("user", "attest", user, "--no-wait", "--json")
    assert (outcome.code, outcome.document["changed"]) == (0, True)
    assert isinstance(outcome.document["slotId"], int)
    [lane] = run("nonce", "show", "--json").document["lanes"]
    assert (lane["role"], lane["reserved"]) == ("officer", 1)


def test_updates_of_one_user_follow_one_another_also_before_any_has_landed(
    run: Run, on_chain: DeployedChain, user: str
) -> None:
    for command in (("attest", user, "--risk-score", "20"), ("risk", user, "50"), ("attest", user, "--revoke")):
        outcome = run("user", *command, "--no-wait", "--json")
        assert (outcome.code, outcome.document.get("changed")) == (0, True), outcome.err
    with connection.cursor() as cursor:
        cursor.execute("SELECT calldata FROM evm_nonce_slot ORDER BY nonce")
        updates = [UserRegistry.read_update(bytes(row[0])) for row in cursor.fetchall()]
    queued = [(update.risk_score, update.attestation_hash, update.is_verified) for update in updates]
    attested = queued[0][1]
    assert queued == [(20, attested, True), (50, attested, True), (50, attested, False)]


def test_without_a_worker_the_outcome_is_unknown(run: Run, on_chain: DeployedChain, user: str) -> None:
    outcome = run("user", "attest", user, "--timeout", "1", "--json")
    assert (outcome.code, outcome.document["error"]) == (5, "update_not_final")


def test_a_document_stands_for_its_digest(run: Run, lanes: DeployedChain, user: str, tmp_path: Path) -> None:
    paper = tmp_path / "kyc.pdf"
    paper.write_bytes(b"kyc")
    outcome = run("user", "attest", user, "--document", str(paper), "--json")
    assert outcome.document["attestationHash"] == "0x84a9ceb1ee3a8b0dc509dded516483d1c4d976c13260ffcedf508cfc32b52fbe"


def test_wrong_users_and_scores_are_usage_errors(run: Run, on_chain: DeployedChain, user: str) -> None:
    assert run("user", "show", "0x12").code == 2
    assert run("user", "risk", user, "101").code == 2
    assert run("user", "risk", user, "5").code == 4
    assert run("user", "attest", user, "--attestation-hash", "0x12").code == 2


def test_production_wants_to_know_what_was_attested(
    run: Run, on_chain: DeployedChain, user: str, configure: Callable[..., Config]
) -> None:
    configure(env="production")
    assert run("user", "attest", user).code == 2


def test_sound_lanes_need_no_repair(run: Run, on_chain: DeployedChain) -> None:
    outcome = run("nonce", "repair", "--json")
    assert (outcome.code, outcome.document["steps"]) == (0, [])
    assert run("nonce", "repair").out == "nothing to repair\n"


def test_a_gap_is_planned_and_filled_only_as_planned(run: Run, on_chain: DeployedChain, user: str) -> None:
    run("user", "attest", user, "--no-wait")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE evm_lane SET next_nonce = next_nonce + 2")
    plan = run("nonce", "repair", "--json").document
    [step] = plan["steps"]
    assert (step["action"], len(step["nonces"])) == ("fill_gap", 2)
    assert plan["hash"] in run("nonce", "repair").out
    stale = run("nonce", "repair", "--apply", "0" * 64, "--yes", "--json")
    assert (stale.code, stale.document["error"]) == (4, "plan_changed")
    assert run("nonce", "repair", "--apply", plan["hash"], answers="n\n").code == 1
    applied = run("nonce", "repair", "--apply", plan["hash"], "--yes", "--actor", "amina", "--json")
    assert (applied.code, applied.document["applied"]) == (0, True)
    assert AuditRecord.objects.get(action="lane.fill_gap").actor == "amina"
    assert run("nonce", "repair", "--json").document["steps"] == []


def test_the_chain_may_be_away(run: Run, on_chain: DeployedChain, configure: Callable[..., Config], user: str) -> None:
    profile = settings.FIATRAILS.profile.model_copy(update={"rpc_urls": ("http://127.0.0.1:9",)})
    configure(profile=profile)
    assert run("user", "show", user).code == 5
    assert run("contracts", "status").code == 5


def test_status_compares_the_chain_with_the_address_book(run: Run, on_chain: DeployedChain) -> None:
    outcome = run("contracts", "status", "--json")
    assert outcome.code == 0, outcome.err
    whole = outcome.document
    assert whole["complete"]
    assert {role["role"] for role in whole["roles"]} == {"EXECUTOR_ROLE", "COMPLIANCE_OFFICER_ROLE"}
    [coin] = whole["stablecoins"]
    assert (coin["country"], coin["currency"], coin["wantedCurrency"], coin["fault"]) == ("KES", "KES", "KES", None)
    said = run("contracts", "status").out
    assert "MintEscrow KES" in said
    assert "stablecoin KES: 18 decimals, KES" in said


def test_status_is_incomplete_when_the_profile_wants_another_coin(
    run: Run, on_chain: DeployedChain, configure: Callable[..., Config]
) -> None:
    profile = settings.FIATRAILS.profile
    dollars = profile.countries[0].model_copy(update={"stablecoin": CoinProfile(currency="USD", address=None)})
    configure(profile=profile.model_copy(update={"countries": (dollars,)}))
    outcome = run("contracts", "status")
    assert outcome.code == 1
    assert "says that it is 'KES', and the profile says USD" in outcome.out
    assert "INCOMPLETE" in outcome.out


def test_one_coin_is_not_named_for_several_countries(
    run: Run, on_chain: DeployedChain, configure: Callable[..., Config]
) -> None:
    profile = settings.FIATRAILS.profile
    two = (*profile.countries, profile.countries[0].model_copy(update={"country_code": "UGX"}))
    configure(profile=profile.model_copy(update={"countries": two}))
    keys = ("--keystore", str(on_chain.deployer_keystore), "--password-file", str(on_chain.password_file))
    outcome = run("contracts", "deploy", *keys, "--yes", "--stablecoin", on_chain.deployment.country("KES").stablecoin)
    assert outcome.code == 2
    assert "stablecoin.address" in outcome.err


def test_a_named_coin_of_another_currency_is_refused(run: Run, on_chain: DeployedChain) -> None:
    coin = "0x" + "7a" * 20
    set_stablecoin(on_chain.anvil.url, coin, 18, "USD")
    keys = ("--keystore", str(on_chain.deployer_keystore), "--password-file", str(on_chain.password_file))
    outcome = run("contracts", "deploy", *keys, "--yes", "--stablecoin", coin)
    assert outcome.code == 6
    assert "a token sold for one would be redeemed for the other" in outcome.err


def test_a_missing_address_book_says_what_to_do(run: Run, configure: Callable[..., Config], tmp_path: Path) -> None:
    configure(deployments_path=tmp_path / "none.json")
    outcome = run("contracts", "status")
    assert outcome.code == 6
    assert "deploy" in outcome.err


def test_contracts_are_deployed_and_recorded(
    run: Run, on_chain: DeployedChain, configure: Callable[..., Config], tmp_path: Path
) -> None:
    configure(deployments_path=tmp_path / "deployments.json")
    keys = ("--keystore", str(on_chain.deployer_keystore), "--password-file", str(on_chain.password_file))
    outcome = run("contracts", "deploy", *keys, "--yes", "--json")
    assert outcome.code == 0, outcome.err
    assert "MintEscrow KES" in outcome.document["addresses"]
    assert "Implementation deployed" in (tmp_path / "deploy-history.log").read_text()
    assert run("contracts", "status", "--json").document["complete"]
    assert run("contracts", "deploy", *keys, answers="n\n").code == 1
