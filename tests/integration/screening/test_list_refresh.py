"""Refreshing from a real HTTP server: whatever goes wrong, the list in force stays and one alarm is raised."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings
from django.db import connection
from structlog.testing import capture_logs

from fiatrails.engine import dead_letters
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.conf import ScreeningConfig
from fiatrails.kernel.errors import BadInput, Conflict, FiatRailsError, Misconfigured, Unavailable
from fiatrails.screening.lists import current, store
from fiatrails.screening.lists.download import DownloadLimits
from fiatrails.screening.lists.models import ListFetch, ListVersion
from fiatrails.screening.lists.refresh import Source, configured, refresh, run_job
from fiatrails.screening.lists.store import Loaded
from tests.conftest import SteppedClock
from tests.unit.screening.list_files import alt, csv, people

pytestmark = pytest.mark.django_db(transaction=True)
Answer = Callable[[BaseHTTPRequestHandler], None]


class Publisher:
    """A server of files with validators; a test replaces how it answers for one of them."""

    def __init__(self) -> None:
        self.files = {"sdn.csv": csv(*people(20)), "alt.csv": csv(*(alt(n, f"ALIAS{n}") for n in range(1, 21)))}
        self.modified = "Fri, 30 Oct 2026 10:00:00 GMT"
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, int]] = []

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rsplit("/", 1)[-1].lower()
        if name in self.answers:
            self.requests.append((name, 0))
            self.answers[name](request)
            return
        data = self.files[name]
        tag = f'"{hash(data)}"'
        known = request.headers.get("if-none-match") == tag
        self.requests.append((name, 304 if known else 200))
        request.send_response(304 if known else 200)
        request.send_header("ETag", tag)
        request.send_header("Last-Modified", self.modified)
        request.send_header("Content-Length", "0" if known else str(len(data)))
        request.end_headers()
        request.wfile.write(b"" if known else data)

    def statuses(self) -> list[int]:
        """Statuses since the last call."""
        told = [status for _, status in self.requests]
        self.requests.clear()
        return told


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def base_url(publisher: Publisher) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.serve(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/ofac"
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def source(base_url: str) -> Source:
    return Source(
        base_urls=(base_url,), files=("SDN.CSV", "ALT.CSV"), limits=DownloadLimits(timeout_s=0.5, deadline_s=5)
    )


def run(source: Source, clock: SteppedClock) -> Loaded:
    return refresh(source=source, actor="test", now=clock.now())


def status(code: int) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def truncated(request: BaseHTTPRequestHandler) -> None:
    """Promises more than it sends."""
    data = csv(*people(20))
    request.send_response(200)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data[: len(data) // 2])
    request.close_connection = True


def unfinished(request: BaseHTTPRequestHandler) -> None:
    """Ends with the connection, between two rows: nothing but the end mark is missing."""
    request.send_response(200)
    request.end_headers()
    request.wfile.write(csv(*people(19)).removesuffix(b"\x1a"))


def silent(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "10")
    request.end_headers()
    time.sleep(1.5)


def page(request: BaseHTTPRequestHandler) -> None:
    """What a portal says when it is down."""
    data = b"<html>\n<body>Down for maintenance</body>\n</html>\n"
    request.send_response(200)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(10**12))
    request.end_headers()


def test_a_list_is_fetched_and_put_in_force(source: Source, clock: SteppedClock) -> None:
    loaded = run(source, clock)
    [version] = current.stored(now=clock.now()).versions
    assert (version.id, version.counts.entities, version.counts.names) == (loaded.version_id, 20, 40)
    assert (version.published, version.fetched_at) == (date(2026, 10, 30), clock.now())
    assert ListFetch.objects.count() == 2


def test_what_did_not_change_is_not_sent_again_and_counts_as_fresh(
    source: Source, clock: SteppedClock, publisher: Publisher
) -> None:
    first = run(source, clock)
    assert publisher.statuses() == [200, 200]
    again = refresh(source=source, actor="test", now=clock.advance(hours=6))
    assert publisher.statuses() == [304, 304]
    assert (again.unchanged, again.version_id) == (True, first.version_id)
    assert current.stored(now=clock.now()).age.total_seconds() == 0


def test_of_two_files_the_one_that_changed_is_sent(source: Source, clock: SteppedClock, publisher: Publisher) -> None:
    run(source, clock)
    publisher.statuses()
    publisher.files["sdn.csv"] = csv(*people(21))
    loaded = run(source, clock)
    assert publisher.statuses() == [200, 304]
    assert loaded.delta.counts() == {"added": 1, "removed": 0, "changed": 0}
    assert store.files_of(loaded.version_id) == publisher.files


def test_after_another_load_nothing_is_taken_for_known(
    source: Source, clock: SteppedClock, publisher: Publisher
) -> None:
    run(source, clock)
    store.load({"sdn.csv": csv(*people(30))}, published=None, actor="amina", now=clock.now(), allow_shrink=True)
    publisher.statuses()
    publisher.files["sdn.csv"] = csv(*people(31))
    run(source, clock)
    assert publisher.statuses() == [200, 200]


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (status(500), Unavailable, "answered 500"),
        (status(404), Unavailable, "answered 404"),
        (status(304), Unavailable, "answered 304"),
        (truncated, Unavailable, "RemoteProtocolError"),
        (unfinished, Unavailable, "no length was stated"),
        (silent, Unavailable, "ReadTimeout"),
        (endless, Unavailable, "1000000000000 bytes, and 209715200 are allowed"),
        (page, BadInput, "3 of 3 rows cannot be read"),
    ],
    ids=["500", "404", "304", "truncated", "unfinished", "silent", "endless", "page"],
)
def test_whatever_goes_wrong_the_list_stays_and_one_alarm_is_raised(
    source: Source, clock: SteppedClock, publisher: Publisher, answer: Answer, error: type[FiatRailsError], says: str
) -> None:
    before = run(source, clock)
    ListFetch.objects.all().delete()
    publisher.answers["sdn.csv"] = answer
    with capture_logs() as logged:
        for _ in range(2):
            with pytest.raises(error, match=says):
                run(source, clock)
    lists = current.stored(now=clock.now())
    assert (lists.ids, ListVersion.objects.count()) == ((before.version_id,), 1)
    assert sum(entry["event"] == "lists.refresh_failed" for entry in logged) == 2
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.subject, letter.attempts) == ("refreshLists", "ofac", 2)
    assert says in letter.last_error
    assert (letter.error_class == "temporary") == (error is Unavailable)


def test_the_alarm_ends_when_a_refresh_works_and_begins_anew_when_it_does_not(
    source: Source, clock: SteppedClock, publisher: Publisher
) -> None:
    publisher.answers["sdn.csv"] = status(500)
    assert run_job(clock, source) == "failed: list_not_downloaded"
    publisher.answers.clear()
    assert run_job(clock, source) == "20 added, 0 removed, 0 changed"
    assert dead_letters.depth() == 0
    assert DeadLetter.objects.get().reason == "the list was refreshed"
    assert run_job(clock, source) == "unchanged"
    publisher.answers["alt.csv"] = status(500)
    run_job(clock, source)
    assert dead_letters.depth() == 1


def test_a_shrunk_list_is_refused_with_an_alarm_that_needs_a_person(
    source: Source, clock: SteppedClock, publisher: Publisher
) -> None:
    run(source, clock)
    publisher.files["sdn.csv"] = csv(*people(9))
    with pytest.raises(Conflict, match="9 entities where 20 are in force"):
        run(source, clock)
    assert current.stored(now=clock.now()).versions[0].counts.entities == 20
    assert DeadLetter.objects.get().error_class == "permanent"
    publisher.statuses()
    with pytest.raises(Conflict):
        run(source, clock)
    assert publisher.statuses() == [200, 304]


def test_a_mirror_that_falls_behind_does_not_undo_a_listing(
    source: Source, clock: SteppedClock, publisher: Publisher
) -> None:
    run(source, clock)
    old = dict(publisher.files)
    publisher.files["sdn.csv"] = csv(*people(21))
    run(source, clock)
    publisher.files = old
    with pytest.raises(Conflict, match="was superseded"):
        run(source, clock)
    publisher.files = old | {"sdn.csv": csv(*people(22))}
    publisher.modified = "Thu, 29 Oct 2026 10:00:00 GMT"
    with pytest.raises(Conflict, match="it is of 2026-10-29"):
        run(source, clock)


def test_a_second_place_is_asked_when_the_first_does_not_have_all(
    source: Source, clock: SteppedClock, publisher: Publisher, base_url: str
) -> None:
    """A list is never put together from two places."""
    asked: list[str] = []

    def first_fails(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if len(asked) == 1:
            status(503)(request)
        else:
            del publisher.answers["alt.csv"]
            publisher.serve(request)

    publisher.answers["alt.csv"] = first_fails
    both = replace(source, base_urls=(f"{base_url}/first", f"{base_url}/second/"))
    run(both, clock)
    assert asked == ["/ofac/first/ALT.CSV", "/ofac/second/ALT.CSV"]
    assert [name for name, _ in publisher.requests if name == "sdn.csv"] == ["sdn.csv"] * 2
    assert set(ListFetch.objects.values_list("url", flat=True)) == {
        f"{base_url}/second/SDN.CSV",
        f"{base_url}/second/ALT.CSV",
    }


def test_no_transaction_is_open_while_the_network_is_asked(source: Source, clock: SteppedClock) -> None:
    open_inside: list[bool] = []
    refresh(
        source=source,
        actor="test",
        now=clock.now(),
        progress=lambda *_: open_inside.append(connection.in_atomic_block),
    )
    assert open_inside
    assert not any(open_inside)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_urls": ("http://lists.example/",)},
        {"base_urls": ()},
        {"files": ()},
        {"files": ("sdn.csv.zip",)},
    ],
)
def test_a_source_that_is_set_up_wrongly_is_told_and_asked_nothing(
    source: Source, clock: SteppedClock, publisher: Publisher, wrong: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(Misconfigured):
        run(replace(source, **wrong), clock)  # type: ignore[arg-type]
    assert publisher.requests == []
    assert dead_letters.depth() == 1


def test_where_no_place_is_configured_the_job_is_off(source: Source, clock: SteppedClock) -> None:
    assert run_job(clock, replace(source, base_urls=())) == "off"
    assert dead_letters.depth() == 0


def test_where_no_money_is_nothing_is_fetched_by_default() -> None:
    assert configured().base_urls == ()


def test_where_money_is_the_source_by_default_is_ofac_over_https(monkeypatch: pytest.MonkeyPatch) -> None:
    live = replace(settings.FIATRAILS, env="production", screening=ScreeningConfig(enabled=True))
    monkeypatch.setattr(settings, "FIATRAILS", live)
    source = configured()
    source.require_usable()
    assert all(url.startswith("https://") for url in source.base_urls)
    assert {"SDN.CSV", "ALT.CSV", "ADD.CSV", "SDN_COMMENTS.CSV"} <= set(source.files)
