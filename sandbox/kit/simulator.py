"""Serve one provider: its API, its control endpoints and those of every simulator."""

from sandbox.kit.control import Control
from sandbox.kit.dispatcher import Dispatcher
from sandbox.kit.parts import Parts
from sandbox.kit.provider import Provider
from sandbox.kit.server import Server


class Simulator:
    """One provider, listening from the start and serving from `run` on."""

    def __init__(self, parts: Parts, provider: Provider) -> None:
        self._scheduler = parts.scheduler
        self._provider = provider
        controls = {**Control(parts, provider).routes(), **provider.controls()}
        dispatcher = Dispatcher(provider, controls, parts.faults, parts.requests)
        self._server = Server((parts.settings.host, parts.settings.port), dispatcher)

    def run(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._scheduler.start()
        self._provider.resume()
        self._server.serve_forever(poll_interval=0.05)
        self._server.server_close()

    def stop(self) -> None:
        """End `run`; the journal already holds everything that matters."""
        self._server.shutdown()
