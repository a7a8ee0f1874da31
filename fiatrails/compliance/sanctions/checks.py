"""The question that the gate asks of each payer: may money go on, as far as the sanctions lists are concerned?"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from fiatrails.compliance.lists import current
from fiatrails.compliance.lists.rules import ActiveLists, Unusable, Usable, judge
from fiatrails.compliance.ofac.entities import EntityType
from fiatrails.compliance.ofac.explain import headline, reason
from fiatrails.compliance.ofac.scoring import ALGORITHM
from fiatrails.compliance.ofac.screening import Band, Hit, Party, Screening, ScreeningList, screen
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.sanctions import alarms, payers, releases
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config

LISTED, REVIEW, UNUSABLE, NOT_SCREENED = (
    "sanctions_listed", "sanctions_review", "sanctions_unusable", "sanctions_not_screened",
)  # fmt: skip
CODES = frozenset({LISTED, REVIEW, UNUSABLE, NOT_SCREENED})

_lock = threading.Lock()
_made: tuple[tuple[int, ...], ScreeningList] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """`verdict`, and all that it was decided on: party, lists, algorithm, hits; JSON."""

    verdict: Verdict
    inputs: dict[str, Any]


def enabled() -> bool:
    """Whether OFAC_SCREENING_ENABLED is set."""
    return config().screening.enabled


def check(users: Sequence[str], *, now: datetime) -> dict[str, Check]:
    """A verdict per user; empty when screening is off. To be asked outside a transaction: a new list takes seconds to
    be made ready. Without a usable list nobody is cleared."""
    if not enabled():
        return {}
    found = usable(now)
    if isinstance(found, Unusable):
        alarms.sound(found, now=now)
        refusal = Check(Verdict(False, UNUSABLE, found.reason), lists_of(found.lists))
        return dict.fromkeys(users, refusal)
    alarms.all_clear(now=now)
    against = ready(found.lists)
    identities = payers.known(users)
    released = releases.approved(users)
    return {
        user: _check(payers.parties(user, identities[user]), against, released.get(user, frozenset()), found.lists)
        for user in identities
    }


def usable(now: datetime) -> Usable | Unusable:
    """The lists in force, and whether this deployment may rely on them."""
    return current.usable(now=now, max_age=_max_age(), allow_sample=not config().live)


def standing(now: datetime) -> Usable | Unusable:
    """As `usable`, and loads nothing: where nothing was ever loaded, not the sample either. One short query."""
    return judge(current.stored(now=now), max_age=_max_age(), allow_sample=not config().live)


def watch(clock: Clock) -> str:
    """A periodic job: the alarm begins when the lists become unusable and not with the first payment that is held, and
    ends when they can be relied on again, also when no payment is waiting by then."""
    if not enabled():
        return "off"
    found = usable(clock.now())
    if isinstance(found, Unusable):
        alarms.sound(found, now=clock.now())
        return found.code
    alarms.all_clear(now=clock.now())
    return "usable"


def _max_age() -> timedelta:
    return timedelta(seconds=config().profile.screening.max_list_age_s)


def ready(lists: ActiveLists) -> ScreeningList:
    """The lists made ready for screening; once per process and edition."""
    global _made  # noqa: PLW0603 - the cache of the process
    with _lock:
        if _made is None or _made[0] != lists.ids:
            _made = (lists.ids, ScreeningList(current.entities(lists), digest=lists.digest))
        return _made[1]


def not_screened() -> Check:
    """For an intent whose payer was not asked about although screening is on."""
    return Check(Verdict(False, NOT_SCREENED, "the payer was not screened; this is a fault, report it"), {})


def _check(
    parties: Sequence[Party], against: ScreeningList, released: frozenset[str], lists: ActiveLists
) -> Check:  # fmt: skip
    """The worst of what is found for any of them."""
    results = [screen(party, against) for party in parties]
    left = [_standing(result, released) for result in results]
    worst = max(left, key=lambda result: list(Band).index(result.band))
    asked = [
        {**inputs_of(party), "hits": [hit_of(hit) for hit in result.hits]}
        for party, result in zip(parties, results, strict=True)
    ]
    return Check(_verdict(worst), {**lists_of(lists), "parties": asked})


def _standing(result: Screening, released: frozenset[str]) -> Screening:
    """What is left of it once the hits that were released are taken away."""
    hits = tuple(hit for hit in result.hits if releases.fingerprint(hit.entity) not in released)
    return replace(result, band=_highest(hits, result.problem), hits=hits)


def _highest(hits: tuple[Hit, ...], problem: str) -> Band:
    bands = {hit.band for hit in hits} | ({Band.REVIEW} if problem else set())
    return max(bands, key=list(Band).index, default=Band.CLEAR)


def _verdict(result: Screening) -> Verdict:
    if result.band is Band.CLEAR:
        return Verdict(True, "not_listed", "no listed name, wallet or number")
    return Verdict(False, LISTED if result.band is Band.BLOCK else REVIEW, headline(result))


def lists_of(lists: ActiveLists) -> dict[str, Any]:
    """What a screening was made against, as it is stored."""
    return {"lists": list(lists.ids), "digest": lists.digest, "algorithm": ALGORITHM}


def inputs_of(party: Party) -> dict[str, Any]:
    """What was asked, as it is stored; `reproduce` takes it."""
    return {
        "name": party.name, "type": party.type or "", "born": party.born.isoformat() if party.born else None,
        "countries": list(party.countries), "identifiers": list(party.identifiers), "wallets": list(party.wallets),
    }  # fmt: skip


def hit_of(hit: Hit) -> dict[str, Any]:
    """What was found, as it is stored."""
    features = {feature.name: round(feature.added, 4) for feature in hit.score.features} if hit.score else {}
    return {
        "uid": hit.entity.uid, "entity": releases.fingerprint(hit.entity), "band": hit.band.value,
        "score": round(hit.score.value, 6) if hit.score else None, "ofacScore": hit.ofac_score,
        "listed": hit.listed.text if hit.listed else "", "reason": reason(hit), "features": features,
    }  # fmt: skip


def reproduce(inputs: Mapping[str, Any], against: ScreeningList) -> Screening:
    """A stored question, or one party of a stored decision, once more; `against` made of the editions that it names."""
    born = inputs["born"]
    return screen(
        Party(
            name=inputs["name"], type=EntityType(inputs["type"]) if inputs["type"] else None,
            born=date.fromisoformat(born) if born else None, countries=tuple(inputs["countries"]),
            identifiers=tuple(inputs["identifiers"]), wallets=tuple(inputs["wallets"]),
        ),
        against,
    )  # fmt: skip
