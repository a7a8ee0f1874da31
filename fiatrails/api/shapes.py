"""What bodies and query strings look like: one model reads them and describes them in the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    InstanceOf,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from fiatrails.kernel.errors import BadInput

JsonSchema = dict[str, Any]
# Text as JSON can carry it, halves of surrogate pairs too, which pydantic's own `str` and PostgreSQL refuse.
Text = InstanceOf[str]
_REFUSAL = "refusal"


def _described(schema: JsonSchema) -> None:
    """Leave out what only pydantic says. A field that defaults to None may be absent; null is read like absent and is
    not advertised."""
    schema.pop("title", None)
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        if "default" in field and field["default"] is None:
            del field["default"]
            choices = [choice for choice in field.pop("anyOf", []) if choice != {"type": "null"}]
            schema["properties"][name] = {**field, **choices[0]} if choices else field


class Shape(BaseModel):
    """A body that we write: fields in camelCase, made from the names of the attributes."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=False,
        serialize_by_alias=True,
        json_schema_extra=_described,
    )

    def as_json(self) -> str:
        """Return compact JSON in ASCII; fields that were not given are left out."""
        return json.dumps(self.model_dump(exclude_unset=True), separators=(",", ":"))


class RequestShape(Shape):
    """A body or query that others send, to be read with `read`. Unknown fields are ignored, so that clients may send
    what a later version understands."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)
    _required: ClassVar[dict[str, None]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls._required = {str(field.alias): None for field in cls.model_fields.values() if field.is_required()}

    @model_validator(mode="before")
    @classmethod
    def _absent_is_null(cls, body: object) -> object:
        """Add null for what is missing: the field's own check refuses it, in the order of the fields and in the field's
        words."""
        return {**cls._required, **body} if isinstance(body, dict) else body


S = TypeVar("S", bound=RequestShape)


def read(shape: type[S], body: Mapping[str, Any]) -> S:
    """Return the body in its shape; BadInput about the first field that is malformed, in the order of the shape."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        finding = error.errors(include_url=False, include_input=False)[0]
    raise _bad_input(finding)


def _bad_input(finding: ErrorDetails) -> BadInput:
    """Return what pydantic found as an error of the product; nothing else translates it."""
    refusal = finding.get("ctx", {}).get(_REFUSAL)
    field = ".".join(str(step) for step in finding["loc"])
    if isinstance(refusal, BadInput):
        return refusal
    if isinstance(refusal, Refusal):
        return BadInput(refusal.code, refusal.message.replace("{field}", field))
    return BadInput("malformed_field", f"{field} is malformed")


@dataclass(frozen=True, eq=False, slots=True)
class Refusal:
    """Whatever is wrong with a field, in the words of the API; `{field}` in the message is the path of the field."""

    code: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source),
            custom_error_type=self.code,
            custom_error_message=self.code,
            custom_error_context={_REFUSAL: self},
        )

    def error(self) -> PydanticCustomError:
        """Return the same refusal, for a validator to raise."""
        return PydanticCustomError("refused", "refused", {_REFUSAL: self})


@dataclass(frozen=True, eq=False, slots=True)
class Parsed:
    """A field that is read by a function of the domain, whose BadInput is the answer, and described by `schema`."""

    parse: Callable[[Any], object]
    schema: JsonSchema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(refusing(self.parse))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)


def refusing(parse: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return `parse` as a validator: a BadInput waits for the fields before, which may be malformed too."""

    def validate(value: Any) -> object:
        try:
            return parse(value)
        except BadInput as error:
            raise PydanticCustomError("refused", "refused", {_REFUSAL: error}) from None

    return validate
