"""Screenings as clients ask for them and read them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from fiatrails.api.shapes import JsonSchema, Refusal, Shape, Text, refusing
from fiatrails.api.v1.fields import Moment, described, matching, one_of
from fiatrails.api.v1.payer_shapes import Person
from fiatrails.compliance.sanctions.payers import MAX_ITEMS
from fiatrails.compliance.sanctions.screenings import SCREENING_ID, Answered
from fiatrails.screening.entities import EntityType
from fiatrails.screening.lists.rules import ActiveLists
from fiatrails.screening.matching.evidence import Agreement
from fiatrails.screening.matching.explain import details, headline
from fiatrails.screening.matching.screening import MAX_HITS, Band, Hit, Party
from fiatrails.screening.matching.wallets import MAX_CHARACTERS

Wallet = Annotated[Text, described(minLength=1, maxLength=MAX_CHARACTERS, pattern=r"^[^\s\x00-\x1f]+$")]


class NewScreening(Person):
    """Whom to screen. Unknown fields are ignored; a repeated one is refused."""

    wallets: Annotated[
        list[Wallet] | None,
        described(maxItems=MAX_ITEMS, description="Of any chain: 0x..., base58, bech32"),
        Refusal("malformed_payer", "{field} must be a list of addresses as strings"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, body: dict[str, Any]) -> dict[str, Any]:
        refusing(cls.require_known)(body)
        return body

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        schema = handler.resolve_ref_schema(handler(core))
        schema["anyOf"] = [{"required": [field]} for field in ("name", "wallets", "ids")]
        return schema

    def party(self) -> Party:
        """Return whom to screen, as the domain takes it."""
        identity = self.identity(self.name or "")
        return Party(
            identity.name,
            identity.type,
            identity.born,
            identity.countries,
            identity.identifiers,
            tuple(self.wallets or ()),
        )


class Evidence(Shape):
    """What birth, country or a number says of a hit."""

    subject: Annotated[str, described(enum=["birth", "country", "identifier"])]
    verdict: Annotated[Agreement, one_of(Agreement)]
    detail: str


class ScreeningHit(Shape):
    """An entity of a list, and why it may be meant."""

    entity: Annotated[str, Field(examples=["SDN:25308"])]
    name: Annotated[str, Field(description="The entity's primary name")]
    type: Annotated[EntityType, one_of(EntityType)]
    programs: list[str]
    band: Annotated[Band, one_of(Band)]
    score: Annotated[float | None, Field(description="0 to 1; null when the name is not why")]
    ofac_score: Annotated[int, Field(description="0 to 100, about what OFAC's own search would say")]
    listed_name: Annotated[str | None, Field(description="The name of the entity that came closest")]
    reasons: Annotated[list[str], Field(description="Sentences for people")]
    features: Annotated[dict[str, float], Field(description="Log-odds added")]
    wallets: Annotated[list[str], Field(description="Of those asked about, the listed ones")]
    evidence: list[Evidence]

    @classmethod
    def of(cls, hit: Hit) -> ScreeningHit:
        """Return the hit as it is read."""
        features = hit.score.features if hit.score else ()
        return cls(
            entity=hit.entity.uid,
            name=hit.entity.name,
            type=hit.entity.type,
            programs=list(hit.entity.programs),
            band=hit.band,
            score=round(hit.score.value, 6) if hit.score else None,
            ofac_score=hit.ofac_score,
            listed_name=hit.listed.text if hit.listed else None,
            reasons=[line.strip() for line in details(hit)],
            features={feature.name: round(feature.added, 4) for feature in features},
            wallets=list(hit.wallets),
            evidence=[
                Evidence(subject=item.subject, verdict=item.agreement, detail=item.detail) for item in hit.evidence
            ],
        )


class ScreenedLists(Shape):
    """The lists that were asked."""

    ids: list[int]
    digest: str
    published: Annotated[
        date | None,
        PlainSerializer(lambda day: day and day.isoformat(), return_type=str | None),
        WithJsonSchema({"type": ["string", "null"], "format": "date"}),
    ]
    fetched_at: Moment | None
    is_sample: Annotated[bool, Field(description="true: the bundled sample, which finds little")]

    @classmethod
    def of(cls, lists: ActiveLists) -> ScreenedLists:
        """Return the lists as they are read."""
        return cls(
            ids=list(lists.ids),
            digest=lists.digest,
            published=lists.published,
            fetched_at=lists.fetched_at,
            is_sample=lists.is_sample,
        )


class Screening(Shape):
    """What was found."""

    id: Annotated[str, WithJsonSchema(matching(SCREENING_ID, description="Names the kept answer; quote it"))]
    band: Annotated[
        Band,
        one_of(Band),
        Field(description="The highest of the hits; review also when something is not screenable"),
    ]
    why: Annotated[str, Field(description="One line for people")]
    problem: Annotated[str | None, Field(description="What could not be screened")]
    lists: Annotated[ScreenedLists, Field(alias="list")]
    algorithm: str
    hits: Annotated[list[ScreeningHit], described(maxItems=MAX_HITS)]

    @classmethod
    def of(cls, answered: Answered) -> Screening:
        """Return the answer to a question."""
        result = answered.result
        return cls(
            id=answered.screening_id,
            band=result.band,
            why=headline(result),
            problem=result.problem or None,
            lists=ScreenedLists.of(answered.lists),
            algorithm=result.algorithm,
            hits=[ScreeningHit.of(hit) for hit in result.hits],
        )
