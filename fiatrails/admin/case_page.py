"""All that the page of a case shows, from the domain's records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fiatrails.compliance.models import Case, Release
from fiatrails.compliance.sanctions import releases, suspensions
from fiatrails.compliance.sanctions.states import CaseState, sources
from fiatrails.controls import audit
from fiatrails.kernel.errors import Conflict
from fiatrails.purchases.models import Purchase

_HISTORY = 200
# Details that the page says elsewhere.
_SAID = ("entity", "name", "case")


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of a case's history."""

    at: datetime
    actor: str
    action: str
    text: str


def context_of(case: Case, *, operator: str, may_decide: bool) -> dict[str, Any]:
    """Return what the template is given. Forms are offered for what the domain would take; it decides again by
    itself."""
    waiting = _waiting(case)
    mine = waiting is not None and releases.same_person(waiting.requested_by, operator)
    return {
        "case": case,
        "parties": [_party(party) for party in case.evidence.get("parties", [])],
        "found_with": {name: case.evidence.get(name, "") for name in ("algorithm", "digest")},
        "lists": case.evidence.get("lists", []),
        "purchase": Purchase.objects.filter(deliveries__reference=case.intent_id).first() if case.intent_id else None,
        "on_chain": suspensions.state_of(case.user),
        "waiting": waiting,
        "history": _history(case),
        "may_decide": may_decide,
        "may_release": may_decide and waiting is None and case.state in (CaseState.OPEN, CaseState.CONFIRMED),
        "may_approve": may_decide and waiting is not None and not mine,
        "waits_for_another": may_decide and mine,
        "may_confirm": may_decide and case.state in sources(CaseState.CONFIRMED),
    }


def _party(party: dict[str, Any]) -> dict[str, Any]:
    """Return the party with the features of each hit as `+3.50`, the weightiest first."""
    return {**party, "hits": [{**hit, "added": _added(hit.get("features", {}))} for hit in party.get("hits", [])]}


def _added(features: dict[str, float]) -> list[tuple[str, str]]:
    weighty = sorted(features.items(), key=lambda feature: -abs(feature[1]))
    return [(name, f"{value:+.2f}") for name, value in weighty]


def _waiting(case: Case) -> Release | None:
    try:
        return releases.waiting_for(case)
    except Conflict:
        return None


def _history(case: Case) -> list[HistoryLine]:
    """Return what the audit log says of the wallet, without what concerns other entities."""
    about = audit.of_subject(case.user, limit=_HISTORY)
    return [
        HistoryLine(record.at, record.actor, record.action, _text(record.details))
        for record in about
        if record.details.get("entity", case.entity_uid) == case.entity_uid
    ]


def _text(details: dict[str, Any]) -> str:
    if "reason" in details:
        return str(details["reason"])
    return ", ".join(f"{name} {value}" for name, value in details.items() if name not in _SAID)
