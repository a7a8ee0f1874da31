"""`fiatrails dlq`: dead letters listed, shown, replayed, discarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, progress, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Reason, Yes
from fiatrails.kernel import times
from fiatrails.kernel.errors import BadInput

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fiatrails.engine.dead_letters import Letter
    from fiatrails.operations.replay import ReplayPreview, ReplayResult

app = typer.Typer(help="Dead letters: work that ran out of attempts.", no_args_is_help=True)
Since = Annotated[str | None, typer.Option("--since", help='Buried since: "1 hour ago" or an RFC 3339 time.')]


@app.command("list")
def list_(
    since: Since = None,
    error_class: Annotated[str | None, typer.Option("--class", help="Only this error class.")] = None,
    json: Json = False,
) -> None:
    """List open items, grouped by the kind of error.

    \b
    Examples:
      fiatrails dlq list
      fiatrails dlq list --since "1 hour ago" --class temporary --json
    """
    runtime.setup()
    from fiatrails.engine import dead_letters

    moment = times.since(since, now=runtime.now()) if since else None
    groups = dead_letters.list_open(since=moment, error_class=error_class)
    depth = dead_letters.depth()
    whole = {
        "depth": depth,
        "groups": [
            {"errorClass": g.error_class, "count": len(g.items), "items": [_document(i) for i in g.items]}
            for g in groups
        ],
    }
    columns = ("item", "operation", "intent", "attempts", "since", "last error")
    tables: list[RenderableType] = [
        render.table(columns, [_row(item) for item in group.items], title=f"{group.error_class}: {len(group.items)}")
        for group in groups
    ]
    shown = sum(len(group.items) for group in groups)
    render.emit(json, whole, *tables, _footer(shown, depth, filtered=bool(since or error_class)))


@app.command("show")
def show(
    item_id: Annotated[str, typer.Argument(metavar="ITEM", help="DL-000123, or just 123.")], json: Json = False
) -> None:
    """Show one item as the runbook shows it; JSON with and without --json.

    \b
    Examples:
      fiatrails dlq show DL-000123
      fiatrails dlq show 123 | jq .payload
    """
    runtime.setup()
    from fiatrails.engine import dead_letters

    item = dead_letters.show(item_id)
    render.emit(json, item, render.as_json(item))


@app.command("replay")
def replay(
    *,
    item_id: Annotated[str | None, typer.Option("--item-id", help="One item, in any error class.")] = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open item.")] = False,
    rate: Annotated[float, typer.Option("--rate", min=0.01, help="At most so many items per second.")] = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be replayed.")] = False,
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Set dead letters going again; each says why it cannot mint twice.

    Shows counts and value first, and asks. Items that need a decision are left open, with advice.

    \b
    Examples:
      fiatrails dlq replay --item-id DL-000123
      fiatrails dlq replay --since "1 hour ago" --rate 5
      fiatrails dlq replay --all --dry-run
    """
    runtime.setup()
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.operations import replay as replays

    items = _chosen(item_id, since, everything)
    preview = _preview(replays.preview(items))
    if dry_run or not items:
        render.emit(json, {"dryRun": dry_run, "preview": preview, "results": []}, _preview_table(preview))
        return
    if not yes:
        render.note(_preview_line(preview))
    runtime.confirm(f"Replay {len(items)} item(s)?", yes=yes)
    with progress.bar("replaying", total=len(items) if len(items) > 1 else 0) as advance:
        results = replays.replay_at_rate(items, actor=actor, per_second=rate, clock=SystemClock(), progress=advance)
    whole = {"dryRun": False, "preview": preview, "results": [_result(r) for r in results]}
    rows = [(r.item_id, r.subject, _result_text(r), r.why) for r in results]
    render.emit(json, whole, render.table(("item", "intent", "", "why"), rows))
    if any(not result.closed for result in results):
        runtime.negative()


@app.command("discard")
def discard(
    item_id: Annotated[str, typer.Argument(metavar="ITEM", help="DL-000123, or just 123.")],
    reason: Reason,
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Close an item for good without doing its work.

    \b
    Examples:
      fiatrails dlq discard DL-000123 --reason "returned by bank transfer 4411"
    """
    runtime.setup()
    from fiatrails.engine import dead_letters

    item = dead_letters.get(item_id)
    runtime.confirm(f"Discard {item.item_id} ({item.operation}, {item.last_error})?", yes=yes)
    dead_letters.discard(item.item_id, reason=reason, actor=actor, now=runtime.now())
    render.emit(json, {"itemId": item.item_id, "state": "discarded"}, f"{item.item_id} discarded")


def _footer(shown: int, depth: int, *, filtered: bool) -> str:
    """Return how many are open, and when not all of them are shown, that they are not."""
    if shown < depth and not filtered:
        return f"{depth} open; the oldest {shown} are shown"
    return f"{depth} open"


def _chosen(item_id: str | None, since: str | None, everything: bool) -> list[Letter]:
    from fiatrails.engine import dead_letters
    from fiatrails.operations.replay import open_items

    if sum((item_id is not None, since is not None, everything)) != 1:
        raise BadInput("which_items", "say which: --item-id ID, --since TIME or --all, and one of them only")
    if item_id is not None:
        return [dead_letters.get(item_id)]
    return open_items(since=times.since(since, now=runtime.now()) if since else None)


def _preview(found: ReplayPreview) -> dict[str, object]:
    groups = found.by_operation.items()
    return {
        "count": found.count,
        "byOperation": [{"operation": o, "errorClass": c, "count": n} for (o, c), n in groups],
        "value": [amounts.money(minor, currency) for currency, minor in found.value.items()],
    }


def _preview_table(preview: dict[str, object]) -> RenderableType:
    groups = preview["byOperation"]
    assert isinstance(groups, list)
    return render.table(
        ("operation", "error class", "count"), [list(group.values()) for group in groups], title=_preview_line(preview)
    )


def _preview_line(preview: dict[str, object]) -> str:
    value = preview["value"]
    assert isinstance(value, list)
    return f"{preview['count']} item(s), {' + '.join(value) or 'no money'} paid for their intents"


def _result_text(result: ReplayResult) -> str:
    return "replayed" if result.restarted else "closed" if result.closed else "left open"


def _result(result: ReplayResult) -> dict[str, object]:
    return {
        "itemId": result.item_id,
        "intentId": result.subject,
        "restarted": result.restarted,
        "closed": result.closed,
        "why": result.why,
    }


def _row(item: Letter) -> tuple[object, ...]:
    moment = amounts.when(item.created_at)
    return item.item_id, item.operation, item.subject, item.attempts, moment, item.last_error


def _document(item: Letter) -> dict[str, object]:
    return {
        "itemId": item.item_id,
        "operation": item.operation,
        "intentId": item.subject,
        "attempts": item.attempts,
        "lastError": item.last_error,
        "timestamp": amounts.when(item.created_at),
    }
