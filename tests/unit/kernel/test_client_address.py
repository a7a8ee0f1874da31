"""Whose address a request comes from: what our own proxies wrote is believed, what a client wrote never is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fiatrails.kernel.client_address import UNREADABLE, client_address, client_ip

OURS = ("10.0.0.0/8", "fd00::/8")
CLIENT = "203.0.113.9"
Ask = Callable[..., str]


@pytest.fixture
def ask(settings: object) -> Ask:
    def address(forwarded: str | None = None, *, peer: str = "10.0.0.1", proxies: tuple[str, ...] = OURS) -> str:
        settings.TRUSTED_PROXIES = proxies  # type: ignore[attr-defined]
        return client_address(request(peer, forwarded))

    return address


def request(peer: str, forwarded: str | None) -> HttpRequest:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=peer, **headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["8.8.8.8", "8.8.8.8, 10.0.0.2", "nonsense", ",,,", "8.8.8.8\t"])
def test_what_a_client_writes_in_front_of_our_proxy_is_not_believed(ask: Ask, written: str) -> None:
    assert ask(f"{written}, {CLIENT}") == CLIENT
    assert ask(f"{written}, {CLIENT}, 10.0.0.7, 10.0.0.8") == CLIENT


def test_a_stranger_that_sends_the_header_is_himself(ask: Ask) -> None:
    assert ask("8.8.8.8", peer=CLIENT) == CLIENT
    assert ask("8.8.8.8", peer="10.0.0.1", proxies=()) == "10.0.0.1"


@pytest.mark.parametrize("hop", ["", " ", "unknown", "_hidden", "203.0.113", "010.1.1.1", "203.0.113.9;8.8.8.8"])
def test_a_hop_that_cannot_be_read_ends_the_walk_with_nobody(ask: Ask, hop: str) -> None:
    """Passing over it would believe what stands to the left, which the client wrote."""
    assert ask(f"8.8.8.8, {hop}, 10.0.0.7") == UNREADABLE
    assert client_ip(request("10.0.0.1", f"8.8.8.8,{hop}")) is None


def test_ports_brackets_and_ipv4_inside_ipv6_are_the_same_client(ask: Ask) -> None:
    for written in (f"{CLIENT}:5060", f"[::ffff:{CLIENT}]:5060", f" ::ffff:{CLIENT} "):
        assert ask(written) == CLIENT
    assert ask(CLIENT, peer="::ffff:10.0.0.1") == CLIENT
    assert ask("[2001:db8::1]:443", peer="fd00::1") == "2001:db8::1"


def test_without_a_header_the_proxy_itself_is_the_client(ask: Ask) -> None:
    assert ask() == ask("") == ask("  ") == "10.0.0.1"
    assert ask("10.0.0.3, 10.0.0.2") == "10.0.0.3"


@pytest.mark.parametrize("peer", ["", "unix:", "nonsense"])
def test_a_peer_that_is_no_address_is_nobody(ask: Ask, peer: str) -> None:
    assert ask("8.8.8.8", peer=peer) == UNREADABLE


def test_a_header_of_any_length_is_walked_a_few_steps(ask: Ask) -> None:
    endless = ", ".join(["8.8.8.8"] + ["10.0.0.2"] * 100_000)
    assert ask(endless) == UNREADABLE
    assert ask(f"{endless}, {CLIENT}") == CLIENT
    assert ask("8" * 1_000_000) == UNREADABLE
    assert ask(", ".join([CLIENT] + ["10.0.0.2"] * 8)) == CLIENT


def test_several_headers_are_one_list(ask: Ask) -> None:
    """WSGI servers join repeated headers with commas, in their order."""
    assert ask(f"8.8.8.8,{CLIENT}") == CLIENT


HOPS = st.one_of(
    st.sampled_from(["10.0.0.2", "fd00::1", "8.8.8.8", "2001:db8::1", "unknown", "", "10.0.0.2:80"]),
    st.text(alphabet="0123456789abcdef.:[]% ,;x", max_size=12),
)


@given(st.lists(HOPS, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_a_client_writes_changes_who_it_is(ask: Ask, written: list[str]) -> None:
    forged = ", ".join([*written, CLIENT])
    assert ask(forged) == CLIENT
    assert ask(forged, peer=CLIENT) == CLIENT


@given(st.text(max_size=300), st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_it_fail(ask: Ask, forwarded: str, peer: str) -> None:
    assert ask(forwarded)
    assert ask(forwarded, peer=peer)
