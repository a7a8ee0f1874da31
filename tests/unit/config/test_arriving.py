"""When a request counts as arrived."""

from __future__ import annotations

import pytest

from fiatrails.config.arriving import MAX_BODY_BYTES, MAX_HEAD_BYTES, Arriving, Progress

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
COMPLETE = {
    "no body": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length": HEAD + b"content-length: 3\r\n\r\nabc",
    "more than the length": HEAD + b"Content-Length:3\r\n\r\nabcGET",
    "a length that is none": HEAD + b"Content-Length: -1\r\n\r\n",
    "chunks": CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
    "chunks with extension and trailer": CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "a malformed chunk": CHUNKED + b"zz\r\n",
}
INCOMPLETE = {
    "nothing": (b"", Progress.HEAD),
    "half a head": (HEAD, Progress.HEAD),
    "half a body": (HEAD + b"Content-Length: 3\r\n\r\nab", Progress.BODY),
    "no last chunk": (CHUNKED + b"3\r\nabc\r\n", Progress.BODY),
    "no end of the last chunk": (CHUNKED + b"3\r\nabc\r\n0\r\n", Progress.BODY),
    "half a size line": (CHUNKED + b"3", Progress.BODY),
}


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_request_is_complete_at_its_last_byte_in_whatever_pieces_it_comes(name: str, step: int) -> None:
    raw = COMPLETE[name]
    arriving = Arriving(0)
    for at in range(0, len(raw), step):
        progress = arriving.feed(raw[at : at + step])
    assert (progress, bytes(arriving.data)) == (Progress.COMPLETE, raw)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_request_that_lacks_something_is_waited_for(name: str) -> None:
    raw, expected = INCOMPLETE[name]
    assert Arriving(0).feed(raw) is expected


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES,
        HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        CHUNKED + b"%x\r\n" % MAX_BODY_BYTES,
        CHUNKED + b"1\r\na\r\n" * MAX_BODY_BYTES,
    ],
)
def test_what_nobody_will_read_is_not_waited_for(raw: bytes) -> None:
    assert Arriving(0).feed(raw) is Progress.TOO_LARGE


def test_an_expectation_is_taken_out_and_the_body_still_ends_where_it_ends() -> None:
    arriving = Arriving(0)
    arriving.feed(HEAD + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
    assert arriving.take_expectation()
    assert not arriving.take_expectation()
    assert arriving.feed(b"ab") is Progress.BODY
    assert arriving.feed(b"c") is Progress.COMPLETE
    assert bytes(arriving.data) == HEAD + b"Content-Length: 3\r\n\r\nabc"
