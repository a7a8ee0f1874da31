"""`fiatrails screen release`, `approve`, `revoke` and `releases`: hits that were somebody else, by four eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiatrails.cli.compliance.screening import ready
from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Reason
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import NotFound

if TYPE_CHECKING:
    from fiatrails.compliance.sanctions.models import Release


def release(
    user: Annotated[str, typer.Argument(metavar="ADDRESS", help="The payer's wallet.")],
    uid: Annotated[str, typer.Argument(metavar="ENTITY", help="The listed entity, as the hold's reason names it.")],
    *,
    reason: Reason,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Say that a payer is not this listed entity. Somebody else has to approve it.

    \b
    Examples:
      fiatrails screen release 0x90F7... ofac-sdn:36 --reason "passport seen, born 1991"
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    entity = next((entity for entity in ready().index.entities if entity.uid == uid), None)
    if entity is None:
        raise NotFound("entity_not_found", f"no entity {uid} on the lists in force; the hold's reason names it")
    target = releases.ReleaseTarget.of(entity)
    asked = releases.request(
        user=parse_address(user, field="user"), target=target, reason=reason, actor=actor, now=runtime.now()
    )
    render.emit(json, _release(asked), render.fields(_release(asked)))


def approve(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `fiatrails screen releases` shows it.")],
    *,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Approve somebody else's release; held payments of that payer are looked at again by themselves.

    \b
    Examples:
      fiatrails screen approve 7
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    done = releases.approve(release_id=number, actor=actor, now=runtime.now())
    render.emit(json, _release(done), render.fields(_release(done)))


def revoke(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `fiatrails screen releases` shows it.")],
    *,
    reason: Reason,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Take a release back, or refuse one that was asked for: the payer is screened without it, its case open again.

    \b
    Examples:
      fiatrails screen revoke 7 --reason "the passport was forged"
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    done = releases.revoke(release_id=number, actor=actor, reason=reason, now=runtime.now())
    render.emit(json, _release(done), render.fields(_release(done)))


def list_(json: Json = False) -> None:
    """List the releases, those that wait for a second person first.

    \b
    Examples:
      fiatrails screen releases
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import releases

    found = [_release(each) for each in releases.listed()]
    columns = ("number", "user", "entity", "name", "reason", "requestedBy", "approvedBy")
    render.emit(json, {"releases": found}, render.table(columns, [[each[c] for c in columns] for each in found]))


def _release(release: Release) -> dict[str, Any]:
    return {
        "number": release.id,
        "user": release.user,
        "entity": release.entity_uid,
        "name": release.entity_name,
        "reason": release.reason,
        "requestedBy": release.requested_by,
        "approvedBy": release.approved_by,
        "revokedBy": release.revoked_by,
    }
