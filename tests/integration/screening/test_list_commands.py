"""`fiatrails lists`, called as a person calls it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fiatrails.screening.lists.models import ListVersion
from fiatrails.screening.lists.sample import sample_files
from tests.kit.commands import Run, invoke
from tests.unit.screening.list_files import csv, people

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def run() -> Run:
    return lambda *arguments: invoke(["lists", *map(str, arguments)])


def written(directory: Path, count: int) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "SDN.CSV").write_bytes(csv(*people(count)))
    (directory / "README.md").write_text("not a list")
    return directory


def test_a_directory_is_loaded_and_shown(run: Run, tmp_path: Path) -> None:
    loaded = run("load", written(tmp_path, 20), "--as-of", "2026-01-30", "--actor", "amina", "--json")
    assert loaded.code == 0, loaded.err
    assert loaded.document["delta"] == {"added": 20, "removed": 0, "changed": 0}
    [shown] = run("status", "--json").document["lists"]
    assert (shown["source"], shown["published"], shown["entities"], shown["isSample"]) == (
        "ofac",
        "2026-01-30",
        20,
        False,
    )
    assert shown["ageHours"] == 0.0
    assert ListVersion.objects.get().activated_by == "amina"
    table = run("status").out
    assert "2026-01-30" in table
    assert shown["digest"][:12] in table


def test_loading_again_says_that_nothing_changed(run: Run, tmp_path: Path) -> None:
    run("load", written(tmp_path, 20))
    again = run("load", tmp_path / "SDN.CSV")
    assert (again.code, "in force already" in again.out) == (0, True)


def test_a_shrunk_list_needs_a_word_and_a_reason(run: Run, tmp_path: Path) -> None:
    run("load", written(tmp_path, 20))
    files = written(tmp_path, 5)
    refused = run("load", files, "--json")
    assert (refused.code, refused.document["error"]) == (4, "list_refused")
    assert "--allow-shrink and --reason" in refused.err
    assert run("load", files, "--allow-shrink", "--yes", "--json").document["error"] == "reason_required"
    assert run("load", files, "--allow-shrink", "--reason", "announced").code == 1
    assert run("load", files, "--allow-shrink", "--reason", "announced", "--yes").code == 0
    assert ListVersion.objects.get(state="active").note == "announced"


def test_what_was_loaded_and_refused_is_told(run: Run, tmp_path: Path) -> None:
    run("load", written(tmp_path, 20))
    run("load", written(tmp_path, 5))
    run("load", written(tmp_path, 21))
    found = run("history", "--json").document["versions"]
    assert [version["state"] for version in found] == ["active", "refused", "superseded"]
    assert found[1]["note"].startswith("5 entities where 20 are in force")
    assert "superseded" in run("history", "--limit", "3").out
    difference = run("delta", found[2]["version"], found[0]["version"], "--json").document
    assert difference["added"] == [{"uid": "SDN:21", "name": "NAME21, Given"}]
    assert "+ SDN:21 NAME21, Given" in run("delta", found[2]["version"], found[0]["version"]).out
    assert run("delta", found[1]["version"], found[0]["version"]).code == 3


def test_without_a_list_the_status_is_negative(run: Run) -> None:
    shown = run("status", "--json")
    assert (shown.code, shown.document) == (1, {"lists": []})
    assert "run `fiatrails lists refresh`" in run("status").out


def test_the_sample_is_called_a_sample(run: Run, tmp_path: Path) -> None:
    for name, data in sample_files().items():
        (tmp_path / name).write_bytes(data)
    run("load", tmp_path)
    assert run("status", "--json").document["lists"][0]["isSample"] is True
    assert "warning: this is the bundled sample" in run("status").err


@pytest.mark.parametrize(
    ("name", "data", "options", "code", "error"),
    [
        ("sdn.csv", b"<html>", (), 2, "list_malformed"),
        ("sdn.csv", b"", (), 4, "list_refused"),
        ("notes.txt", b"", (), 2, "unknown_list_file"),
        ("sdn.csv", csv(*people(3)), ("--as-of", "tomorrow"), 2, "malformed_date"),
        ("sdn.csv", csv(*people(3)), ("--as-of", "9999-01-01"), 2, "list_from_the_future"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    run: Run, tmp_path: Path, name: str, data: bytes, options: tuple[str, ...], code: int, error: str
) -> None:
    (tmp_path / name).write_bytes(data)
    outcome = run("load", tmp_path / name, *options, "--json")
    assert (outcome.code, outcome.document["error"]) == (code, error)


def test_an_empty_directory_is_named(run: Run, tmp_path: Path) -> None:
    outcome = run("load", tmp_path)
    assert (outcome.code, "holds no file such as sdn.csv" in outcome.err) == (2, True)


def test_a_refresh_that_fails_says_where_and_keeps_the_list(run: Run, tmp_path: Path) -> None:
    run("load", written(tmp_path, 20))
    outcome = run("refresh", "--url", "http://127.0.0.1:1/ofac", "--file", "SDN.CSV", "--json")
    assert (outcome.code, outcome.document["error"]) == (5, "list_not_downloaded")
    assert "http://127.0.0.1:1/ofac/SDN.CSV: ConnectError" in outcome.err
    assert run("refresh", "--url", "http://lists.example").code == 6
    assert run("status").code == 0
