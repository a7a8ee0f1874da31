"""Downloading: whole or not at all, over https, within bounds. No network: the transport is a function."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import date

import httpx
import pytest

from fiatrails.kernel.errors import Misconfigured
from fiatrails.screening.lists.download import (
    DownloadFailed,
    DownloadLimits,
    Fetched,
    Validators,
    client,
    fetch,
    require_safe,
    shown,
)

URL = "https://lists.example/ofac/sdn.csv"
Answer = Callable[[httpx.Request], httpx.Response]


class Stream(httpx.SyncByteStream):
    """A body in chunks, without a length."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


def get(
    answer: Answer, *, url: str = URL, known: Validators | None = None, limits: DownloadLimits | None = None
) -> Fetched:
    bounds = limits or DownloadLimits()
    with client(bounds, httpx.MockTransport(answer)) as http:
        return fetch(http, url, known=known or Validators(), limits=bounds)


def redirect_to(location: str) -> Answer:
    return lambda request: (
        httpx.Response(200, content=b"x\x1a")
        if str(request.url) == location
        else httpx.Response(302, headers={"location": location})
    )


def test_a_file_comes_with_what_is_to_be_said_next_time() -> None:
    headers = {"etag": '"7"', "last-modified": "Fri, 20 Nov 2026 10:00:00 GMT"}
    fetched = get(lambda _: httpx.Response(200, content=b"x", headers=headers))
    assert fetched == Fetched(URL, b"x", Validators('"7"', headers["last-modified"]))
    assert fetched.day == date(2026, 11, 20)


@pytest.mark.parametrize("text", ["", "yesterday", "Fri, 99 Nov 2026 10:00:00 GMT"])
def test_a_day_that_is_not_understood_is_none(text: str) -> None:
    assert Fetched(URL, b"", Validators("", text)).day is None


def test_what_is_known_is_asked_for_conditionally_and_not_sent_again() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["if-none-match"] == '"7"'
        assert request.headers["if-modified-since"] == "Fri, 20 Nov 2026 10:00:00 GMT"
        return httpx.Response(304)

    known = Validators('"7"', "Fri, 20 Nov 2026 10:00:00 GMT")
    assert get(answer, known=known) == Fetched(URL, None, known)


def test_nothing_new_about_what_nobody_has_is_a_failure() -> None:
    with pytest.raises(DownloadFailed, match="answered 304"):
        get(lambda _: httpx.Response(304))


@pytest.mark.parametrize("status", [204, 206, 403, 404, 429, 500, 503])
def test_any_other_answer_is_a_failure(status: int) -> None:
    with pytest.raises(DownloadFailed, match=f"https://lists.example/ofac/sdn.csv: answered {status}"):
        get(lambda _: httpx.Response(status, content=b"36,A\x1a"))


def raise_timeout(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


def test_a_transport_error_is_a_failure_by_name() -> None:
    with pytest.raises(DownloadFailed, match=r"sdn\.csv: ReadTimeout"):
        get(raise_timeout)
    with pytest.raises(DownloadFailed, match="DecodingError"):
        get(lambda _: httpx.Response(200, stream=Stream(b"no gzip"), headers={"content-encoding": "gzip"}))


def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    limits = DownloadLimits(max_bytes=1_000)
    with pytest.raises(DownloadFailed, match="1001 bytes, and 1000 are allowed"):
        get(lambda _: httpx.Response(200, content=b"x" * 1_001), limits=limits)
    bomb = gzip.compress(b"x" * 10_000)
    with pytest.raises(DownloadFailed, match="1000 are allowed"):
        get(lambda _: httpx.Response(200, content=bomb, headers={"content-encoding": "gzip"}), limits=limits)
    assert get(lambda _: httpx.Response(200, content=b"x" * 1_000), limits=limits).data == b"x" * 1_000


def test_a_server_that_drips_is_given_up() -> None:
    with pytest.raises(DownloadFailed, match="not done after 0 s"):
        get(lambda _: httpx.Response(200, content=b"x"), limits=DownloadLimits(deadline_s=0))


@pytest.mark.parametrize(
    ("end", "whole"), [(b"\r\n\x1a", True), (b"\x1a\r\n", True), (b"</sdnList>\n", True), (b"\r\n", False)]
)
def test_a_body_without_a_length_must_end_as_such_files_do(end: bytes, whole: bool) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Stream(b"36,A", end))

    if whole:
        assert get(answer).data == b"36,A" + end
    else:
        with pytest.raises(DownloadFailed, match="no length was stated"):
            get(answer)


def test_redirects_are_followed_to_https_only() -> None:
    assert get(redirect_to("https://bucket.example/sdn.csv?signature=1")).url == URL
    for unsafe in (
        "http://lists.example/sdn.csv",
        "http://127.0.0.1/sdn.csv",
        "https://localhost/sdn.csv",
        "ftp://x/y",
    ):
        with pytest.raises(DownloadFailed, match="redirected to"):
            get(redirect_to(unsafe))


def test_a_circle_of_redirects_ends() -> None:
    with pytest.raises(DownloadFailed, match="more than 5 redirects"):
        get(lambda _: httpx.Response(302, headers={"location": URL}))


@pytest.mark.parametrize(
    "url", ["http://lists.example/", "ftp://lists.example/", "https:///x", "lists.example", "file:///etc"]
)
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(Misconfigured, match="over https only"):
        require_safe(url)
    require_safe("http://127.0.0.1:8000/ofac")


def test_credentials_are_never_shown() -> None:
    assert (
        shown("https://user:secret@lists.example:8443/a/sdn.csv?key=secret#x") == "https://lists.example:8443/a/sdn.csv"
    )
    with pytest.raises(DownloadFailed) as failed:
        get(lambda _: httpx.Response(403), url="https://user:secret@lists.example/sdn.csv?key=secret")
    assert "secret" not in str(failed.value)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int | None]] = []
    with client(DownloadLimits(), httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 10))) as http:
        fetch(http, URL, known=Validators(), limits=DownloadLimits(), progress=lambda *args: told.append(args))
    assert told[-1] == ("sdn.csv", 10, 10)
