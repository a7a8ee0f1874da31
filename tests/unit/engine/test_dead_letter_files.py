"""Files in DLQ_DIR: whole, private, and never the reason for an error."""

import json
from pathlib import Path

from fiatrails.engine import dead_letter_files as mirror


def test_an_item_is_written_and_removed(tmp_path: Path) -> None:
    mirror.write(tmp_path, "DL-000001", {"operation": "executeMint"})
    path = tmp_path / "item-DL-000001.json"
    assert json.loads(path.read_text()) == {"operation": "executeMint"}
    assert path.stat().st_mode & 0o777 == 0o600
    mirror.remove(tmp_path, "DL-000001")
    mirror.remove(tmp_path, "DL-000001")
    assert list(tmp_path.iterdir()) == []


def test_only_wanted_files_are_kept(tmp_path: Path) -> None:
    for item_id in ("DL-000001", "DL-000002"):
        mirror.write(tmp_path, item_id, {})
    (tmp_path / "item-DL-000003.77.tmp").write_text("half")
    (tmp_path / "notes.txt").write_text("an operator's own")
    mirror.keep_only(tmp_path, {"DL-000002"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item-DL-000002.json", "notes.txt"]


def test_the_directory_is_created(tmp_path: Path) -> None:
    with mirror.exclusive(tmp_path / "a" / "b"):
        mirror.write(tmp_path / "a" / "b", "DL-000001", {})
    assert mirror.file_of(tmp_path / "a" / "b", "DL-000001").exists()


def test_a_disk_that_fails_is_only_logged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with mirror.best_effort("DL-000001"), mirror.exclusive(tmp_path / "file"):
        raise AssertionError("not reached")
