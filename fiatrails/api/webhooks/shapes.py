"""Bodies of callbacks, as the OpenAPI document describes them; `providers.mpesa` reads what is sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from fiatrails.api.shapes import RequestShape, Shape
from fiatrails.api.v1.fields import TxRef, described, matching
from fiatrails.providers.mpesa.fields import RECEIPT


class GatewayMetadata(RequestShape):
    """receipt: M-PESA's receipt number, which makes the payment unique"""

    receipt: Annotated[str | None, WithJsonSchema(matching(RECEIPT))] = None


class GatewayCallback(RequestShape):
    """A payment, as a gateway that signs confirms it."""

    tx_ref: TxRef
    amount: Annotated[str | float, Field(description="What was paid, in the currency of the paybill")]
    phone: Annotated[str | int, Field(examples=["254712345678"])]
    timestamp: Annotated[int | str, Field(description="Unix seconds of sending")]
    metadata: GatewayMetadata | None = Field(default_factory=GatewayMetadata)


class CallbackAnswer(Shape):
    """What the gateway is told."""

    status: Annotated[str, described(enum=["processed", "already_processed"])]
    intent_id: Annotated[str | None, Field(description="null while no intent has this txRef")]


class DarajaAnswer(Shape):
    """What Daraja is told."""

    result_code: Annotated[str, Field(alias="ResultCode")]
    result_desc: Annotated[str, Field(alias="ResultDesc")]
