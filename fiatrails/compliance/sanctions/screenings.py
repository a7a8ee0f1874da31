"""Questions of API clients: answered on the list of the moment, and kept, so that each can be answered once more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

import structlog

from fiatrails.compliance.sanctions import checks, payers
from fiatrails.compliance.sanctions.models import AskedScreening
from fiatrails.compliance.sanctions.payers import MAX_ITEMS, Identity
from fiatrails.controls import modes
from fiatrails.controls.modes import Flow
from fiatrails.kernel.errors import BadInput, NotFound, Unavailable
from fiatrails.screening.lists.rules import ActiveLists, Unusable
from fiatrails.screening.matching.screening import Party, ScreeningResult, screen
from fiatrails.screening.matching.wallets import MAX_CHARACTERS, canonical

log = structlog.get_logger(__name__)
# A refresh that is under way takes about as long.
_RETRY_AFTER_S = 60
SCREENING_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answered:
    """`screening_id` names the stored row; `lists` are those that it was answered on; `text` is what the client is
    told."""

    screening_id: str
    result: ScreeningResult
    lists: ActiveLists
    text: str = ""


def ask(party: Party, *, client: str, shown: Callable[[Answered], str], now: datetime) -> Answered:
    """Screen a party for an API client and store question and answer, also as it is `shown` to the client: what it says
    of the lists is not the same later. Decides nothing about any payment.

    To be called outside a transaction: a new list takes seconds to be made ready. BadInput for what cannot be screened
    or stored; Unavailable `sanctions_unusable` without a list that may be relied on, and then nothing is answered.
    """
    # The answer is kept, so it is asked only while new rows may be written.
    modes.check(Flow.CREATE_INTENT, now=now)
    party = _validated(party, now)
    found = checks.usable(now)
    if isinstance(found, Unusable):
        log.error("screening.unusable", code=found.code, reason=found.reason)
        raise Unavailable(
            checks.UNUSABLE,
            "no sanctions list can be relied on now, so nothing was screened; ask again later",
            retry_after=_RETRY_AFTER_S,
        )
    answered = Answered(uuid4().hex, screen(party, checks.ready(found.lists)), found.lists)
    answered = replace(answered, text=shown(answered))
    _keep(party, answered, client, now)
    # Whom it was about stays in the table.
    log.info("screening.answered", screening_id=answered.screening_id, band=answered.result.band.value)
    return answered


def get(*, screening_id: str, client: str | None = None) -> AskedScreening:
    """Return what was asked and answered; NotFound also when it was another client's (`client` None: an operator, sees
    all), or was kept in parts only."""
    wanted = screening_id.lower()
    row = AskedScreening.objects.filter(screening_id=wanted).first() if SCREENING_ID.fullmatch(wanted) else None
    if row is None or not row.answer or (client is not None and row.client != client):
        raise NotFound("screening_not_found", "no such screening")
    return row


def _keep(party: Party, answered: Answered, client: str, now: datetime) -> None:
    result = answered.result
    AskedScreening.objects.create(
        screening_id=answered.screening_id,
        client=client,
        asked_at=now,
        inputs=checks.inputs_of(party),
        lists=list(answered.lists.ids),
        list_digest=result.list_digest,
        algorithm=result.algorithm,
        band=result.band.value,
        problem=result.problem,
        hits=[checks.hit_of(hit) for hit in result.hits],
        answer=answered.text,
    )


def _validated(party: Party, now: datetime) -> Party:
    if not (party.name or party.wallets or party.identifiers):
        raise BadInput("nothing_to_screen", "give at least a name, a wallet or an id to screen")
    if len(party.wallets) > MAX_ITEMS:
        raise BadInput("too_many_items", f"at most {MAX_ITEMS} wallets")
    if not all(payers.storable(address, MAX_CHARACTERS) and canonical(address) for address in party.wallets):
        raise BadInput("malformed_wallet", f"a wallet must be 1 to {MAX_CHARACTERS} characters without blanks")
    identity = Identity(party.name, party.type, party.born, party.countries, party.identifiers)
    return replace(party, countries=payers.validated(identity, now=now, nameless=True).countries)
