"""A local chain: anvil with interval mining and a state that survives restarts."""

import contextlib
import json
import shutil
import threading
from pathlib import Path
from typing import Self

from fiatrails.chains.core.rpc import Endpoint, NoAnswer, RpcFailed
from fiatrails.local.ports import LOOPBACK
from fiatrails.local.process import ManagedProcess
from fiatrails.local.toolchain import foundry_binary

# anvil's own, published development phrase: worthless keys, for local chains only.
DEV_MNEMONIC = "test test test test test test test test test test test junk"
LOCAL_CHAIN_ID = 31337
_READY_TIMEOUT_SECONDS = 30.0
_STOP_GRACE_SECONDS = 15.0
_RPC_TIMEOUT_SECONDS = 10.0
# anvil writes its state in place, so a kill in the middle of a write leaves half a file.
_CHECKPOINT_SECONDS = 5.0


class Anvil:
    """One anvil process. `block_time=None` mines only when asked to (evm_mine): there is no automine here.

    With a `state_path` the chain is written there every second and when it stops. A block counts as finalized
    two blocks after it was mined (`slots_in_an_epoch=1`), so with blocks of a second a kill loses nothing
    that was final.
    """

    def __init__(
        self,
        port: int,
        *,
        block_time: float | None = 1.0,
        gas_limit: int = 30_000_000,
        state_path: Path | None = None,
        state_interval_seconds: int = 1,
        chain_id: int = LOCAL_CHAIN_ID,
        slots_in_an_epoch: int = 1,
        log_path: Path | None = None,
        record_path: Path | None = None,
        extra_arguments: tuple[str, ...] = (),
    ) -> None:
        self.port = port
        self.chain_id = chain_id
        self._state_path = state_path
        mining = ["--no-mining"] if block_time is None else ["--block-time", f"{block_time:g}"]
        state = [] if state_path is None else ["--state", str(state_path)]
        interval = [] if state_path is None else ["--state-interval", str(state_interval_seconds)]
        self.process = ManagedProcess(
            "anvil",
            [
                foundry_binary("anvil"),
                *("--host", LOOPBACK, "--port", str(port)),
                *("--chain-id", str(chain_id), "--gas-limit", str(gas_limit)),
                *("--slots-in-an-epoch", str(slots_in_an_epoch), "--mnemonic", DEV_MNEMONIC),
                *mining,
                *state,
                *interval,
                *extra_arguments,
            ],
            log_path=log_path or Path("/dev/null"),
            record_path=record_path,
        )
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the chain where it was, and wait until it answers."""
        if not self.process.is_alive():
            self._restore_readable_state()
            self.process.start()
        self.process.wait_ready(self.is_ready, timeout_seconds=_READY_TIMEOUT_SECONDS)
        if self._state_path is not None:
            threading.Thread(target=self._checkpoint_repeatedly, daemon=True, name="anvil-checkpoint").start()

    def stop(self) -> None:
        """Stop the chain; anvil writes its state first."""
        self._stopping.set()
        self.process.terminate(grace_seconds=_STOP_GRACE_SECONDS)
        self.checkpoint()

    def kill(self) -> None:
        """Send SIGKILL, as a crash would."""
        self._stopping.set()
        self.process.kill()

    def is_ready(self) -> bool:
        """Return whether the chain answers with the right chain id."""
        with contextlib.suppress(NoAnswer, ValueError):
            return int(self.rpc("eth_chainId"), 16) == self.chain_id
        return False

    def block_number(self) -> int:
        """Return the height of the head."""
        return int(self.rpc("eth_blockNumber"), 16)

    def rpc(self, method: str, *parameters: object) -> str:
        """Return the result of one call as text, asked on a connection of its own, because the node may have been
        started anew; ValueError for an error answer, NoAnswer without any."""
        with Endpoint(self.url, index=0, timeout_s=_RPC_TIMEOUT_SECONDS) as endpoint:
            try:
                return str(endpoint.call(method, *parameters))
            except RpcFailed as failed:
                raise ValueError(str(failed)) from None

    def checkpoint(self) -> None:
        """Keep a copy of the state file, if it is whole."""
        if self._state_path is None or not _is_whole(self._state_path):
            return
        scratch = self._state_path.with_suffix(".copying")
        with contextlib.suppress(OSError):
            shutil.copyfile(self._state_path, scratch)
            if _is_whole(scratch):  # anvil may have begun to write meanwhile
                scratch.replace(_kept_copy(self._state_path))

    def _checkpoint_repeatedly(self) -> None:
        while not self._stopping.wait(_CHECKPOINT_SECONDS) and self.process.is_alive():
            self.checkpoint()

    def _restore_readable_state(self) -> None:
        """Put the last whole copy in place of a state file that a kill cut short."""
        self._stopping.clear()
        path = self._state_path
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not _is_whole(path):
            kept = _kept_copy(path)
            if kept.exists():
                shutil.copyfile(kept, path)
            else:
                path.unlink()


def _kept_copy(path: Path) -> Path:
    return path.with_suffix(".last-good.json")


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True
