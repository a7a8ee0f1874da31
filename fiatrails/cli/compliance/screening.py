"""`fiatrails screen name`, `wallet`, `file`, `show`, `rescreen`: names and wallets against the sanctions lists."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiatrails.cli.compliance.options import Born, Countries, Identifiers, Kind
from fiatrails.cli.kit import progress, render, runtime
from fiatrails.cli.kit.runtime import Json

if TYPE_CHECKING:
    from fiatrails.screening.matching.screening import Party, ScreeningList, ScreeningResult


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
    from fiatrails.screening.matching.parties import read_date
    from fiatrails.screening.matching.screening import Party

    details: dict[str, Any] = {"countries": tuple(country or ()), "identifiers": tuple(identifier or ())}
    _answer(Party(name=name, type=kind, born=read_date(born), **details), json=json)


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
    from fiatrails.screening.matching.parties import read_parties
    from fiatrails.screening.matching.screening import screen

    against = ready()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        parties = list(read_parties(lines))
    documents = []
    with progress.bar("screening", total=len(parties)) as advance:
        for done, party in enumerate(parties, 1):
            documents.append(_document(party, screen(party, against)))
            advance(done)
    columns = ("name", "band", "why")
    render.emit(json, {"results": documents}, render.table(columns, [[d[c] for c in columns] for d in documents]))
    if any(document["band"] != "clear" for document in documents):
        runtime.negative()


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
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.compliance.sanctions import rescreening
    from fiatrails.kernel.clock import SystemClock, isoformat

    with progress.bar("screening", total=rescreening.count_known()) as advance:
        run = rescreening.run_to_end(SystemClock(), pool=default_pool(), again=again, progress=advance)
    whole = {
        "screened": run.screened,
        "opened": run.opened,
        "closed": run.closed,
        "list": run.digest,
        "algorithm": run.algorithm,
        "startedAt": isoformat(run.started_at),
        "finishedAt": isoformat(run.finished_at) if run.finished_at else None,
    }
    render.emit(json, whole, render.fields(whole))


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
    """Return the lists in force, made ready; print a warning when they are the sample."""
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
            "entity": hit.entity.uid,
            "name": hit.entity.name,
            "band": hit.band.value,
            "ofacScore": hit.ofac_score,
            "score": round(hit.score.value, 4) if hit.score else None,
            "details": list(details(hit)),
        }
        for hit in result.hits
    ]
    return {
        "name": party.name or ", ".join(party.wallets),
        "band": result.band.value,
        "why": headline(result),
        "list": result.list_digest,
        "algorithm": result.algorithm,
        "hits": hits,
    }
