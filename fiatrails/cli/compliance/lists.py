"""`fiatrails lists`: the sanctions lists that are screened against."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.compliance import list_documents
from fiatrails.cli.kit import progress, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Yes
from fiatrails.kernel.errors import BadInput

if TYPE_CHECKING:
    from fiatrails.screening.lists.store import Loaded

app = typer.Typer(help="The sanctions lists that users and wallets are screened against.", no_args_is_help=True)
_COLUMNS = ("source", "version", "published", "fetched", "age (h)", "entities", "names", "wallets", "sample", "digest")
_SHOWN_DIGEST = 12
_SAMPLE = "warning: this is the bundled sample, which finds nearly nobody; run `fiatrails lists refresh`"


@app.command("load")
def load(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", exists=True, help="A directory with OFAC's files, or the files.")
    ],
    *,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="The day that the files are of, e.g. 2026-11-20.")
    ] = None,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Load it although it shrank, is older or lacks its comments.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why --allow-shrink is right; kept with the list.")] = "",
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Load a list from files and put it in force, as a whole or not at all.

    Takes sdn.csv, alt.csv, add.csv and sdn_comments.csv, the cons_*.csv files, or sdn.xml and consolidated.xml.
    Files of other names in a directory are left alone. A list that shrank by more than 10 % is refused.

    \b
    Examples:
      fiatrails lists load ~/Downloads/ofac --as-of 2026-11-20
      fiatrails lists load sdn.xml consolidated.xml
      fiatrails lists load ~/Downloads/ofac --allow-shrink --reason "Cuba programme ended, press release of 12 Nov"
    """
    runtime.setup()
    from fiatrails.screening.lists import store
    from fiatrails.screening.lists.files import read_paths

    files, day = read_paths(paths), _day(as_of)
    if allow_shrink and not reason.strip():
        raise BadInput("reason_required", "--allow-shrink needs --reason: say why such a list is right")
    if allow_shrink:
        runtime.confirm(f"Load {', '.join(sorted(files))} whatever it lacks?", yes=yes)
    loaded = store.load(
        files, published=day, actor=actor, now=runtime.now(), allow_shrink=allow_shrink, reason=reason.strip()
    )
    _print_loaded(json, loaded)


@app.command("refresh")
def refresh(
    url: Annotated[
        list[str] | None, typer.Option("--url", help="Fetch from here instead; several are tried in turn.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", help="Fetch these files instead, e.g. --file SDN.XML.")
    ] = None,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Download the list and put it in force; files that did not change are not sent again.

    When that fails the list in force stays, and a dead letter is open until a refresh succeeds.

    \b
    Examples:
      fiatrails lists refresh
      fiatrails lists refresh --url https://mirror.example/ofac --json
    """
    runtime.setup()
    from dataclasses import replace

    from fiatrails.screening.lists.refresh import configured
    from fiatrails.screening.lists.refresh import refresh as download

    source = configured()
    source = replace(source, base_urls=tuple(url or source.base_urls), files=tuple(file or source.files))
    with progress.downloads() as advance:
        loaded = download(source=source, actor=actor, now=runtime.now(), progress=advance)
    _print_loaded(json, loaded)


@app.command("status")
def status(json: Json = False) -> None:
    """Show the lists in force: of what day, how old, how much is in them. Ends with 1 when there is none.

    \b
    Examples:
      fiatrails lists status
      fiatrails lists status --json | jq .lists[0].ageHours
    """
    runtime.setup()
    from fiatrails.screening.lists import current

    lists = current.stored(now=runtime.now())
    found = [list_documents.active_document(version, now=lists.at) for version in lists.versions]
    rows = [[*list(document.values())[:-1], str(document["digest"])[:_SHOWN_DIGEST]] for document in found]
    none = "no list is loaded; run `fiatrails lists refresh`"
    render.emit(json, {"lists": found}, render.table(_COLUMNS, rows) if found else none)
    if lists.is_sample:
        render.note(_SAMPLE)
    if not found:
        runtime.negative()


@app.command("history")
def history(
    source: Annotated[str | None, typer.Option("--source", help="Only this source.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the latest first.")] = 20,
    json: Json = False,
) -> None:
    """Show what was loaded and what was refused, by whom and why.

    \b
    Examples:
      fiatrails lists history
      fiatrails lists history --limit 5 --json
    """
    runtime.setup()
    from fiatrails.screening.lists import store

    found = [list_documents.version_document(version) for version in store.list_versions(source=source, limit=limit)]
    columns = ("version", "source", "state", "published", "loadedAt", "fetchedAt", "entities", "activatedBy", "note")
    rows = [[document[column] for column in columns] for document in found]
    render.emit(json, {"versions": found}, render.table(columns, rows))


@app.command("delta")
def delta(
    old: Annotated[int, typer.Argument(metavar="OLD", help="A version, as `lists history` shows it.")],
    new: Annotated[int, typer.Argument(metavar="NEW", help="The version to compare it with.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many lines of each kind.")] = 50,
    json: Json = False,
) -> None:
    """Show who was added, who was removed and what changed between two versions.

    \b
    Examples:
      fiatrails lists delta 3 4
      fiatrails lists delta 3 4 --json | jq .added
    """
    runtime.setup()
    from fiatrails.screening.lists import store

    found = store.compare(old, new)
    render.emit(json, list_documents.delta_document(found), found.report(limit=limit))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadInput("malformed_date", "--as-of takes a day such as 2026-11-20") from None


def _print_loaded(json: bool, loaded: Loaded) -> None:
    for warning in loaded.warnings:
        render.note(f"warning: {warning}")
    whole = {
        "version": loaded.version_id,
        "unchanged": loaded.unchanged,
        "delta": loaded.delta.counts(),
        "warnings": [*loaded.warnings],
    }
    if loaded.unchanged:
        render.emit(json, whole, f"version {loaded.version_id} is in force already; it counts as fresh again")
    else:
        render.emit(json, whole, f"version {loaded.version_id} is in force: {loaded.delta.report(limit=10)}")
