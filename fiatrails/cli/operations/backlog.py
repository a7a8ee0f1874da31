"""`fiatrails backlog`: what waited while the chain or the database was away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, progress, render, runtime
from fiatrails.cli.kit.runtime import Json

if TYPE_CHECKING:
    from fiatrails.purchases.replay import Backlog

app = typer.Typer(help="Intents that are paid or queued and not settled yet.", no_args_is_help=True)
# A worker beats every five seconds; one that missed several is not there.
WORKER_SILENT_AFTER = timedelta(seconds=30)


@app.callback()
def backlog() -> None:
    """Intents that are paid or queued and not settled yet."""


@app.command("process")
def process(
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait until all is settled.")] = 300.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Wake the queue and return at once.")] = False,
    json: Json = False,
) -> None:
    """Make everything that waits due now, and follow it until it is settled; the workers do the work.

    Ends with 1 when something is still unsettled after the timeout. Held intents wait for a decision and do not count.

    \b
    Examples:
      fiatrails backlog process
      fiatrails backlog process --timeout 60 --json
    """
    runtime.setup()
    from fiatrails.purchases import replay
    from fiatrails.purchases.states import State

    moving = (State.PAID, State.CLEARED, State.SUBMITTING, State.MINED, State.REFUNDING)
    before = replay.backlog()
    woken = replay.wake_backlog(now=runtime.now())
    _warn_without_worker(runtime.now())
    left, settled = replay.unsettled(moving), no_wait
    if not no_wait:
        left, settled = progress.until(
            lambda: replay.unsettled(moving),
            enough=lambda count: count == 0,
            describe=lambda count: f"{count} to settle",
            timeout_s=timeout,
        )
    after = replay.backlog()
    whole = {"woken": woken, "unsettled": left, "before": _documents(before), "after": _documents(after)}
    rows = [(b.state, b.count, amounts.money(b.paid_minor, b.currency)) for b in after]
    render.emit(json, whole, render.table(("state", "intents", "paid"), rows), f"{woken} woken, {left} left to settle")
    if not settled:
        runtime.negative()


def _warn_without_worker(now: datetime) -> None:
    from fiatrails.engine import heartbeat

    seen = heartbeat.latest()
    if seen is None or now - seen > WORKER_SILENT_AFTER:
        last = amounts.when(seen) or "never"
        render.note(f"warning: no worker is running (last seen: {last}); start one with `fiatrails worker`")


def _documents(groups: list[Backlog]) -> list[dict[str, object]]:
    return [{"state": g.state, "count": g.count, "paid": amounts.money(g.paid_minor, g.currency)} for g in groups]
