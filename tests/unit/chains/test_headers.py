"""Linked headers: only what links by parent hash is canonical."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from fiatrails.chains.evm.submitter.headers import MAX_NEW_HEADERS, Header, HeaderChain, follow, parse_header


class Node:
    """A chain that can be rewritten."""

    def __init__(self, height: int) -> None:
        self.headers: dict[int, Header] = {}
        self.grow(height, "a")

    def grow(self, blocks: int, branch: str) -> None:
        for _ in range(blocks):
            number = len(self.headers)
            parent = self.headers[number - 1].hash if number else "genesis"
            self.headers[number] = Header(number, f"{branch}{number}<{parent[:24]}", parent)

    def rewrite(self, depth: int, blocks: int, branch: str) -> None:
        # The first block is never rewritten.
        for number in range(max(1, len(self.headers) - depth), len(self.headers)):
            del self.headers[number]
        self.grow(blocks, branch)

    @property
    def head(self) -> Header:
        return self.headers[len(self.headers) - 1]

    def fetch(self, numbers: Sequence[int]) -> list[Header | None]:
        return [self.headers.get(number) for number in numbers]


def _follow(node: Node, known: HeaderChain, floor: int) -> HeaderChain:
    return follow(known, head=node.head, floor=floor, fetch=node.fetch)


def test_from_nothing_it_links_from_the_floor_to_the_head() -> None:
    node = Node(50)
    chain = _follow(node, HeaderChain({}), 40)
    assert sorted(chain.headers) == list(range(40, 50))
    assert chain.holds(45, node.headers[45].hash) is True
    assert chain.holds(45, "other") is False
    assert chain.holds(39, node.headers[39].hash) is None


def test_a_rewritten_part_is_replaced_and_the_rest_kept() -> None:
    node = Node(50)
    known = _follow(node, HeaderChain({}), 40)
    old = node.headers[47].hash
    node.rewrite(3, 5, "b")
    chain = _follow(node, known, 40)
    assert chain.holds(47, old) is False
    assert chain.headers[46] is known.headers[46]
    assert chain.tip == node.head


def test_a_node_that_is_behind_changes_nothing() -> None:
    node = Node(50)
    known = _follow(node, HeaderChain({}), 40)
    behind = node.headers[44]
    assert follow(known, head=behind, floor=40, fetch=node.fetch) is known


def test_a_node_that_changes_its_mind_while_asked_is_not_believed() -> None:
    node, other = Node(50), Node(45)
    other.rewrite(10, 20, "b")
    known = _follow(node, HeaderChain({}), 40)
    assert follow(known, head=other.head, floor=40, fetch=node.fetch) is known


def test_a_shorter_chain_forgets_what_was_above() -> None:
    node = Node(50)
    known = _follow(node, HeaderChain({}), 40)
    node.rewrite(5, 2, "b")
    chain = _follow(node, known, 40)
    assert chain.tip == node.head
    assert max(chain.headers) == 46


def test_a_long_absence_is_caught_up_in_bounded_steps() -> None:
    node = Node(20)
    chain = _follow(node, HeaderChain({}), 10)
    node.grow(3 * MAX_NEW_HEADERS, "a")
    looks = 0
    while chain.tip != node.head:
        chain, looks = _follow(node, chain, 10), looks + 1
    assert looks == 3
    assert sorted(chain.headers) == list(range(10, len(node.headers)))


def test_a_floor_that_falls_is_linked_downwards() -> None:
    node = Node(50)
    chain = _follow(node, _follow(node, HeaderChain({}), 45), 5)
    assert sorted(chain.headers) == list(range(5, 50))


moves = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 40)), max_size=12)


@given(moves)
def test_whatever_happens_it_ends_linked_and_equal_to_the_node(history: list[tuple[int, int, int]]) -> None:
    node, chain = Node(60), HeaderChain({})
    for number, (depth, blocks, floor) in enumerate(history):
        node.rewrite(depth, blocks, f"branch{number}-")
        if floor > node.head.number:
            continue
        for _ in range(3):
            chain = _follow(node, chain, floor)
        wanted = {n: h for n, h in node.headers.items() if n >= floor}
        # A chain that only became shorter looks like a node that is behind: what was above stays until it is replaced.
        assert {n: h for n, h in chain.headers.items() if floor <= n <= node.head.number} == wanted


def test_what_is_no_header_is_none() -> None:
    assert parse_header(None) is None
    assert parse_header({"number": "0x1", "hash": None, "parentHash": "0x"}) is None
    assert parse_header({"number": "0x1", "hash": "0xAA", "parentHash": "0xBB"}) == Header(1, "0xaa", "0xbb")
