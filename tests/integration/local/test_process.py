"""ManagedProcess: the whole group goes, and nobody else's process does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fiatrails.local.process import ManagedProcess, ProcessFailedError, ProcessRecord

# A leader with one child that ignores SIGTERM; prints the child's pid.
FAMILY = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"],
    stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def family(directory: Path, *, record: bool = False) -> tuple[ManagedProcess, int]:
    log = directory / "log"
    process = ManagedProcess(
        "family",
        [sys.executable, "-c", FAMILY],
        log_path=log,
        record_path=directory / "record.json" if record else None,
    )
    process.start()
    process.wait_ready(lambda: bool(log.read_text().strip()), timeout_seconds=20)
    return process, int(log.read_text().split()[0])


def test_kill_ends_the_whole_group(tmp_path: Path) -> None:
    process, child = family(tmp_path)
    leader = process.pid
    assert leader is not None
    process.kill()
    assert is_gone(leader)
    assert is_gone(child)


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    process, child = family(tmp_path)
    process.terminate(grace_seconds=0.3)
    assert is_gone(child)


def test_orphans_of_a_killed_leader_go_before_a_new_start(tmp_path: Path) -> None:
    process, child = family(tmp_path, record=True)
    leader = process.pid
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    while process.is_alive():
        time.sleep(0.01)
    assert not is_gone(child)
    again = ManagedProcess(
        "family",
        [sys.executable, "-c", "import time; time.sleep(600)"],
        log_path=tmp_path / "log",
        record_path=tmp_path / "record.json",
    )
    assert not again.is_alive()
    again.terminate(grace_seconds=0.3)
    assert is_gone(child)


def test_another_handle_finds_the_process_by_its_record(tmp_path: Path) -> None:
    process, _ = family(tmp_path, record=True)
    other = ManagedProcess("family", ["unused"], log_path=tmp_path / "log", record_path=tmp_path / "record.json")
    assert other.pid == process.pid
    other.kill()
    assert not process.is_alive()
    assert not (tmp_path / "record.json").exists()


def test_a_recycled_pid_is_never_signalled(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        ProcessRecord(stranger.pid, created_at=1.0).write(tmp_path / "record.json")
        process = ManagedProcess("ours", ["unused"], log_path=tmp_path / "log", record_path=tmp_path / "record.json")
        assert not process.is_alive()
        process.terminate(grace_seconds=0.1)
        process.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    process = ManagedProcess(
        "broken", [sys.executable, "-c", "raise SystemExit('the reason')"], log_path=tmp_path / "log"
    )
    process.start()
    with pytest.raises(ProcessFailedError, match=r"(?s)broken ended \(exit code 1\).*the reason"):
        process.wait_ready(lambda: False, timeout_seconds=20)


def test_a_start_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    process = ManagedProcess("slow", [sys.executable, "-c", "import time; time.sleep(600)"], log_path=tmp_path / "log")
    with process:
        started = time.monotonic()
        with pytest.raises(ProcessFailedError, match="was not ready"):
            process.wait_ready(lambda: False, timeout_seconds=0.2)
        assert time.monotonic() - started < 5


def test_a_half_written_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"pid": 1')
    assert ProcessRecord.read(tmp_path / "record.json") is None
