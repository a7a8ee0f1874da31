"""Run a simulator as a process of its own."""

import logging
import signal
import sys
import threading
from collections.abc import Callable

from sandbox.kit.faults import Faults
from sandbox.kit.journal import JournalInUse
from sandbox.kit.parts import Parts
from sandbox.kit.provider import Provider
from sandbox.kit.settings import Settings
from sandbox.kit.simulator import Simulator


def run(title: str, settings: Settings, faults: Faults, make: Callable[[Parts], Provider]) -> int:
    """Make a provider, serve it until SIGTERM or SIGINT, and return the exit code: 1 when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        parts = Parts.open(settings, faults)
        simulator = Simulator(parts, make(parts))
    except (JournalInUse, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # `stop` waits for the serving loop, so it must not run inside that loop's own thread.
        signal.signal(number, lambda *_: threading.Thread(target=simulator.stop).start())
    print(f"{title} sandbox on http://{settings.host}:{settings.port}, seed {settings.seed}", flush=True)
    simulator.run()
    return 0
