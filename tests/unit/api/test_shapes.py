"""Every kind of body and query is read, or refused in the same words, as it was when it was parsed by hand."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict

from fiatrails.api.errors import error_response
from fiatrails.api.shapes import RequestShape, Shape, Text, read
from fiatrails.api.v1.listing import MintIntentQuery
from fiatrails.api.v1.mint_intent_shapes import NewMintIntent
from fiatrails.api.v1.screening_shapes import NewScreening
from fiatrails.compliance.sanctions.payers import Identity
from fiatrails.kernel.errors import BadInput
from fiatrails.screening.matching.screening import Party

# {"shape", "body" or "query", and "value" or "code" with "message"}: recorded from the parsers that came before.
READINGS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "readings.json").read_text())


def told(who: Identity | Party) -> list[Any]:
    born = who.born and who.born.isoformat()
    return [who.name, who.type and who.type.value, born, list(who.countries), list(who.identifiers)]


def mint_intent(said: dict[str, Any]) -> list[Any]:
    wanted = read(NewMintIntent, said["body"]).wanted()
    payer = wanted.payer and told(wanted.payer)
    price = wanted.price and str(wanted.price)
    return [wanted.user, wanted.amount, wanted.country_code, wanted.tx_ref, price, payer]


def screening(said: dict[str, Any]) -> list[Any]:
    party = read(NewScreening, said["body"]).party()
    return [*told(party), list(party.wallets)]


def listing(said: dict[str, Any]) -> list[Any]:
    def text(moment: datetime | None) -> str | None:
        return moment and moment.isoformat()

    asked = read(MintIntentQuery, QueryDict(said["query"]).dict())
    after, before = text(asked.created_after), text(asked.created_before)
    return [asked.limit, asked.status, asked.tx_ref, asked.user, after, before, asked.cursor]


READERS = {"mintIntent": mint_intent, "screening": screening, "listing": listing}


@pytest.mark.parametrize("shape", READERS)
def test_everything_is_read_or_refused_as_it_was(shape: str) -> None:
    recorded = [said for said in READINGS if said["shape"] == shape]
    assert len(recorded) > 50
    for said in recorded:
        sent = {key: said[key] for key in ("shape", "body", "query") if key in said}
        try:
            found = {"value": READERS[shape](said)}
        except BadInput as error:
            found = {"code": error.code, "message": error.message}
        assert {**sent, **found} == said


def test_an_unknown_field_may_have_any_name() -> None:
    with pytest.raises(BadInput, match="is unknown") as refused:
        read(NewScreening, {"\ud800": 1})
    answer = error_response(refused.value.code, refused.value.message, 400)
    assert json.loads(answer.content)["message"].startswith("\ud800 is unknown")


class Inner(RequestShape):
    some_count: int


class Outer(RequestShape):
    inner: Inner
    some_text: Text | None = None


def test_a_field_without_words_of_its_own_is_named() -> None:
    for body, field in (
        ({}, "inner"),
        ({"inner": {}}, "inner.someCount"),
        ({"inner": {"someCount": True}}, "inner.someCount"),
    ):
        with pytest.raises(BadInput) as refused:
            read(Outer, body)
        assert (refused.value.code, refused.value.message) == ("malformed_field", f"{field} is malformed")


def test_only_names_in_camel_case_are_read() -> None:
    assert read(Outer, {"inner": {"someCount": 1}, "some_text": "x"}).some_text is None
    assert read(Outer, {"inner": {"someCount": 1}, "someText": "x"}).some_text == "x"


def test_a_body_is_written_without_what_was_not_given_and_in_ascii() -> None:
    class Answer(Shape):
        some_text: Text
        more_text: Text | None = None

    assert Answer(some_text="é\ud800").as_json() == '{"someText":"\\u00e9\\ud800"}'
    assert Answer(some_text="", more_text=None).as_json() == '{"someText":"","moreText":null}'


def test_a_refusal_names_the_path_of_the_field() -> None:
    with pytest.raises(BadInput, match=r"payer\.birthDate must be a day"):
        read(
            NewMintIntent,
            {
                "user": "0x" + "1" * 40,
                "amount": "1",
                "countryCode": "KES",
                "txRef": "T",
                "payer": {"name": "A", "birthDate": "1"},
            },
        )
