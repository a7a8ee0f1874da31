"""`fiatrails screen`: names and wallets against the sanctions lists, and hits that were somebody else."""

from __future__ import annotations

import csv
import json as json_module
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiatrails.cli import progress, render, runtime
from fiatrails.cli.runtime import Actor, Json, Reason
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import BadInput, NotFound
from fiatrails.screening.entities import EntityType

if TYPE_CHECKING:
    from fiatrails.compliance.sanctions.models import Release
    from fiatrails.screening.matching.screening import Party, ScreeningList, ScreeningResult

app = typer.Typer(help="Names and wallets against the sanctions lists in force.", no_args_is_help=True)

FILE_COLUMNS = ("name", "type", "born", "country", "wallet")
Kind = Annotated[EntityType | None, typer.Option("--type", help="What it is; without it, it may be anything.")]
Born = Annotated[str | None, typer.Option("--born", metavar="DATE", help="Date of birth, e.g. 1977-03-25.")]
Countries = Annotated[
    list[str] | None, typer.Option("--country", metavar="CODE", help="Two letters; may be given again.")
]
Identifiers = Annotated[
    list[str] | None, typer.Option("--id", metavar="NUMBER", help="Passport or other number; may be given again.")
]


@app.command("name")
def name(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The whole name, in any script.")],
    *,
    kind: Kind = None,
    born: Born = None,
    country: Countries = None,
    identifier: Identifiers = None,
    json: Json = False,
) -> None:
    """Screen a name. Exit code 1 when somebody has to look at it.

    \b
    Examples:
      fiatrails screen name "Xiaobing Yan" --type person --born 1977-03-25
    """
    runtime.setup()
    from fiatrails.screening.matching.screening import Party

    details: dict[str, Any] = {"countries": tuple(country or ()), "identifiers": tuple(identifier or ())}
    _answer(Party(name=name, type=kind, born=read_date(born), **details), json=json)


@app.command("wallet")
def wallet(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Of any chain: 0x..., base58, bech32.")],
    json: Json = False,
) -> None:
    """Screen a wallet. Exit code 1 when it is listed.

    \b
    Examples:
      fiatrails screen wallet 0x098B716B8Aaf21512996dC57EB0615e2383E2f96
    """
    runtime.setup()
    from fiatrails.screening.matching.screening import Party

    _answer(Party(wallets=(address,)), json=json)


@app.command("file")
def file(
    path: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, help="See below.")],
    json: Json = False,
) -> None:
    """Screen every row of a CSV file with the columns name, type, born, country, wallet (any but one may be missing).

    \b
    Examples:
      fiatrails screen file payers.csv
    """
    runtime.setup()
    from fiatrails.screening.matching.screening import screen

    against = ready()
    parties = list(_parties(path))
    documents = []
    with progress.bar("screening", total=len(parties)) as advance:
        for done, party in enumerate(parties, 1):
            documents.append(_document(party, screen(party, against)))
            advance(done)
    columns = ("name", "band", "why")
    render.emit(json, {"results": documents}, render.table(columns, [[d[c] for c in columns] for d in documents]))
    if any(document["band"] != "clear" for document in documents):
        runtime.negative()


@app.command("show")
def show(
    screening_id: Annotated[str, typer.Argument(metavar="ID", help="As `POST /api/v1/screenings` answered it.")],
    json: Json = False,
) -> None:
    """Show what an API client asked and was answered.

    \b
    Examples:
      fiatrails screen show 0b9f6c1e2d3a4f5b8c7d6e5f4a3b2c1d
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import screenings
    from fiatrails.kernel.clock import isoformat

    kept = screenings.get(screening_id=screening_id)
    whole = {"client": kept.client, "askedAt": isoformat(kept.asked_at), "asked": kept.inputs}
    answer = json_module.loads(kept.answer)
    lines = [f"{hit['band'].upper()} {hit['entity']} {hit['name']}" for hit in answer["hits"]]
    shown = {name: answer[name] for name in ("id", "band", "why", "problem", "algorithm")}
    render.emit(json, {**whole, "answer": answer}, render.fields({**shown, **whole}), *lines)


@app.command("release")
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


@app.command("approve")
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


@app.command("revoke")
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


@app.command("rescreen")
def rescreen(
    again: Annotated[bool, typer.Option("--again", help="Also when neither lists nor algorithm have changed.")] = False,
    json: Json = False,
) -> None:
    """Screen every known payer against the lists in force. Workers do so by themselves whenever a list changes.

    \b
    Examples:
      fiatrails screen rescreen
      fiatrails screen rescreen --again
    """
    runtime.setup()
    from fiatrails.chains.core.pool import default_pool
    from fiatrails.compliance.sanctions import rescreening
    from fiatrails.kernel.clock import SystemClock, isoformat

    with progress.bar("screening", total=rescreening.count_known()) as advance:
        run = rescreening.run_to_end(SystemClock(), pool=default_pool(), again=again, progress=advance)
    whole = {
        "screened": run.screened, "opened": run.opened, "closed": run.closed, "list": run.digest,
        "algorithm": run.algorithm, "startedAt": isoformat(run.started_at),
        "finishedAt": isoformat(run.finished_at) if run.finished_at else None,
    }  # fmt: skip
    render.emit(json, whole, render.fields(whole))


@app.command("releases")
def releases_(json: Json = False) -> None:
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


def _answer(party: Party, *, json: bool) -> None:
    from fiatrails.screening.matching.explain import details
    from fiatrails.screening.matching.screening import screen

    result = screen(party, ready())
    document = _document(party, result)
    reasons = "\n".join(line for hit in result.hits for line in details(hit))
    render.emit(json, document, f"{document['band'].upper()}: {document['why']}\n{reasons}".rstrip())
    if document["band"] != "clear":
        runtime.negative()


def ready() -> ScreeningList:
    """The lists in force, made ready; a warning when they are the sample."""
    from fiatrails.compliance.sanctions import checks
    from fiatrails.screening.lists import current

    lists = current.active(now=runtime.now())
    if lists.is_sample:
        render.note("warning: this is the bundled sample, which finds nearly nobody; run `fiatrails lists refresh`")
    return checks.ready(lists)


def _document(party: Party, result: ScreeningResult) -> dict[str, Any]:
    from fiatrails.screening.matching.explain import details, headline

    hits = [
        {
            "entity": hit.entity.uid, "name": hit.entity.name, "band": hit.band.value, "ofacScore": hit.ofac_score,
            "score": round(hit.score.value, 4) if hit.score else None, "details": list(details(hit)),
        }
        for hit in result.hits
    ]  # fmt: skip
    return {
        "name": party.name or ", ".join(party.wallets), "band": result.band.value, "why": headline(result),
        "list": result.list_digest, "algorithm": result.algorithm, "hits": hits,
    }  # fmt: skip


def _parties(path: Path) -> Iterable[Party]:
    from fiatrails.screening.matching.screening import Party

    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if not set(reader.fieldnames or ()) & {"name", "wallet"}:
            raise BadInput("file_columns", f"the file needs a column name or wallet; it may have {FILE_COLUMNS}")
        for row in reader:
            said = {column: (row.get(column) or "").strip() for column in FILE_COLUMNS}
            yield Party(
                name=said["name"], type=_kind(said["type"], reader.line_num), born=read_date(said["born"] or None),
                countries=tuple(said["country"].split()), wallets=tuple(said["wallet"].split()),
            )  # fmt: skip


def _kind(said: str, line: int) -> EntityType | None:
    try:
        return EntityType(said.lower()) if said else None
    except ValueError:
        raise BadInput("file_type", f"line {line}: type is one of {', '.join(EntityType)}, or empty") from None


def read_date(said: str | None) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        raise BadInput("malformed_date", f"{said!r} is no date such as 1977-03-25") from None


def _release(release: Release) -> dict[str, Any]:
    return {
        "number": release.id, "user": release.user, "entity": release.entity_uid, "name": release.entity_name,
        "reason": release.reason, "requestedBy": release.requested_by, "approvedBy": release.approved_by,
        "revokedBy": release.revoked_by,
    }  # fmt: skip
