"""Counters of containers that share a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.kit.processes import ROOT

_COUNT = """
import os, socket, sys
os.getpid, socket.gethostname = (lambda: 7), (lambda: sys.argv[1])
from fiatrails.kernel import metrics
metrics.callbacks.labels("mpesa", "accepted").inc(int(sys.argv[2]))
"""


def test_containers_with_the_same_process_ids_add_up(tmp_path: Path) -> None:
    """Each container numbers its processes from one: by the id alone, two would write to one file."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for host, count in (("api_1", "2"), ("worker", "3")):
        subprocess.run([sys.executable, "-c", _COUNT, host, count], cwd=ROOT, env=env, check=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]
    labels = {"source": "mpesa", "status": "accepted"}
    assert registry.get_sample_value("fiatrails_callbacks_total", labels) == 5
    assert len(list(tmp_path.glob("counter_*.db"))) == 2
