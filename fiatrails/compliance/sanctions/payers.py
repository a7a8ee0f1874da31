"""Who stands behind a wallet, as API clients and operators describe them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from fiatrails.compliance.sanctions.models import Payer
from fiatrails.kernel.countries import require_alpha2
from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.screening import Party

MAX_NAME = 500
MAX_IDENTIFIER = 100
MAX_ITEMS = 10
_OLDEST = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a payer is said to be. Countries ISO alpha-2; identifiers are numbers of passports, registers and so on."""

    name: str
    type: EntityType | None = None
    born: date | None = None
    countries: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


def record(identity: Identity, *, user: str, actor: str, now: datetime) -> None:
    """Add an identity, in the caller's transaction; nothing when it was recorded before. BadInput for what cannot be
    stored."""
    identity = validated(identity, now=now)
    if identity not in known([user])[user]:
        Payer.objects.create(
            user=user,
            name=identity.name,
            type=identity.type or "",
            born=identity.born,
            countries=list(identity.countries),
            identifiers=list(identity.identifiers),
            recorded_at=now,
            recorded_by=actor,
        )


def known(users: Iterable[str]) -> dict[str, tuple[Identity, ...]]:
    """Return all identities ever recorded of each of the users, the newest first."""
    found: dict[str, tuple[Identity, ...]] = dict.fromkeys(users, ())
    for row in Payer.objects.filter(user__in=list(found)).order_by("-id"):
        found[row.user] += (_identity(row),)
    return found


def parties(user: str, identities: Iterable[Identity]) -> tuple[Party, ...]:
    """Return whom to screen: everybody whom the wallet is said to belong to, and the wallet in any case."""
    return tuple(_party(user, identity) for identity in identities) or (Party(wallets=(user,)),)


def _party(user: str, identity: Identity) -> Party:
    return Party(
        name=identity.name,
        type=identity.type,
        born=identity.born,
        countries=identity.countries,
        identifiers=identity.identifiers,
        wallets=(user,),
    )


def _identity(row: Payer) -> Identity:
    type = EntityType(row.type) if row.type else None
    return Identity(row.name, type, row.born, tuple(row.countries), tuple(row.identifiers))


def validated(identity: Identity, *, now: datetime, nameless: bool = False) -> Identity:
    """Return the identity as it is kept, countries in upper case. BadInput names what cannot be stored; without a name
    only where that is allowed (`nameless`)."""
    if not storable(identity.name, MAX_NAME) and not (nameless and not identity.name):
        raise BadInput("malformed_payer_name", f"the payer's name must be text of 1 to {MAX_NAME} characters")
    if identity.born is not None and not _OLDEST <= identity.born <= now.date():
        raise BadInput("malformed_birth_date", "the payer's date of birth must lie between 1900 and today")
    if max(len(identity.countries), len(identity.identifiers)) > MAX_ITEMS:
        raise BadInput("too_many_items", f"at most {MAX_ITEMS} countries and identifiers of a payer")
    if not all(storable(number, MAX_IDENTIFIER) for number in identity.identifiers):
        raise BadInput(
            "malformed_identifier", f"an identifier of a payer must be text of 1 to {MAX_IDENTIFIER} characters"
        )
    try:
        return replace(identity, countries=require_alpha2(identity.countries))
    except ValueError as error:
        raise BadInput("malformed_country", f"countries of a payer: {error}") from None


def storable(text: str, longest: int) -> bool:
    """Return whether PostgreSQL can store it: JSON can carry a NUL and half a surrogate pair, its text cannot."""
    halves = any("\ud800" <= character <= "\udfff" for character in text)
    return bool(text.strip()) and len(text) <= longest and "\0" not in text and not halves
