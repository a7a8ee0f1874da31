"""The question that the gate asks of each payer: may money go on, as far as the sanctions lists are concerned?"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from fiatrails.chains.core.pool import RpcPool
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.sanctions import alarms, cases, oracle, payers, releases
from fiatrails.compliance.sanctions.cases import OpenHit
from fiatrails.compliance.sanctions.models import Case
from fiatrails.compliance.sanctions.states import CaseState
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config
from fiatrails.screening.entities import EntityType
from fiatrails.screening.lists import current
from fiatrails.screening.lists.rules import ActiveLists, Unusable, Usable, judge
from fiatrails.screening.matching.explain import headline, reason
from fiatrails.screening.matching.scoring import ALGORITHM
from fiatrails.screening.matching.screening import Band, Hit, Party, ScreeningList, ScreeningResult, screen

LISTED, REVIEW, UNUSABLE, NOT_SCREENED = (
    "sanctions_listed",
    "sanctions_review",
    "sanctions_unusable",
    "sanctions_not_screened",
)
CODES = frozenset({LISTED, REVIEW, UNUSABLE, NOT_SCREENED})

_lock = threading.Lock()
_made: tuple[tuple[int, ...], ScreeningList] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """`verdict`, and all that it was decided on: party, lists, algorithm, hits; JSON. `open_hits` are the hits that
    nobody released: what cases are opened for."""

    verdict: Verdict
    inputs: dict[str, Any]
    open_hits: tuple[OpenHit, ...] = ()


def enabled() -> bool:
    """Return whether OFAC_SCREENING_ENABLED is set."""
    return config().screening.enabled


def check(users: Sequence[str], *, pool: RpcPool, now: datetime) -> dict[str, Check]:
    """Return a verdict per user; empty when screening is off. To be asked outside a transaction: a new list takes
    seconds to be made ready. Without a usable list nobody is cleared. OutsideUnknown when there is an oracle and it is
    silent."""
    if not enabled():
        return {}
    found = usable(now)
    if isinstance(found, Unusable):
        alarms.raise_alarm(found, now=now)
        refusal = Check(Verdict(False, UNUSABLE, found.reason), lists_of(found.lists))
        return dict.fromkeys(users, refusal)
    alarms.clear_alarm(now=now)
    checks = screened(users, found.lists, pool=pool)
    standing = cases.standing(users)
    return {user: _undecided(found, standing.get(user, ())) for user, found in checks.items()}


def screened(users: Sequence[str], lists: ActiveLists, *, pool: RpcPool) -> dict[str, Check]:
    """Screen everybody whom the wallets are said to belong to against these lists, and the wallets by the oracle, if
    there is one; outside a transaction. OutsideUnknown when the oracle is silent."""
    against = ready(lists)
    identities = payers.known(users)
    released = cases.released(users)
    said = oracle.ask(users, pool=pool)
    found = {}
    for user in identities:
        let_go = released.get(user, frozenset())
        by_lists = _check(payers.parties(user, identities[user]), against, let_go, lists)
        found[user] = _with_oracle(by_lists, user, let_go, said[user]) if user in said else by_lists
    return found


def usable(now: datetime) -> Usable | Unusable:
    """Return the lists in force, and whether this deployment may rely on them."""
    return current.usable(now=now, max_age=_max_age(), allow_sample=not config().live)


def standing(now: datetime) -> Usable | Unusable:
    """Return what `usable` does, and load nothing: where nothing was ever loaded, not the sample either. One short
    query."""
    return judge(current.stored(now=now), max_age=_max_age(), allow_sample=not config().live)


def watch(clock: Clock) -> str:
    """Raise the alarm when the lists become unusable and not with the first payment that is held, and clear it when
    they can be relied on again, also when no payment is waiting by then; a periodic job."""
    if not enabled():
        return "off"
    found = usable(clock.now())
    if isinstance(found, Unusable):
        alarms.raise_alarm(found, now=clock.now())
        return found.code
    alarms.clear_alarm(now=clock.now())
    return "usable"


def _max_age() -> timedelta:
    return timedelta(seconds=config().profile.screening.max_list_age_s)


def ready(lists: ActiveLists) -> ScreeningList:
    """Return the lists made ready for screening; once per process and edition."""
    global _made  # noqa: PLW0603 - the cache of the process
    with _lock:
        if _made is None or _made[0] != lists.ids:
            _made = (lists.ids, ScreeningList(current.entities(lists), digest=lists.digest))
        return _made[1]


def not_screened() -> Check:
    """Return the refusal for an intent whose payer was not asked about although screening is on."""
    return Check(Verdict(False, NOT_SCREENED, "the payer was not screened; this is a fault, report it"), {})


def _with_oracle(check: Check, user: str, released: frozenset[str], sanctioned: bool) -> Check:
    """Keep the oracle's word with the decision, whatever it is; its yes is a hit like any other."""
    said = {**check.inputs, "oracle": {"address": config().profile.screening.oracle, "sanctioned": sanctioned}}
    check = replace(check, inputs=said)
    hit = oracle.open_hit(user, said)
    if not sanctioned or hit.entity in released:
        return check
    verdict = Verdict(False, LISTED, hit.reason) if check.verdict.cleared else check.verdict
    return replace(check, verdict=verdict, open_hits=(*check.open_hits, hit))


def _undecided(check: Check, standing: Sequence[Case]) -> Check:
    """Refuse whom a case stands against, also when the lists have changed meanwhile."""
    if not standing or not check.verdict.cleared:
        return check
    case = standing[0]
    why = f"case {case.id} is {case.state}: {case.reason}; see `fiatrails case show {case.id}`"
    return replace(check, verdict=Verdict(False, LISTED if case.state == CaseState.CONFIRMED else REVIEW, why))


def _check(parties: Sequence[Party], against: ScreeningList, released: frozenset[str], lists: ActiveLists) -> Check:
    """Return the worst of what is found for any of them."""
    results = [screen(party, against) for party in parties]
    left = [_standing(party, result, released) for party, result in zip(parties, results, strict=True)]
    worst = max(left, key=lambda result: list(Band).index(result.band))
    asked = [
        {**inputs_of(party), "hits": [hit_of(hit) for hit in result.hits]}
        for party, result in zip(parties, results, strict=True)
    ]
    inputs = lists_of(lists)
    open_hits = [
        hit
        for party, result, party_asked in zip(parties, left, asked, strict=True)
        for hit in _open_hits(party, result, {**inputs, "parties": [party_asked]})
    ]
    return Check(_verdict(worst), {**inputs, "parties": asked}, tuple(open_hits))


def _open_hits(party: Party, result: ScreeningResult, evidence: dict[str, Any]) -> list[OpenHit]:
    found = [
        OpenHit(releases.fingerprint(hit.entity), hit.entity.uid, hit.entity.name, hit.band, reason(hit), evidence)
        for hit in result.hits
        if hit.band is not Band.CLEAR
    ]
    if result.problem:
        entity = releases.unscreenable(party.name, result.problem)
        found.append(OpenHit(entity, "", "a name that cannot be screened", Band.REVIEW, result.problem, evidence))
    return found


def _standing(party: Party, result: ScreeningResult, released: frozenset[str]) -> ScreeningResult:
    """Return what is left of it once the hits that were released are taken away."""
    hits = tuple(hit for hit in result.hits if releases.fingerprint(hit.entity) not in released)
    problem = "" if releases.unscreenable(party.name, result.problem) in released else result.problem
    return replace(result, band=_highest(hits, problem), hits=hits, problem=problem)


def _highest(hits: tuple[Hit, ...], problem: str) -> Band:
    bands = {hit.band for hit in hits} | ({Band.REVIEW} if problem else set())
    return max(bands, key=list(Band).index, default=Band.CLEAR)


def _verdict(result: ScreeningResult) -> Verdict:
    if result.band is Band.CLEAR:
        return Verdict(True, "not_listed", "no listed name, wallet or number")
    return Verdict(False, LISTED if result.band is Band.BLOCK else REVIEW, headline(result))


def lists_of(lists: ActiveLists) -> dict[str, Any]:
    """Return what a screening was made against, as it is stored."""
    return {"lists": list(lists.ids), "digest": lists.digest, "algorithm": ALGORITHM}


def inputs_of(party: Party) -> dict[str, Any]:
    """Return what was asked, as it is stored; `reproduce` takes it."""
    return {
        "name": party.name,
        "type": party.type or "",
        "born": party.born.isoformat() if party.born else None,
        "countries": list(party.countries),
        "identifiers": list(party.identifiers),
        "wallets": list(party.wallets),
    }


def hit_of(hit: Hit) -> dict[str, Any]:
    """Return what was found, as it is stored."""
    features = {feature.name: round(feature.added, 4) for feature in hit.score.features} if hit.score else {}
    return {
        "uid": hit.entity.uid,
        "entity": releases.fingerprint(hit.entity),
        "band": hit.band.value,
        "score": round(hit.score.value, 6) if hit.score else None,
        "ofacScore": hit.ofac_score,
        "listed": hit.listed.text if hit.listed else "",
        "reason": reason(hit),
        "features": features,
    }


def reproduce(inputs: Mapping[str, Any], against: ScreeningList) -> ScreeningResult:
    """Screen a stored question, or one party of a stored decision, once more; `against` made of the editions that it
    names."""
    born = inputs["born"]
    return screen(
        Party(
            name=inputs["name"],
            type=EntityType(inputs["type"]) if inputs["type"] else None,
            born=date.fromisoformat(born) if born else None,
            countries=tuple(inputs["countries"]),
            identifiers=tuple(inputs["identifiers"]),
            wallets=tuple(inputs["wallets"]),
        ),
        against,
    )
