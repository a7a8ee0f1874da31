"""Addresses as clients and proxies write them: one meaning, or none."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.networks import parse_address

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None))  # type: ignore[union-attr]
PORTS = st.integers(0, 65535)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("\t203.0.113.9 ", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("::ffff:cb00:7109", "203.0.113.9"),
    ],
)
def test_an_address_is_the_same_however_it_is_dressed(text: str, expected: str) -> None:
    assert parse_address(text) == ip_address(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "localhost",
        "203.0.113",
        "203.0.113.9.1",
        "203.0.113.256",
        "010.1.1.1",
        "0x8.8.8.8",
        "134744072",
        "1.2",
        "203.0.113.9:",
        "203.0.113.9:80:90",
        "203.0.113.9/32",
        "[203.0.113.9]",
        "[203.0.113.9]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]443",
        "203.0.113.9%eth0",
        "203.0.113.9, 198.51.100.1",
        "203.0.113.9 198.51.100.1",
        "203.0.113.9\n",
        "203.0.113.9\x00",
        "２０３.0.113.9",
        "١.2.3.4",
        "for=203.0.113.9",
        "a" * 10_000,
        "1" * 97,
    ],
)
def test_what_is_no_single_address_is_none(text: str) -> None:
    """Octal, shortened and hexadecimal forms are addresses to some readers, other ones to others."""
    assert parse_address(text) is None


@given(ADDRESSES, PORTS)
def test_a_port_changes_nothing(address: IPv4Address | IPv6Address, port: int) -> None:
    dressed = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert parse_address(dressed) == parse_address(str(address)) == address


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_ipv4(address: IPv4Address) -> None:
    assert parse_address(f"::ffff:{address}") == address


@given(st.text(max_size=120))
def test_no_text_makes_it_fail(text: str) -> None:
    found = parse_address(text)
    assert found is None or parse_address(str(found)) == found
