"""What the worker processes of one run share: a directory, and whatever is made once and then copied. A plugin."""

import fcntl
import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_DIRECTORY = pytest.StashKey[Path]()
# A test that runs pytest itself names its own run's directory, so that what was made once is not made again.
RUN_DIR = "FIATRAILS_TESTS_RUN_DIR"


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started by hand makes the directory; workers and runs inside a test are told where it is."""
    given = _given(config)
    config.stash[_DIRECTORY] = Path(given or tempfile.mkdtemp(prefix="fiatrails-run-"))


# First, or xdist's own answer, one process per processor, would be taken: of two plugins the later one is asked first.
@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`: two processes more than processors: tests of services wait for blocks, leases and processes."""
    return (os.cpu_count() or 1) + 2 if config.option.numprocesses == "auto" else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called before a worker starts, where there are workers."""
    node.workerinput["run_dir"] = str(node.config.stash[_DIRECTORY])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Who made the directory removes it, after all workers have ended."""
    if not _given(config):
        shutil.rmtree(config.stash[_DIRECTORY], ignore_errors=True)


def _given(config: pytest.Config) -> str | None:
    told: dict[str, str] = getattr(config, "workerinput", {})
    return told.get("run_dir") or os.environ.get(RUN_DIR)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives every test an id of its own: workers are told by id what to run."""
    for item in items:
        _name_apart(item)
    twice = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"workers tell tests apart by their ids, and of these only one would run: {twice}")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at what is imported and collected: that stays until the end."""
    gc.freeze()


def _name_apart(item: pytest.Item) -> None:
    """Tests made from a schema say in their names which operation they are about; pytest leaves it out of their ids."""
    _, bracket, about = item.name.partition("[")
    if bracket and not item.nodeid.endswith("]"):
        item._id = item.id.with_params(about.removesuffix("]"))


@pytest.fixture(scope="session")
def run_dir(pytestconfig: pytest.Config) -> Path:
    """The directory that all workers of this run share."""
    return pytestconfig.stash[_DIRECTORY]


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lets one process at a time into whatever the path stands for; a process that dies holds nothing."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def once(run_dir: Path, name: str, make: Callable[[Path], None]) -> Path:
    """A directory that `make` filled: the first worker that asks makes it, the others wait for it."""
    target, scratch = run_dir / name, run_dir / f"{name}.making"
    with alone(run_dir / f"{name}.lock"):
        if not target.exists():
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            make(scratch)
            scratch.rename(target)
    return target
