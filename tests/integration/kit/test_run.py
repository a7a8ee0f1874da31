"""How many processes a run has."""

from __future__ import annotations

import os
from types import SimpleNamespace

import psutil
import pytest


@pytest.mark.parametrize(
    ("asked", "processes"), [("auto", (os.cpu_count() or 1) + 2), ("logical", psutil.cpu_count(logical=True))]
)
def test_tests_of_services_get_two_processes_more_than_there_are_processors(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, asked: str, processes: int
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    config = SimpleNamespace(option=SimpleNamespace(numprocesses=asked))
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=config) == processes
