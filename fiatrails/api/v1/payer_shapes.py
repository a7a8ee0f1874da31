"""Who stands behind a wallet, as clients say it."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, model_validator

from fiatrails.api.shapes import Parsed, Refusal, RequestShape, Text, refusing
from fiatrails.api.v1.fields import Country, described
from fiatrails.compliance.sanctions.payers import MAX_IDENTIFIER, MAX_ITEMS, MAX_NAME, Identity
from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TEXT = r"^[^\x00]*\S[^\x00]*$"
_NAMELESS = Refusal("malformed_payer", 'payer must be {"name": "Jane Wanjiku"}, with type, birthDate, ...')
_NOT_A_DAY = Refusal("malformed_payer", "{field} must be a day such as 1991-04-02")
_NO_SUCH_DAY = Refusal("malformed_payer", "{field} is no day of the calendar")
_BLANK = Refusal("malformed_payer_name", "name must be text that is not blank; leave it out when there is none")
Name = Annotated[Text, described(minLength=1, maxLength=MAX_NAME, pattern=_TEXT)]
Identifier = Annotated[Text, described(minLength=1, maxLength=MAX_IDENTIFIER, pattern=_TEXT)]


def _optional_name(value: object) -> str:
    if value is None:
        return ""
    if not (isinstance(value, str) and value.strip()):
        raise _BLANK.error()
    return value


def _birth_date(value: object) -> date | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise _NOT_A_DAY.error()
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _NO_SUCH_DAY.error() from None


class Person(RequestShape):
    """What may be said of a person or an organization. How long names and lists may be is described
    here and decided where they are stored."""

    # What the fields are called by in messages.
    within: ClassVar[str] = ""

    name: Annotated[Name | None, BeforeValidator(_optional_name)] = None
    type: Annotated[
        Literal[EntityType.PERSON, EntityType.ORGANIZATION] | None,
        Refusal("malformed_payer", "{field} must be person or organization"),
    ] = None
    birth_date: Annotated[
        date | None, Parsed(_birth_date, {"type": "string", "format": "date", "examples": ["1991-04-02"]})
    ] = None
    countries: Annotated[
        list[Country] | None,
        described(maxItems=MAX_ITEMS),
        Refusal("malformed_payer", '{field} must be a list such as ["KE"]'),
    ] = None
    ids: Annotated[
        list[Identifier] | None,
        described(maxItems=MAX_ITEMS),
        Refusal("malformed_payer", "{field} must be a list of numbers as strings"),
    ] = None

    @classmethod
    def require_known(cls, body: dict[str, Any]) -> None:
        """Raise BadInput for an unknown field. A date of birth under another name would be lost, and an ordinary
        namesake held for it."""
        fields = {str(field.alias) for field in cls.model_fields.values()}
        for name in sorted(set(body) - fields)[:1]:
            known = ", ".join(sorted(fields))
            raise BadInput("malformed_payer", f"{cls.within}{name[:40]} is unknown; there are {known}")

    def identity(self, name: str) -> Identity:
        """Return what was said, as the domain takes it."""
        countries = tuple(country.root for country in self.countries or ())
        return Identity(name, self.type, self.birth_date, countries, tuple(self.ids or ()))


class Payer(Person):
    """Who stands behind the wallet; screened against the sanctions lists before anything is minted"""

    within = "payer."

    name: Name

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, body: object) -> object:
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise _NAMELESS.error()
        refusing(cls.require_known)(body)
        return body
