"""Screenings: may this name, wallet or number be somebody who is listed?"""

from __future__ import annotations

import json

import structlog
from django.http import HttpResponse
from rest_framework.request import Request

from fiatrails.api.bodies import json_object
from fiatrails.api.clock import CLOCK
from fiatrails.api.v1.shapes import read_party
from fiatrails.api.v1.signed import SignedView, client_of
from fiatrails.compliance.sanctions import screenings
from fiatrails.compliance.sanctions.screenings import Answered
from fiatrails.kernel.clock import isoformat
from fiatrails.screening.lists.rules import ActiveLists
from fiatrails.screening.matching.explain import details, headline
from fiatrails.screening.matching.screening import Hit


class Screenings(SignedView):
    """Questions. Each is answered anew, on the list of the moment, and kept; there is no idempotency key."""

    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        """Screens a party; moves no payment."""
        party = read_party(json_object(request._request))
        answered = screenings.ask(party, client=client_of(request), shown=_text, now=CLOCK.now())
        structlog.contextvars.bind_contextvars(screening_id=answered.screening_id)
        return HttpResponse(answered.text, content_type="application/json")


class OneScreening(SignedView):
    """One question that was answered."""

    http_method_names = ["get"]

    def get(self, request: Request, screening_id: str) -> HttpResponse:
        """What the caller was answered, byte by byte."""
        kept = screenings.get(screening_id=screening_id, client=client_of(request))
        structlog.contextvars.bind_contextvars(screening_id=kept.screening_id)
        return HttpResponse(kept.answer, content_type="application/json")


def _text(answered: Answered) -> str:
    return json.dumps(_shown(answered), separators=(",", ":"))


def _shown(answered: Answered) -> dict[str, object]:
    result = answered.result
    return {
        "id": answered.screening_id,
        "band": result.band.value,
        "why": headline(result),
        "problem": result.problem or None,
        "list": _list(answered.lists),
        "algorithm": result.algorithm,
        "hits": [_hit(hit) for hit in result.hits],
    }


def _list(lists: ActiveLists) -> dict[str, object]:
    published, fetched_at = lists.published, lists.fetched_at
    return {
        "ids": list(lists.ids),
        "digest": lists.digest,
        "published": published.isoformat() if published else None,
        "fetchedAt": isoformat(fetched_at) if fetched_at else None,
        "isSample": lists.is_sample,
    }


def _hit(hit: Hit) -> dict[str, object]:
    features = hit.score.features if hit.score else ()
    return {
        "entity": hit.entity.uid,
        "name": hit.entity.name,
        "type": hit.entity.type.value,
        "programs": list(hit.entity.programs),
        "band": hit.band.value,
        "score": round(hit.score.value, 6) if hit.score else None,
        "ofacScore": hit.ofac_score,
        "listedName": hit.listed.text if hit.listed else None,
        "reasons": [line.strip() for line in details(hit)],
        "features": {feature.name: round(feature.added, 4) for feature in features},
        "wallets": list(hit.wallets),
        "evidence": [
            {"subject": item.subject, "verdict": item.agreement.value, "detail": item.detail} for item in hit.evidence
        ],
    }
