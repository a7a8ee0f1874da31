"""The reference page of the CLI, written from the commands themselves.

`python -m fiatrails.cli.reference > docs/reference/cli.md`; a test holds the page equal to the commands.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from fiatrails.cli.kit.exits import MEANINGS
from fiatrails.cli.main import app

_HEAD = """\
# The `fiatrails` command

<!-- Written by `python -m fiatrails.cli.reference > docs/reference/cli.md`; a test compares. -->

`fiatrails COMMAND --help` shows the same as this page.

## Common to all commands

- `--json` prints one JSON document on stdout, also when the command fails (`{"error", "message", "exitCode"}`).
  Without it, tables and sentences. Progress, questions and errors always go to stderr.
- An error is one line that says what to do next. `FIATRAILS_DEBUG=1` adds the traceback and the log.
- What changes something asks first. `--yes` answers beforehand; without a terminal and without `--yes` nothing is done.
- `--actor` (or `FIATRAILS_ACTOR`) names who acts in the audit log; by default your login name.
- `--since` takes `"1 hour ago"`, `"2 days ago"`, `90m` or a time such as `2025-11-01T12:34:56Z`.
- Amounts: `--amount` in tokens (`10.5`), `--base-units` in base units with 18 decimals. Money is written with its
  currency (`1500.00 KES`). Times are RFC 3339 in UTC. Phone numbers are masked.
- Environment: where `FIATRAILS_ENV` is not set and a local stack exists, its variables are read from
  `$FIATRAILS_STATE_DIR/env` (by default `.fiatrails/env`, written by `fiatrails up`); the environment wins over the
  file. `DJANGO_SETTINGS_MODULE` follows `FIATRAILS_ENV` (`local`, `test`, anything else is production).

## Exit codes

| code | meaning |
| ---- | ------- |
"""


def page() -> str:
    """Return the whole page."""
    codes = "".join(f"| {int(code)} | {meaning} |\n" for code, meaning in MEANINGS.items())
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    return _HEAD + codes + "\n" + "\n".join(_sections(root))


def _sections(root: TyperGroup) -> Iterator[str]:
    with root.make_context("fiatrails", [], resilient_parsing=True) as context:
        for name, command in root.commands.items():
            if isinstance(command, TyperGroup):
                yield f"## fiatrails {name}\n\n{_sentence(command)}\n"
                with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
                    for verb, leaf in command.commands.items():
                        yield _leaf(leaf, verb, inner, heading="###")
            else:
                yield _leaf(command, name, context, heading="##")


def _sentence(command: TyperGroup) -> str:
    return (command.help or "").strip()


def _leaf(command: Any, name: str, parent: Any, *, heading: str) -> str:
    with command.make_context(name, [], parent=parent, resilient_parsing=True) as context:
        usage = " ".join(command.collect_usage_pieces(context))
        text, examples = _split(inspect.cleandoc(command.help or ""))
        parts = [f"{heading} {context.command_path}", f"```text\n{context.command_path} {usage}\n```", text]
        rows = [record for parameter in command.get_params(context) for record in _row(parameter, context)]
        table = "| option or argument | |\n| --- | --- |\n" + "".join(rows)
        parts += [table.rstrip()] if rows else []
        parts += [f"```bash\n{examples}\n```"] if examples else []
    return "\n\n".join(parts) + "\n"


def _split(text: str) -> tuple[str, str]:
    """Return the description, and the lines under "Examples:"."""
    description, _, examples = text.partition("\b\nExamples:\n")
    return description.strip(), inspect.cleandoc(examples)


def _row(parameter: Any, context: Any) -> Iterator[str]:
    record = parameter.get_help_record(context)
    if record is None or "--help" in record[0]:
        return
    name, text = (part.replace("|", "\\|") for part in record)
    yield f"| `{name}` | {' '.join(text.split())} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
