"""--help is fast, complete, and what the reference page says."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from fiatrails.cli import reference
from fiatrails.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
NO_JSON = {"up", "down", "reset", "worker", "api", "db migrate"}
EXPECTED = {
    "up", "down", "reset", "doctor", "smoke-test", "worker", "api", "config show", "db migrate", "audit verify",
    "intent create", "intent show", "intent list", "intent accept", "intent refund", "intent cancel",
    "price show", "price accept",
    "payments list", "payments refund", "mpesa simulate", "mpesa stk-push", "user show", "user attest", "user risk",
    "dlq list", "dlq show", "dlq replay", "dlq discard", "backlog process", "nonce show", "nonce repair",
    "ledger verify", "ledger trial-balance", "ledger equation", "ledger reconcile", "ledger supply",
    "mode show", "mode set",
    "contracts deploy", "contracts status", "client list", "client create", "client add-secret", "client end-secret",
    "mpesa register-urls", "lists load", "lists refresh", "lists status", "lists history", "lists delta",
    "screen name", "screen wallet", "screen file", "screen show", "screen release", "screen approve", "screen releases",
    "screen revoke", "screen rescreen", "case list", "case show", "case release", "case approve", "case confirm",
    "screen evaluate", "screen hold-out", "screen alerts", "payer record", "payer show",
    "operator add", "operator list", "operator password", "operator disable",
}  # fmt: skip


def commands() -> Iterator[tuple[str, str]]:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for name, command in root.commands.items():
        if isinstance(command, TyperGroup):
            for verb, leaf in command.commands.items():
                yield f"{name} {verb}", leaf.help or ""
        else:
            yield name, command.help or ""


ALL = dict(commands())


def test_every_command_is_there() -> None:
    assert set(ALL) == EXPECTED


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert f"fiatrails {name}" in result.stdout.partition("Examples:")[2]
    assert ("--json" in result.stdout) == (name not in NO_JSON)


def test_the_reference_page_is_the_commands() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == reference.page(), "run `python -m fiatrails.cli.reference > docs/reference/cli.md`"


@pytest.mark.parametrize("arguments", [["--help"], ["intent", "--help"], ["dlq", "replay", "--help"]])
def test_help_needs_neither_django_nor_the_chain(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom fiatrails.cli.main import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = {'django', 'httpx', 'eth_account', 'structlog', 'rich'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_help_takes_less_than_half_a_second_of_work() -> None:
    """Of processor time, which other processes on the machine do not lengthen."""

    def worked() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = worked()
    fiatrails = Path(sys.executable).with_name("fiatrails")
    subprocess.run([fiatrails, "--help"], cwd=ROOT, env=dict(os.environ), capture_output=True, check=True)
    assert worked() - before < 0.5


@pytest.mark.parametrize("wrong", [["intent", "sho"], ["intent", "show"], ["dlq", "replay", "--itemid", "1"]])
def test_a_wrong_command_line_is_a_usage_error(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, wrong)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
