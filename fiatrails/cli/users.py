"""`fiatrails user`: the on-chain compliance registry, read and updated through the officer's lane."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli import progress, render, runtime
from fiatrails.cli.exits import Failure
from fiatrails.cli.runtime import Actor, Json
from fiatrails.kernel.addresses import parse_address, parse_word
from fiatrails.kernel.errors import BadInput, Conflict, OutsideUnknown

if TYPE_CHECKING:
    from fiatrails.chains.evm.registry import CallStatus, UserCompliance

DEFAULT_SCORE = 10
# Source: contracts/src/UserRegistryBase.sol.
HIGHEST_SCORE = 100

app = typer.Typer(help="Users in the on-chain compliance registry.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="0x and 40 hex digits.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the update is queued.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait until the update is final.")]


@app.command("show")
def show(address: Address, json: Json = False) -> None:
    """Show what the registry says of a user, and whether they would be cleared.

    \b
    Examples:
      fiatrails user show 0x90F79bf6EB2c4f870365E785982E1f101E93b906
    """
    runtime.setup()
    whole = _document(_read(address))
    render.emit(json, whole, render.fields(whole))


@app.command("attest")
def attest(
    address: Address,
    *,
    risk_score: Annotated[
        int | None,
        typer.Option(
            "--risk-score", min=0, max=HIGHEST_SCORE, help="[default: the recorded one, else 10]", show_default=False
        ),
    ] = None,
    attestation_hash: Annotated[
        str | None, typer.Option("--attestation-hash", help="32 bytes of hex that name the KYC attestation.")
    ] = None,
    document: Annotated[
        Path | None, typer.Option("--document", exists=True, dir_okay=False, help="Use the SHA-256 of this file.")
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Record the user as not verified.")] = False,
    no_wait: NoWait = False,
    timeout: Timeout = 180.0,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Record a user's attestation on chain and wait until it is final.

    Nothing is sent when the registry says so already. On a local stack the hash may be left out. While a sanctions case
    stands against the user, only --revoke is possible; the end of the case gives nothing back then.

    \b
    Examples:
      fiatrails user attest 0x90F7... --document kyc-4411.pdf --risk-score 20
      fiatrails user attest 0x90F7... --attestation-hash 0x5f2c... --no-wait
    """
    runtime.setup()
    known, under_way = _read_ahead(address)
    if revoke:
        _revoke_return(known.address, actor)
    else:
        _require_no_case(known.address)
    word = _attestation(known.address, attestation_hash, document) if not revoke else known.attestation_hash
    score = risk_score if risk_score is not None else known.risk_score if known.is_registered else DEFAULT_SCORE
    _update(
        known, score, word, not revoke, under_way=under_way, actor=actor, no_wait=no_wait, timeout=timeout, json=json
    )


@app.command("risk")
def risk(
    address: Address,
    score: Annotated[int, typer.Argument(min=0, max=HIGHEST_SCORE, help="0 (none) to 100.")],
    *,
    no_wait: NoWait = False,
    timeout: Timeout = 180.0,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Change a registered user's risk score on chain; attestation and verification stay.

    \b
    Examples:
      fiatrails user risk 0x90F7... 95
    """
    runtime.setup()
    known, under_way = _read_ahead(address)
    if not known.is_registered:
        raise Conflict("not_registered", "the user is not in the registry; use `fiatrails user attest` first")
    _update(
        known,
        score,
        known.attestation_hash,
        known.is_verified,
        under_way=under_way,
        actor=actor,
        no_wait=no_wait,
        timeout=timeout,
        json=json,
    )


def _read(address: str) -> UserCompliance:
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.registry import read_users

    user = parse_address(address, field="ADDRESS")
    return read_users([user], pool=default_pool())[user]


def _read_ahead(address: str) -> tuple[UserCompliance, bool]:
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.registry import read_ahead

    return read_ahead(parse_address(address, field="ADDRESS"), pool=default_pool())


def _require_no_case(address: str) -> None:
    """Said before anything is asked of the user; what counts is the look under the lock."""
    from fiatrails.compliance.sanctions import attestations

    attestations.require_no_case(address)


def _revoke_return(address: str, actor: str) -> None:
    """Also where the registry says "not verified" already and nothing is sent."""
    from fiatrails.compliance.sanctions import attestations

    attestations.revoke_return(user=address, actor=actor, now=runtime.now())


def _attestation(address: str, word: str | None, document: Path | None) -> str:
    from fiatrails.kernel.conf import config

    if word is not None and document is not None:
        raise BadInput("attestation_twice", "give --attestation-hash or --document, not both")
    if word is not None:
        return parse_word(word, field="--attestation-hash")
    if document is not None:
        return "0x" + hashlib.sha256(document.read_bytes()).hexdigest()
    if config().env not in ("local", "test"):
        raise BadInput("attestation_missing", "give --attestation-hash or --document: what was the user verified by?")
    return "0x" + hashlib.sha256(f"local attestation of {address}".encode()).hexdigest()


def _update(
    known: UserCompliance, score: int, word: str, verified: bool,
    *, under_way: bool, actor: str, no_wait: bool, timeout: float, json: bool,
) -> None:  # fmt: skip
    """`under_way`: `known` is not said on the chain yet, and may never be."""
    says_so = (known.risk_score, known.attestation_hash, known.is_verified) == (score, word, verified)
    if says_so and known.is_registered and not under_way:
        whole = {**_document(known), "changed": False}
        render.emit(json, whole, "the registry says so already", render.fields(_document(known)))
        return
    slot_id = _enqueue(known.address, score, word, verified, actor=actor)
    if no_wait:
        render.emit(json, {"address": known.address, "changed": True, "slotId": slot_id}, f"queued as slot {slot_id}")
        return
    status = _wait(slot_id, timeout)
    whole = {
        **_document(_read(known.address)),
        "changed": True,
        "txHash": status.tx_hash,
        "blockNumber": status.block_number,
    }
    render.emit(json, whole, render.fields(whole))


def _enqueue(address: str, score: int, word: str, verified: bool, *, actor: str) -> int:
    """Queues the update; the officer's lane is made if it is new."""
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.signer import Signers, load_signers
    from fiatrails.chains.evm.submitter.lanes import ensure_lanes
    from fiatrails.compliance.sanctions import attestations
    from fiatrails.kernel.conf import config

    now = runtime.now()
    officer = load_signers(config().signers).officer
    ensure_lanes(signers=Signers(executors=(), officer=officer), pool=default_pool(), now=now)
    return attestations.update(
        user=address, risk_score=score, attestation_hash=word, verified=verified, actor=actor, now=now
    )


def _wait(slot_id: int, timeout: float) -> CallStatus:
    from fiatrails.chains.evm.registry import call_status

    status, decided = progress.until(
        lambda: call_status(slot_id),
        enough=lambda seen: seen.succeeded is not None,
        describe=lambda seen: f"registry update {slot_id}: {seen.state} {seen.error or seen.tx_hash or ''}".rstrip(),
        timeout_s=timeout,
    )
    if not decided:
        raise OutsideUnknown(
            "update_not_final",
            f"the update is {status.state} after {timeout:g} s and goes on; is a worker running? "
            "Look later with `fiatrails user show`",
        )
    if not status.succeeded:
        raise Failure("update_failed", f"the registry did not take the update: {status.error}")
    return status


def _document(user: UserCompliance) -> dict[str, object]:
    from fiatrails.compliance.policy import judge
    from fiatrails.kernel.conf import profile

    verdict = judge(user, profile().compliance)
    return {
        "address": user.address,
        "registered": user.is_registered,
        "verified": user.is_verified,
        "compliant": user.is_compliant,
        "riskScore": user.risk_score,
        "attestationHash": user.attestation_hash,
        "lastUpdated": user.last_updated or None,
        "cleared": verdict.cleared,
        "verdict": verdict.code,
        "reason": verdict.reason,
    }
