"""Work that a sibling layer owns: it may not be imported, but its management command may be asked to do it."""

from __future__ import annotations

import io
import json
from typing import Any

from fiatrails.cli.kit import runtime
from fiatrails.cli.kit.exits import Failure


def ask(command: str, *arguments: str, failure: str) -> dict[str, Any]:
    """Return the JSON answer of a management command; Failure with the code `failure` when it ends with an error."""
    runtime.setup()
    from django.core.management import CommandError, call_command

    answer = io.StringIO()
    try:
        call_command(command, *arguments, "--json", stdout=answer)
    except CommandError as error:
        raise Failure(failure, str(error)) from None
    document: dict[str, Any] = json.loads(answer.getvalue())
    return document
