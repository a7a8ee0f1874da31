"""`fiatrails nonce`: signer lanes beside the chain, and their repair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Yes

if TYPE_CHECKING:
    from fiatrails.chains.evm.submitter.repair import LaneView, RepairPlan

app = typer.Typer(help="Nonces of the signer lanes beside what the chain counts.", no_args_is_help=True)


@app.command("show")
def show(json: Json = False) -> None:
    """Show every lane: its next nonce, its open slots, and what the chain counts.

    \b
    Examples:
      fiatrails nonce show
      fiatrails nonce show --json | jq '.lanes[] | select(.held != null)'
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.submitter import lanes

    found = [_lane(lane) for lane in lanes.show(pool=default_pool(), now=runtime.now())]
    columns = (
        "address",
        "role",
        "nextNonce",
        "mined",
        "pending",
        "finalized",
        "reserved",
        "published",
        "included",
        "missing",
        "held",
    )
    render.emit(json, {"lanes": found}, render.table(columns, [[lane[name] for name in columns] for lane in found]))


@app.command("repair")
def repair(
    apply: Annotated[
        str | None, typer.Option("--apply", metavar="HASH", help="Apply the plan with this hash, if it still holds.")
    ] = None,
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Plan the repair of nonces; with --apply, carry out exactly the plan that was looked at.

    A plan never recycles a nonce and never lowers one. It is refused when the lanes have changed since.

    \b
    Examples:
      fiatrails nonce repair
      fiatrails nonce repair --apply 3f9c...
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.chains.evm.submitter import lanes

    if apply is None:
        _print(lanes.repair_plan(pool=default_pool(), now=runtime.now()), applied=False, json=json)
        return
    runtime.confirm(f"Apply the plan {apply[:12]}?", yes=yes)
    done = lanes.repair_apply(plan_hash=apply, actor=actor, pool=default_pool(), now=runtime.now())
    _print(done, applied=True, json=json)


def _print(plan: RepairPlan, *, applied: bool, json: bool) -> None:
    steps = [
        {"laneId": s.lane_id, "address": s.address, "action": s.action, "nonces": list(s.nonces)} for s in plan.steps
    ]
    whole = {"hash": plan.hash, "applied": applied, "steps": steps}
    if not steps:
        render.emit(json, whole, "nothing to repair")
        return
    rows = [(s.address, s.action, _ranges(s.nonces)) for s in plan.steps]
    last = "applied" if applied else f"apply it with: fiatrails nonce repair --apply {plan.hash}"
    render.emit(json, whole, render.table(("lane", "action", "nonces"), rows), last)


def _lane(lane: LaneView) -> dict[str, object]:
    return {
        "laneId": lane.lane_id,
        "address": lane.address,
        "role": lane.role,
        "nextNonce": lane.next_nonce,
        "mined": lane.mined,
        "pending": lane.pending,
        "finalized": lane.finalized,
        "reserved": lane.reserved,
        "published": lane.published,
        "included": lane.included,
        "oldestUnminedNonce": lane.oldest_unmined_nonce,
        "oldestUnminedAt": amounts.when(lane.oldest_unmined_at),
        "missing": list(lane.missing) or None,
        "holder": lane.holder or None,
        "leaseUntil": amounts.when(lane.lease_until),
        "held": lane.held or None,
        "heldSince": amounts.when(lane.held_since),
    }


def _ranges(nonces: Sequence[int]) -> str:
    """4, 5, 6, 9 -> "4-6, 9"."""
    runs: list[list[int]] = []
    for nonce in sorted(nonces):
        if runs and nonce == runs[-1][-1] + 1:
            runs[-1].append(nonce)
        else:
            runs.append([nonce])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
