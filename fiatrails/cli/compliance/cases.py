"""`fiatrails case`: the review queue of sanctions hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Reason
from fiatrails.kernel.clock import isoformat

if TYPE_CHECKING:
    from fiatrails.compliance.sanctions.models import Case

app = typer.Typer(help="Sanctions hits that wait for a person.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `fiatrails case list` shows it.")]
_COLUMNS = ("number", "state", "band", "user", "entity", "reason", "openedAt")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Ended cases too, newest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 200,
    json: Json = False,
) -> None:
    """List the cases that nobody has decided, oldest first. Exit code 1 when there are any.

    \b
    Examples:
      fiatrails case list
      fiatrails case list --all --json
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import cases
    from fiatrails.compliance.sanctions.states import CaseState

    found = cases.queue(every=every, limit=limit)
    documents = [_document(case) for case in found]
    rows = [[document[column] for column in _COLUMNS] for document in documents]
    render.emit(json, {"cases": documents}, render.table(_COLUMNS, rows) if rows else "no case stands")
    if any(case.state in (CaseState.OPEN, CaseState.RELEASE_REQUESTED) for case in found):
        runtime.negative()


@app.command("show")
def show(number: Number, json: Json = False) -> None:
    """Show a case: who, which listed entity, why, and what was decided.

    \b
    Examples:
      fiatrails case show 12
    """
    runtime.setup()
    _show(number, json=json)


@app.command("release")
def release(number: Number, *, reason: Reason, actor: Actor = "", json: Json = False) -> None:
    """Say that the payer is not the listed one. Somebody else has to approve it.

    \b
    Examples:
      fiatrails case release 12 --reason "passport seen, born 1991"
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    releases.request_for_case(case_id=number, reason=reason, actor=actor, now=runtime.now())
    _show(number, json=json)


@app.command("approve")
def approve(number: Number, *, actor: Actor = "", json: Json = False) -> None:
    """Approve somebody else's release: held payments go on by themselves, and the wallet is restored on chain.

    \b
    Examples:
      fiatrails case approve 12
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import cases, releases

    waiting = releases.waiting_for(cases.get(number))
    releases.approve(release_id=waiting.id, actor=actor, now=runtime.now())
    _show(number, json=json)


@app.command("confirm")
def confirm(number: Number, *, reason: Reason, actor: Actor = "", json: Json = False) -> None:
    """Say that the payer is the listed one. The money stays held until an operator decides where it goes.

    \b
    Examples:
      fiatrails case confirm 12 --reason "same passport number; reported to the authority"
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    releases.confirm(case_id=number, reason=reason, actor=actor, now=runtime.now())
    _show(number, json=json)


def _show(number: int, *, json: bool) -> None:
    from fiatrails.compliance.sanctions import cases, suspensions

    case = cases.get(number)
    whole = {
        **_document(case),
        "name": case.entity_name,
        "origin": case.origin,
        "intentId": case.intent_id,
        "movedAt": isoformat(case.moved_at),
        "movedBy": case.moved_by,
        "note": case.note,
        "onChain": suspensions.state_of(case.user),
    }
    parties = "\n".join(_party_text(party) for party in case.evidence.get("parties", []))
    render.emit(json, {**whole, "evidence": case.evidence}, render.fields(whole), parties)


def _party_text(party: dict[str, Any]) -> str:
    """Return the screened party and why each hit is one, as it was found."""
    who = party["name"] or " ".join(party["wallets"])
    lines = [f"screened: {who}" + (f", born {party['born']}" if party["born"] else "")]
    for hit in party["hits"]:
        added = ", ".join(f"{name} {value:+.2f}" for name, value in hit["features"].items())
        lines.append(f"  {hit['band'].upper()}: {hit['reason']}" + (f"\n    {added}" if added else ""))
    return "\n".join(lines)


def _document(case: Case) -> dict[str, Any]:
    return {
        "number": case.id,
        "state": case.state,
        "band": case.band,
        "user": case.user,
        "entity": case.entity_uid,
        "reason": case.reason,
        "openedAt": isoformat(case.opened_at),
    }
