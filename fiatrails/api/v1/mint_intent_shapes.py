"""Mint intents as clients write, read and list them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, WithJsonSchema, model_validator

from fiatrails.api.errors import Error
from fiatrails.api.shapes import Refusal, RequestShape, Shape, Text, refusing
from fiatrails.api.v1.fields import (
    Address,
    IntentId,
    Moment,
    Status,
    ThreeLetters,
    TokenAmount,
    TxRef,
    described,
    matching,
)
from fiatrails.api.v1.payer_shapes import Payer
from fiatrails.kernel.money import TOKEN_AMOUNT, Money, parse_money
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.opening import NewPurchase
from fiatrails.purchases.states import public_status

TxHash = Annotated[str | None, Field(description="null until there is a transaction")]
_NOT_FIAT = Refusal("malformed_fiat_amount", 'fiatAmount must be {"currency": "KES", "value": "1500.00"}')


class FiatAmount(RequestShape):
    """What has to be paid; without it one token costs one unit of the country's currency"""

    currency: ThreeLetters
    # The domain knows how many digits the currency takes.
    value: Annotated[Text, described(pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?$")]

    @model_validator(mode="before")
    @classmethod
    def _has_a_value(cls, body: object) -> object:
        if not isinstance(body, dict) or not isinstance(body.get("value"), str):
            raise _NOT_FIAT.error()
        return body

    @model_validator(mode="after")
    def _is_payable(self) -> Self:
        refusing(FiatAmount.money)(self)
        return self

    def money(self) -> Money:
        """Return what was said, as the domain takes it; BadInput when the currency has no such amount."""
        return parse_money(self.value, self.currency)


class NewMintIntent(RequestShape):
    """Unknown fields are ignored; a repeated one is refused."""

    user: Address
    amount: TokenAmount
    country_code: ThreeLetters
    tx_ref: TxRef
    fiat_amount: FiatAmount | None = None
    payer: Payer | None = None

    def wanted(self) -> NewPurchase:
        """Return what was said, as the domain takes it."""
        price = self.fiat_amount.money() if self.fiat_amount else None
        payer = self.payer.identity(self.payer.name) if self.payer else None
        return NewPurchase(self.user, self.amount, self.country_code, self.tx_ref, price, payer)


class CreatedMintIntent(Shape):
    """What the maker of an intent is told."""

    intent_id: IntentId
    status: Status
    tx_hash: TxHash
    created_at: Moment

    @classmethod
    def of(cls, purchase: Purchase) -> CreatedMintIntent:
        """Return a purchase as its maker is told of it."""
        return cls(
            intent_id=purchase.intent_id, status=public_status(purchase.state), tx_hash=purchase.delivery.transaction,
            created_at=purchase.created_at,
        )  # fmt: skip


class MintIntent(Shape):
    """An intent as read."""

    intent_id: IntentId
    user: Address
    amount: Annotated[str, WithJsonSchema(matching(TOKEN_AMOUNT))]
    country_code: ThreeLetters
    tx_ref: TxRef
    status: Status
    tx_hash: TxHash
    created_at: Moment
    executed_at: Moment | None

    @classmethod
    def of(cls, purchase: Purchase) -> MintIntent:
        """Return a purchase as it is read."""
        return cls(
            intent_id=purchase.intent_id, user=purchase.delivery.recipient, amount=str(purchase.delivery.amount),
            country_code=purchase.delivery.asset,
            tx_ref=purchase.tx_ref, status=public_status(purchase.state), tx_hash=purchase.delivery.transaction,
            created_at=purchase.created_at, executed_at=purchase.executed_at,
        )  # fmt: skip


class MintIntentPage(Shape):
    """Some intents, and the cursor of those that follow."""

    items: list[MintIntent]
    next_cursor: Annotated[str | None, Field(description="null on the last page")]


class TxRefConflict(Error):
    """intentId and intent: the existing one, when the txRef is the caller's own"""

    intent_id: IntentId | None = None
    intent: MintIntent | None = None
