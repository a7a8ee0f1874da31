"""`fiatrails user`: the on-chain compliance registry, read and updated through the officer's lane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import progress, render, runtime
from fiatrails.cli.kit.exits import Failure
from fiatrails.cli.kit.runtime import Actor, Json
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import OutsideUnknown

if TYPE_CHECKING:
    from fiatrails.chains.evm.registry import CallStatus, UserCompliance
    from fiatrails.compliance.sanctions.attestations import RegistryChange

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
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.compliance.sanctions import attestations

    user, pool, now = parse_address(address, field="ADDRESS"), default_pool(), runtime.now()
    if revoke:
        change = attestations.revoke(user=user, risk_score=risk_score, pool=pool, actor=actor, now=now)
    else:
        evidence = attestations.AttestationBasis(attestation_hash, document.read_bytes() if document else None)
        change = attestations.attest(
            user=user, risk_score=risk_score, evidence=evidence, pool=pool, actor=actor, now=now
        )
    _follow(change, no_wait=no_wait, timeout=timeout, json=json)


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
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.compliance.sanctions import attestations

    user = parse_address(address, field="ADDRESS")
    change = attestations.set_risk_score(
        user=user, risk_score=score, pool=default_pool(), actor=actor, now=runtime.now()
    )
    _follow(change, no_wait=no_wait, timeout=timeout, json=json)


def _read(address: str) -> UserCompliance:
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.registry import read_users

    user = parse_address(address, field="ADDRESS")
    return read_users([user], pool=default_pool())[user]


def _follow(change: RegistryChange, *, no_wait: bool, timeout: float, json: bool) -> None:
    """Show what became of an update, and wait until it is final unless told otherwise."""
    if change.slot_id is None:
        known = _document(change.before)
        render.emit(json, {**known, "changed": False}, "the registry says so already", render.fields(known))
        return
    address = change.before.address
    if no_wait:
        whole = {"address": address, "changed": True, "slotId": change.slot_id}
        render.emit(json, whole, f"queued as slot {change.slot_id}")
        return
    status = _wait(change.slot_id, timeout)
    final = {"changed": True, "txHash": status.tx_hash, "blockNumber": status.block_number}
    whole = {**_document(_read(address)), **final}
    render.emit(json, whole, render.fields(whole))


def _wait(slot_id: int, timeout: float) -> CallStatus:
    from fiatrails.chains.evm.registry import call_status

    status, decided = progress.wait_until(
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
