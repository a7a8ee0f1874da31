"""`fiatrails screen evaluate`, `hold-out` and `alerts`: how well screening decides, measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiatrails.cli.compliance.options import Kind
from fiatrails.cli.compliance.screening import ready
from fiatrails.cli.kit import progress, render, runtime
from fiatrails.cli.kit.runtime import Json

if TYPE_CHECKING:
    from fiatrails.screening.matching.evaluation import Recall, Share

Csv = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]
Threshold = Annotated[float | None, typer.Option("--threshold", min=0, max=1, help="[default: that of a review]")]
Half = Annotated[
    str, typer.Option("--split", help="report (default), development (the half that weights were fitted on), or all.")
]
_SHARES = ("slice", "share", "95 % interval", "of")


def evaluate(path: Csv, *, threshold: Threshold = None, json: Json = False) -> None:
    """Decide over labelled pairs: precision, recall and F1 with Wilson intervals, by script.

    The file is a CSV with the columns query, candidate, schema (person, company, vessel, ...), label (1 or 0).

    \b
    Examples:
      fiatrails screen evaluate pairs.csv
    """
    runtime.setup()
    from fiatrails.screening.matching.evaluation import evaluate_pairs, read_pairs
    from fiatrails.screening.matching.scoring import REVIEW

    with path.open(encoding="utf-8-sig", newline="") as lines:
        found = evaluate_pairs(read_pairs(lines), against=None, threshold=REVIEW if threshold is None else threshold)
    rows: list[dict[str, Any]] = [
        {
            "slice": name,
            "precision": _share(counts.precision),
            "recall": _share(counts.recall),
            "f1": counts.f1,
            "pairs": sum((counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative)),
        }
        for name, counts in found.items()
    ]
    shown = [[r["slice"], _shown(r["precision"]), _shown(r["recall"]), f"{r['f1']:.3f}", r["pairs"]] for r in rows]
    columns = ("slice", "precision (95 %)", "recall (95 %)", "F1", "pairs")
    render.emit(json, {"slices": rows}, render.table(columns, shown))


def hold_out(*, split: Half = "report", json: Json = False) -> None:
    """Query every alias of the lists in force as if it were not listed: is its entity found under its other names?

    \b
    Examples:
      fiatrails screen hold-out
    """
    runtime.setup()
    from fiatrails.screening.matching.evaluation import Split, hold_out_aliases

    against = ready()
    with progress.bar("aliases", total=len(against.index.names)) as advance:
        found = hold_out_aliases(against, split=Split(split), progress=advance)
    _emit(found, json=json, more={"split": split})


def alerts(path: Csv, *, kind: Kind = None, split: Half = "all", json: Json = False) -> None:
    """Screen ordinary names, one a line: how many would wake somebody, and which.

    \b
    Examples:
      fiatrails screen alerts staff.txt --type person
    """
    runtime.setup()
    from fiatrails.screening.matching.evaluation import Split, alert_rate

    names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    found, which = alert_rate(names, against=ready(), type=kind, split=Split(split))
    _emit(found, json=json, more={"split": split, "alerts": which})


def _emit(found: Recall, *, json: bool, more: Mapping[str, Any]) -> None:
    shares = {name: _share(found.share(name)) for name in found.slices}
    rows = [[name, f"{s['value']:.2%}", f"{s['low']:.2%} to {s['high']:.2%}", s["of"]] for name, s in shares.items()]
    lines = [str(name) for name in more.get("alerts", ())]
    render.emit(json, {"slices": shares, **more}, render.table(_SHARES, rows), "\n".join(lines))


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"value": share.value, "low": low, "high": high, "of": share.total}


def _shown(share: Mapping[str, Any]) -> str:
    return f"{share['value']:.3f} ({share['low']:.3f} to {share['high']:.3f})"
