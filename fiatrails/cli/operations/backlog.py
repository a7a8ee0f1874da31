"""`fiatrails backlog`: what waited while the chain or the database was away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, progress, render, runtime
from fiatrails.cli.kit.runtime import Json

if TYPE_CHECKING:
    from fiatrails.operations.backlog import Backlog

_WAITS_FOR = {
    "awaiting_payment": "its payment",
    "held": "a decision",
    "submitting": "the chain",
    "mined": "the chain",
}

app = typer.Typer(help="Intents that are paid or queued and not settled yet.", no_args_is_help=True)


@app.callback()
def backlog() -> None:
    """Process intents that are paid or queued and not settled yet."""


@app.command("process")
def process(
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait until all is settled.")] = 300.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Wake the queue and return at once.")] = False,
    json: Json = False,
) -> None:
    """Make everything that waits due now, and follow it until it is settled; the workers do the work.

    Intents that were given up are set going again by their dead letters. Ends with 1 when something is still unsettled
    after the timeout. Held intents wait for a decision and do not count.

    \b
    Examples:
      fiatrails backlog process
      fiatrails backlog process --timeout 60 --json
    """
    runtime.setup()
    from fiatrails.operations import backlog as waiting

    woken = waiting.wake(now=runtime.now())
    if not woken.has_worker:
        last = amounts.when(woken.worker_seen_at) or "never"
        render.note(f"warning: no worker is running (last seen: {last}); start one with `fiatrails worker`")
    left, settled = waiting.unsettled(), no_wait
    if not no_wait:
        left, settled = progress.wait_until(
            waiting.unsettled,
            enough=lambda count: count == 0,
            describe=lambda count: f"{count} to settle",
            timeout_s=timeout,
        )
    after = waiting.backlog()
    if woken.given_up:
        render.note(
            f"given up, and no open dead letter: {', '.join(woken.given_up[:5])}; decide with `fiatrails intent`"
        )
    whole = {
        "woken": woken.count,
        "dueAlready": woken.due_already,
        "givenUp": woken.given_up,
        "unsettled": left,
        "before": _documents(woken.before),
        "after": _documents(after),
    }
    rows = [
        (b.state, b.count, amounts.money(b.paid_minor, b.currency), _WAITS_FOR.get(b.state, "a worker")) for b in after
    ]
    last_line = f"{woken.count} woken, {woken.due_already} due already, {left} left to settle"
    render.emit(json, whole, render.table(("state", "intents", "paid", "waits for"), rows), last_line)
    if not settled:
        runtime.negative()


def _documents(groups: list[Backlog]) -> list[dict[str, object]]:
    return [{"state": g.state, "count": g.count, "paid": amounts.money(g.paid_minor, g.currency)} for g in groups]
