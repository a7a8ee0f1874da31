"""Keeping the list fresh: downloads, loads, and raises one alarm for as long as it does not work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import httpx
import structlog

from fiatrails.engine import dead_letters
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Conflict, FiatRailsError, Misconfigured, Unavailable
from fiatrails.screening.lists import store
from fiatrails.screening.lists.download import (
    DownloadFailed,
    DownloadLimits,
    Fetched,
    Progress,
    Validators,
    client,
    fetch,
    require_safe,
)
from fiatrails.screening.lists.formats import is_list_file, plain_name
from fiatrails.screening.lists.models import ListFetch, ListFile, ListVersion
from fiatrails.screening.lists.store import DEFAULT_SOURCE, Loaded

log = structlog.get_logger(__name__)
JOB_ACTOR = "lists-refresh"
OFAC = "https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/"
OFAC_FILES = (
    "SDN.CSV",
    "ALT.CSV",
    "ADD.CSV",
    "SDN_COMMENTS.CSV",
    "CONS_PRIM.CSV",
    "CONS_ALT.CSV",
    "CONS_ADD.CSV",
    "CONS_COMMENTS.CSV",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a list comes from. `base_urls` are tried in turn, each for all files, so that a list is never put together
    from two places; `files` are names below them and end as `read_list` knows them ("consolidated/cons_prim.csv")."""

    base_urls: tuple[str, ...] = (OFAC,)
    files: tuple[str, ...] = OFAC_FILES
    name: str = DEFAULT_SOURCE
    limits: DownloadLimits = field(default_factory=DownloadLimits)

    def require_usable(self) -> None:
        """Raise Misconfigured when a URL is not safe or a file is not one of a list."""
        for base_url in self.base_urls:
            require_safe(base_url)
        unknown = [name for name in self.files if not is_list_file(name)]
        if unknown or not self.files or not self.base_urls:
            raise Misconfigured(
                "list_files", f"lists are fetched as files such as {', '.join(OFAC_FILES[:4])}, not {unknown or 'none'}"
            )


def configured() -> Source:
    """Return the source that a refresh uses when no other is given: OFAC's own server where screening is on and money
    is, unless another is named; nowhere otherwise."""
    screening = config().screening
    by_default = Source().base_urls if screening.enabled and config().live else ()
    return Source(base_urls=screening.list_urls or by_default, files=screening.list_files or Source().files)


def refresh(
    *,
    source: Source,
    actor: str,
    now: datetime,
    progress: Progress | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Loaded:
    """Download every file and loads the list; files that did not change are taken from the edition in force. Call it
    outside of any transaction. `now` is the moment before the download, so that the list counts as no fresher than it
    is.

    On failure the list in force stays, one dead letter is open until a refresh succeeds, and the error goes on:
    Unavailable when the files were not had, BadInput or Conflict when they are not the list or were refused.
    """
    try:
        source.require_usable()
        fetched = _download(source, progress, transport)
        loaded = store.load(
            _contents(source, fetched), source=source.name, published=_day(fetched, now), actor=actor, now=now
        )
    except FiatRailsError as error:
        _alarm(source, error, now=now)
        raise
    _remember(fetched, _sums(source.name), now)
    dead_letters.close_alarm("refreshLists", source.name, reason="the list was refreshed", actor=actor, now=now)
    log.info("lists.refreshed", source=source.name, version=loaded.version_id, unchanged=loaded.unchanged)
    return loaded


def run_job(clock: Clock, source: Source | None = None) -> str:
    """Run `refresh` as a periodic job; "off" where no place is configured. A failure was logged and alarmed, so it is
    only named here; the next slot tries again."""
    chosen = source or configured()
    if not chosen.base_urls:
        return "off"
    try:
        loaded = refresh(source=chosen, actor=JOB_ACTOR, now=clock.now())
    except FiatRailsError as error:
        return f"failed: {error.code}"
    if loaded.unchanged:
        return "unchanged"
    return ", ".join(f"{count} {what}" for what, count in loaded.delta.counts().items())


def _download(source: Source, progress: Progress | None, transport: httpx.BaseTransport | None) -> dict[str, Fetched]:
    """Return all files from one place, by plain name. Unavailable with what went wrong at each place."""
    known = _known(source)
    failures = []
    for base_url in source.base_urls:
        try:
            with client(source.limits, transport) as http:
                urls = {plain_name(name): _url(base_url, name) for name in source.files}
                return {
                    name: fetch(http, url, known=known.get(url, Validators()), limits=source.limits, progress=progress)
                    for name, url in urls.items()
                }
        except DownloadFailed as error:
            failures.append(str(error))
            log.warning("lists.download_failed", source=source.name, problem=str(error))
    raise Unavailable("list_not_downloaded", f"{'; '.join(failures)}. The list in force stays; it is tried again later")


def _url(base_url: str, name: str) -> str:
    return f"{base_url.rstrip('/')}/{name.lstrip('/')}"


def _known(source: Source) -> dict[str, Validators]:
    """Return what may be asked for conditionally: only what the edition in force holds, byte for byte."""
    held = _sums(source.name)
    urls = {_url(base_url, name): plain_name(name) for base_url in source.base_urls for name in source.files}
    rows = ListFetch.objects.filter(url__in=list(urls))
    return {row.url: Validators(row.etag, row.last_modified) for row in rows if held.get(urls[row.url]) == row.sha256}


def _sums(source: str) -> dict[str, str]:
    """Return the sha256 by name of the files in force."""
    files = ListFile.objects.filter(version__source=source, version__state=ListVersion.State.ACTIVE)
    return dict(files.values_list("name", "sha256"))


def _contents(source: Source, fetched: Mapping[str, Fetched]) -> dict[str, bytes]:
    contents = {name: file.data for name, file in fetched.items() if file.data is not None}
    missing = [name for name in fetched if name not in contents]
    if missing:
        version = ListVersion.objects.filter(source=source.name, state=ListVersion.State.ACTIVE).first()
        held = store.files_of(version.pk) if version is not None else {}
        contents.update({name: held[name] for name in missing if name in held})
    if len(contents) < len(fetched):
        raise Conflict("list_load_overtaken", "somebody else loaded a list meanwhile; it is tried again later")
    return contents


def _day(fetched: Mapping[str, Fetched], now: datetime) -> date | None:
    """Return the day of the newest file, as the server says it, because the CSV files state none; never a day to
    come."""
    days = [day for file in fetched.values() if (day := file.day) is not None]
    return min(max(days), now.date()) if days else None


def _remember(fetched: Mapping[str, Fetched], held: Mapping[str, str], now: datetime) -> None:
    """Store what to ask with next time, of the files that are in force now."""
    for name, file in fetched.items():
        unchanged = file.data is None or hashlib.sha256(file.data).hexdigest() == held.get(name)
        if unchanged and name in held:
            said = {"etag": file.validators.etag, "last_modified": file.validators.last_modified}
            ListFetch.objects.update_or_create(url=file.url, defaults={**said, "sha256": held[name], "fetched_at": now})


def _alarm(source: Source, error: FiatRailsError, *, now: datetime) -> None:
    """Open one dead letter, however often it fails; what was refused does not pass by itself."""
    log.error("lists.refresh_failed", source=source.name, code=error.code, message=error.message)
    known = DeadLetter.objects.filter(operation="refreshLists", subject=source.name, state=DeadLetter.State.OPEN)
    before = known.first()
    dead_letters.add(
        operation="refreshLists",
        subject=source.name,
        attempts=before.attempts + 1 if before else 1,
        last_error=error.message,
        error_class="temporary" if isinstance(error, Unavailable) else "permanent",
        payload={"code": error.code},
        now=now,
    )
