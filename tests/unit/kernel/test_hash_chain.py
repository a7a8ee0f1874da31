"""The chain walk: finds the first link that does not hold, whatever was done to it."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.hash_chain import GENESIS, Anchor, ChainWalk, StoredLink, content

fields = st.lists(st.text(max_size=12), max_size=4).map(tuple)


def chain(contents: list[tuple[str, ...]]) -> list[StoredLink]:
    links, previous = [], GENESIS
    for seq, covered in enumerate(contents, start=1):
        digest = hashlib.sha256(previous + content((str(seq), *covered))).digest()
        links.append(StoredLink(seq, previous, digest, covered))
        previous = digest
    return links


def walked(links: list[StoredLink], anchor: Anchor | None = None) -> ChainWalk:
    walk = ChainWalk(anchor=anchor)
    walk.follow(links)
    walk.finish()
    return walk


@given(fields, fields)
def test_only_equal_fields_have_equal_content(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (content(one) == content(other)) == (one == other)


@given(st.lists(fields, max_size=8))
def test_an_intact_chain_holds(contents: list[tuple[str, ...]]) -> None:
    links = chain(contents)
    walk = walked(links, Anchor(links[-1].seq, links[-1].digest) if links else None)
    assert (walk.broken, walk.seq) == (None, len(contents))


@given(st.lists(fields, min_size=2, max_size=8), st.data())
def test_the_first_fault_is_named(contents: list[tuple[str, ...]], data: st.DataObject) -> None:
    links = chain(contents)
    at = data.draw(st.integers(0, len(links) - 1))
    faults = [
        replace(links[at], fields=(*contents[at], "more")),
        replace(links[at], fields=None),
        replace(links[at], digest=bytes(31) + b"x"),
        replace(links[at], previous=bytes(31) + b"x"),
        replace(links[at], seq=99),
    ]
    links[at] = data.draw(st.sampled_from(faults))
    assert walked(links).broken == at + 1


@given(st.lists(fields, min_size=2, max_size=8), st.data())
def test_a_removed_link_is_missed(contents: list[tuple[str, ...]], data: st.DataObject) -> None:
    links = chain(contents)
    end = Anchor(links[-1].seq, links[-1].digest)
    at = data.draw(st.integers(0, len(links) - 1))
    del links[at]
    assert walked(links, end).broken == at + 1


@pytest.mark.parametrize("digest", [bytes(32), b""])
def test_a_chain_rewritten_from_the_start_differs_from_its_anchor(digest: bytes) -> None:
    assert walked(chain([("a",), ("b",)]), Anchor(2, digest)).broken == 2
