"""Which deployment a command talks to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fiatrails.cli.kit import environment
from fiatrails.local.state import read_env, write_env


@pytest.fixture
def stack(tmp_path: Path) -> dict[str, str]:
    """A state directory with an env file, and an environment that names it."""
    written = {"FIATRAILS_ENV": "local", "RPC_URL": "http://127.0.0.1:8545", "HMAC_SECRET": "it's $(quoted) #1"}
    write_env(tmp_path / "env", written)
    return {"FIATRAILS_STATE_DIR": str(tmp_path)}


def test_the_local_stack_is_found(stack: dict[str, str]) -> None:
    assert environment.load_local_stack(stack)
    assert stack["HMAC_SECRET"] == "it's $(quoted) #1"


def test_the_environment_wins_over_the_file(stack: dict[str, str]) -> None:
    stack["RPC_URL"] = "http://elsewhere"
    environment.load_local_stack(stack)
    assert stack["RPC_URL"] == "http://elsewhere"


def test_a_named_deployment_is_not_mixed_with_the_local_stack(stack: dict[str, str]) -> None:
    stack["FIATRAILS_ENV"] = "production"
    assert not environment.load_local_stack(stack)
    assert "HMAC_SECRET" not in stack


def test_no_stack_is_no_error(tmp_path: Path) -> None:
    assert not environment.load_local_stack({"FIATRAILS_STATE_DIR": str(tmp_path / "none")})


def test_both_readers_of_the_file_agree(stack: dict[str, str]) -> None:
    path = Path(stack["FIATRAILS_STATE_DIR"]) / "env"
    assert environment.parse(path.read_text()) == read_env(path)


def test_the_directory_here_comes_before_the_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.state_dir({}).is_absolute()
    (tmp_path / ".fiatrails").mkdir()
    assert environment.state_dir({}).resolve() == tmp_path / ".fiatrails"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("local", "local"), ("test", "test"), ("production", "production"), ("staging", "production")],
)
def test_settings_follow_the_environment(name: str, settings: str, tmp_path: Path) -> None:
    environ = {"FIATRAILS_ENV": name, "FIATRAILS_STATE_DIR": str(tmp_path)}
    environment.prepare(environ)
    assert environ["DJANGO_SETTINGS_MODULE"] == f"fiatrails.config.settings.{settings}"
