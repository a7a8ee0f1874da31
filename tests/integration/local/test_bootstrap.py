"""scripts/bootstrap.py: done once, found done afterwards, and clear about what is wrong."""

import importlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from fiatrails.local.toolchain import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / "scripts" / "bootstrap.py"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The script and what it imports, as Python finds them where it starts; they work in a directory of the test."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    found = {name: importlib.import_module(name) for name in ("bootstrap", "bootstrap_tools", "bootstrap_pip")}
    moved = {"ROOT": tmp_path, "TOOLS": tmp_path / ".tools", "LOG": tmp_path / ".tools" / "log"}
    for module in found.values():
        for name in moved.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, moved[name])
    (tmp_path / ".tools").mkdir()
    return found


@pytest.fixture
def bootstrap(modules: dict[str, ModuleType]) -> ModuleType:
    """The script."""
    return modules["bootstrap"]


@pytest.fixture
def tools(modules: dict[str, ModuleType]) -> ModuleType:
    """How it runs tools."""
    return modules["bootstrap_tools"]


@pytest.fixture
def pip(modules: dict[str, ModuleType]) -> ModuleType:
    """How it comes by pip."""
    return modules["bootstrap_pip"]


def counted_step(module: ModuleType, directory: Path) -> tuple[object, list[int]]:
    runs: list[int] = []
    product = directory / "product"

    def run() -> None:
        runs.append(1)
        product.touch()

    source = directory / "source"
    source.write_text("one")
    return module.Step("a step", (source,), product, run), runs


def test_a_step_that_is_done_is_not_done_again(bootstrap: ModuleType, tmp_path: Path) -> None:
    step, runs = counted_step(bootstrap, tmp_path)
    assert [bootstrap.bootstrap([step]), bootstrap.bootstrap([step])] == [1, 0]
    assert runs == [1]


def test_a_changed_input_makes_the_step_run_again(bootstrap: ModuleType, tmp_path: Path) -> None:
    step, runs = counted_step(bootstrap, tmp_path)
    bootstrap.bootstrap([step])
    (tmp_path / "source").write_text("two")
    bootstrap.bootstrap([step])
    assert runs == [1, 1]


def test_a_missing_product_makes_the_step_run_again(bootstrap: ModuleType, tmp_path: Path) -> None:
    step, runs = counted_step(bootstrap, tmp_path)
    bootstrap.bootstrap([step])
    (tmp_path / "product").unlink()
    bootstrap.bootstrap([step])
    assert runs == [1, 1]


def test_a_second_set_up_waits_for_the_first(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()
    order: list[str] = []

    def second() -> None:
        entered.wait()
        with bootstrap.one_at_a_time():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with bootstrap.one_at_a_time():
        entered.set()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waiting" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("error: No space left on device", "disk is full"),
        ("Could not resolve host", "could not be reached"),
        ("Connection timed out", "could not be reached"),
        ("npm error code EINTEGRITY", "not the one that was locked"),
        ("SSL: CERTIFICATE_VERIFY_FAILED", "SSL_CERT_FILE"),
    ],
)
def test_a_failure_says_what_to_do_next(tools: ModuleType, output: str, advice: str) -> None:
    assert advice in tools.hint(output)


def test_a_failed_tool_shows_its_output(tools: ModuleType) -> None:
    with pytest.raises(tools.BootstrapError, match="the reason"):
        tools.run([sys.executable, "-c", "raise SystemExit('the reason')"], directory=tools.ROOT)


def test_an_old_python_is_refused_with_the_version_that_is_needed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "MINIMUM_PYTHON", (99, 0))
    with pytest.raises(bootstrap.BootstrapError, match="too old"):
        bootstrap.check_machine()


def test_what_is_set_for_pip_reaches_uv(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "file:///a/mirror")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "file:///a/mirror"


def test_what_is_set_for_uv_wins(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "file:///a/mirror")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "file:///another")
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "file:///another"


def test_pip_is_fetched_from_a_configured_index_and_checked(
    pip: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = next((PROJECT_ROOT / ".tools").rglob("pip-*.whl"), None)
    name = "pip-1.0-py3-none-any.whl"
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / name).write_bytes(wheel.read_bytes() if wheel else b"not the locked file")
    (tmp_path / "pip" / "index.html").write_text(f'<a href="{name}#sha256=0">{name}</a>')
    lock = tmp_path / "requirements.lock"
    lock.write_text("pip==1.0 \\\n    --hash=sha256:00\n    # via x\n")
    monkeypatch.setattr(pip, "REQUIREMENTS", lock)
    index = (tmp_path / "pip" / "index.html").read_bytes()
    monkeypatch.setattr(pip, "download", lambda url: index if url.endswith("/") else b"not the locked file")
    with pytest.raises(pip.BootstrapError, match="not the file that was locked"):
        pip.fetch_pip_from_index("file:///mirror")


def test_the_repository_names_no_registry() -> None:
    """The locks and the scripts must work with any mirror."""
    for path in (*PROJECT_ROOT.glob("*.lock"), *(PROJECT_ROOT / "scripts").glob("bootstrap*")):
        assert "://" not in path.read_text(), path


def test_the_second_run_finds_nothing_to_do() -> None:
    def steps() -> list[str]:
        done = subprocess.run([sys.executable, str(SCRIPT)], check=True, capture_output=True, text=True)
        return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[")]

    steps()
    assert steps() == []
