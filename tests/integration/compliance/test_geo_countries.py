"""Countries of addresses from real files: what ships with geoip2fast, and the MaxMind format."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import maxminddb.extension
import pytest
from structlog.testing import capture_logs

from fiatrails.compliance.geo.bundled import BundledCountries, _bundled_path
from fiatrails.compliance.geo.countries import Located, NoCountry, country_source, locate
from fiatrails.compliance.geo.maxmind import MaxMindCountries
from fiatrails.kernel.countries import ALPHA2
from fiatrails.kernel.errors import Misconfigured
from tests.kit.mmdb import mmdb
from tests.kit.processes import ROOT

US, KE = {"country": {"iso_code": "US"}}, {"country": {"iso_code": "KE"}}
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def bundled() -> BundledCountries:
    return BundledCountries()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a file with these records in place of the last one, as publishers' tools do: by renaming."""
    path = tmp_path / "countries.mmdb"

    def put(records: Mapping[str, Any], **more: Any) -> Path:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(mmdb(records, **more))
        fresh.replace(path)
        return path

    return put


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("8.8.8.8", "US"),
        ("41.90.64.1", "KE"),
        ("2001:4860:4860::8888", "US"),
        ("2c0f:fe38::1", "KE"),
        ("::ffff:41.90.64.1", "KE"),
        ("41.90.64.1:443", "KE"),
        ("[2c0f:fe38::1]:443", "KE"),
    ],
)
def test_the_bundled_data_knows_both_versions(bundled: BundledCountries, text: str, country: str) -> None:
    assert locate(text, bundled) == Located(country)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.1", NoCountry.PRIVATE),
        ("100.64.0.1", NoCountry.PRIVATE),
        ("192.0.2.1", NoCountry.PRIVATE),
        ("255.255.255.255", NoCountry.PRIVATE),
        ("0.0.0.0", NoCountry.PRIVATE),
        ("fe80::1", NoCountry.PRIVATE),
        ("fc00::1", NoCountry.PRIVATE),
        ("2001:db8::1", NoCountry.PRIVATE),
        ("::", NoCountry.PRIVATE),
        ("::8.8.8.8", NoCountry.UNMAPPED),
        ("2002:808:808::1", NoCountry.UNMAPPED),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NoCountry.PRIVATE),
        ("3fff:ffff::1", NoCountry.UNMAPPED),
        ("", NoCountry.INVALID),
        ("010.1.1.1", NoCountry.INVALID),
        ("1.2", NoCountry.INVALID),
    ],
)
def test_the_bundled_data_answers_for_every_kind_of_address(
    bundled: BundledCountries, text: str, why: NoCountry
) -> None:
    """The library says `--` or the empty text for all of these, and a country for some that are no addresses."""
    assert locate(text, bundled) == Located(unknown=why)


def test_twenty_thousand_addresses_are_where_the_library_itself_says(bundled: BundledCountries) -> None:
    """In a process of its own: importing the library changes the environment of the one that does."""
    order = random.Random(7)
    four = [str(IPv4Address(order.getrandbits(32))) for _ in range(10_000)]
    six = [str(IPv6Address(0x2 << 124 | order.getrandbits(124))) for _ in range(5_000)]
    firsts = order.sample(range(len(bundled._high)), 5_000)
    six += [str(IPv6Address(bundled._high[at] << 64 | bundled._low[at])) for at in firsts]
    script = (
        "import json, sys; from geoip2fast import GeoIP2Fast; g = GeoIP2Fast(geoip2fast_data_file=sys.argv[1]);"
        "print(json.dumps([g.lookup(a).country_code for a in json.load(sys.stdin)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(_bundled_path())],
        input=json.dumps(four + six),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    expected = json.loads(done.stdout)
    found = [locate(text, bundled).country for text in four + six]
    differing = [
        (text, theirs, ours)
        for text, theirs, ours in zip(four + six, expected, found, strict=True)
        if (theirs if theirs in ALPHA2 else "") != ours
    ]
    assert differing == []
    assert sum(map(bool, found)) > 10_000


def test_loading_the_bundled_data_leaves_the_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name in the working directory is not preferred, and the library's import is not run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "geoip2fast-ipv6.dat.gz").write_bytes(b"not the data")
    before = dict(os.environ)
    assert locate("8.8.8.8", BundledCountries()).country == "US"
    assert "geoip2fast" not in sys.modules
    assert dict(os.environ) == before


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "ran")


def test_a_data_file_cannot_run_anything(tmp_path: Path) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(pickle.dumps((120, {}, 0, Harmful(tmp_path / "ran")))))
    with pytest.raises(Misconfigured, match="GEOIP_DATABASE"):
        BundledCountries(path)
    assert not (tmp_path / "ran").exists()


# Named, because what gzip writes holds the time, and workers tell tests apart by their ids.
BROKEN = {
    "empty": b"",
    "text": b"text",
    "packed text": gzip.compress(b"text"),
    "another version": gzip.compress(pickle.dumps((121, 0, 0, 0))),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_bundled_data_of_another_kind_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="GEOIP_DATABASE"):
        BundledCountries(path)


def test_the_source_is_loaded_once_and_says_that_its_data_is_not_yours() -> None:
    country_source.cache_clear()
    with capture_logs() as lines:
        first, second = country_source(None), country_source(None)
    assert first is second
    assert [line["event"] for line in lines] == ["geo.bundled_data"]
    assert "GeoLite2-Country" in lines[0]["origin"]
    country_source.cache_clear()


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country": {"iso_code": "KE"}, "registered_country": {"iso_code": "US"}}, "KE"),
        ({"registered_country": {"iso_code": "US"}}, ""),
        ({"country": "KE"}, "KE"),
        ({"country": "Kenya", "country_code": "ke"}, "KE"),
        ({"country": {"names": {"en": "Kenya"}}}, ""),
        ({"country": {"iso_code": "EU"}}, ""),
        ({}, ""),
        ("KE", ""),
    ],
)
def test_a_record_of_any_publisher_is_read(write: Write, record: object, country: str) -> None:
    """Not by where the network's owner is registered: its users may be anywhere."""
    assert locate("203.0.113.9", MaxMindCountries(write({"203.0.113.0/24": record}))).country == country


def test_the_longest_network_decides_in_both_versions(write: Write) -> None:
    countries = MaxMindCountries(write({"41.0.0.0/8": US, "41.90.0.0/16": KE, "2c0f::/16": US, "2c0f:fe38::/32": KE}))
    asked = ["41.1.1.1", "41.90.1.1", "::ffff:41.90.1.1", "2c0f:1::1", "2c0f:fe38::1", "8.8.8.8"]
    assert [locate(text, countries).country for text in asked] == ["US", "KE", "KE", "US", "KE", ""]


def test_a_file_without_ipv6_does_not_know_ipv6(write: Write) -> None:
    countries = MaxMindCountries(write({"8.0.0.0/8": US}, ip_version=4))
    assert locate("8.8.8.8", countries).country == "US"
    assert locate("2a00::1", countries) == Located(unknown=NoCountry.UNMAPPED)


def test_a_private_network_in_the_file_is_believed(write: Write) -> None:
    """An operator who maps an office network means it."""
    assert locate("10.1.2.3", MaxMindCountries(write({"10.0.0.0/8": KE}))).country == "KE"


def test_a_replaced_file_is_read_at_the_next_question(write: Write) -> None:
    countries = MaxMindCountries(write({"8.8.8.0/24": US}))
    assert locate("8.8.8.8", countries).country == "US"
    write({"8.8.8.0/24": KE}, build_epoch=1_800_000_000)
    assert locate("8.8.8.8", countries).country == "KE"
    assert countries.built_at == "2027-01-15T08:00:00.000Z"


@pytest.mark.parametrize("harm", ["gone", "half", "text", "empty"])
def test_a_file_that_cannot_be_read_leaves_the_last_one_in_force_and_says_so_once(write: Write, harm: str) -> None:
    path = write({"8.8.8.0/24": US})
    countries = MaxMindCountries(path)
    with capture_logs() as lines:
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes({"half": path.read_bytes()[:-40], "text": b"not a database", "empty": b""}[harm])
        assert [locate("8.8.8.8", countries).country for _ in range(3)] == ["US"] * 3
    assert [line["event"] for line in lines] == ["geo.database_unreadable"]
    write({"8.8.8.0/24": KE})
    assert locate("8.8.8.8", countries).country == "KE"


OVERWRITTEN = """
import sys
from pathlib import Path
from fiatrails.compliance.geo.countries import locate
from fiatrails.compliance.geo.maxmind import MaxMindCountries
path = Path(sys.argv[1])
countries = MaxMindCountries(path)
with path.open("r+b") as file:
    file.truncate(10)
print("found", locate("8.8.8.8", countries).country)
"""


def test_a_file_that_is_overwritten_in_place_ends_no_process(write: Write) -> None:
    """Under a memory map of the file itself the next look-up would be a bus error."""
    path = write({f"8.{n}.0.0/16": US for n in range(256)})
    command = [sys.executable, "-c", OVERWRITTEN, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "found US")
    assert list(path.parent.iterdir()) == [path]


def test_look_ups_go_on_while_the_file_is_replaced(write: Write) -> None:
    countries = MaxMindCountries(write({"8.8.8.0/24": US}))
    stop = threading.Event()

    def ask() -> set[str]:
        found = set()
        while not stop.is_set():
            found.add(locate("8.8.8.8", countries).country)
        return found

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask) for _ in range(8)]
        for turn in range(30):
            write({"8.8.8.0/24": (US, KE)[turn % 2]})
        stop.set()
        seen = set().union(*(each.result(timeout=30) for each in asking))
    assert seen <= {"US", "KE"}
    assert locate("8.8.8.8", countries).country == "KE"


@pytest.mark.parametrize("content", [None, b"", b"not a database"])
def test_a_configured_file_that_cannot_be_read_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "countries.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="GEOIP_DATABASE"):
        MaxMindCountries(path)


def test_without_a_directory_for_the_copy_the_file_is_read_into_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write({"8.8.8.0/24": US})

    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("fiatrails.compliance.geo.maxmind.tempfile.NamedTemporaryFile", nowhere)
    assert locate("8.8.8.8", MaxMindCountries(path)).country == "US"


def test_the_quick_reader_is_in_use(write: Write) -> None:
    """The one in Python answers a tenth as fast."""
    assert type(MaxMindCountries(write({"8.8.8.0/24": US}))._reader) is maxminddb.extension.Reader
