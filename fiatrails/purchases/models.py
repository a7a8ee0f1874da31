"""What was bought."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from fiatrails.engine.models import WorkRow
from fiatrails.purchases.states import DeliveryState, Hold, State


class Purchase(WorkRow):
    """What is bought: its deliveries are made once `fiat_expected` minor units are paid.

    `intent_id` is the reference of its first delivery, by which client and chain know it.
    """

    intent_id = models.CharField(max_length=128, unique=True)
    tx_ref = models.CharField(max_length=128, unique=True)
    client = models.CharField(max_length=64)
    fiat_currency = models.CharField(max_length=3)
    fiat_expected = models.BigIntegerField()
    fiat_paid = models.BigIntegerField(default=0)
    # What a token cost when the purchase was made, in minor units, and who said so. Null: made before prices were kept.
    price_rate = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    price_source = models.CharField(max_length=200, default="", blank=True)
    # The UTC day whose limit of each recipient this purchase takes from; null when it takes from none.
    limit_day = models.DateField(null=True)
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in State])
    hold = models.CharField(max_length=20, default="", blank=True, choices=[(h.value, h.value) for h in Hold])
    reason = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    held_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)
    refunded_at = models.DateTimeField(null=True)
    # A cleared purchase that its chain cannot mint now: the chain and the asset it waits for, and since when. It is not
    # due until the chain can; `last_error` says what is missing.
    waits_for = models.CharField(max_length=130, default="", db_default="", blank=True)
    waits_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "purchases_purchase"
        constraints = [
            models.CheckConstraint(condition=Q(fiat_expected__gt=0), name="purchase_price_positive"),
            models.CheckConstraint(
                condition=~Q(state__in=["expired", "cancelled", "failed"]) | Q(fiat_paid=0),
                name="purchase_money_not_lost",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="purchase_due"),
            models.Index(fields=["client", "-id"], name="purchase_client"),
            models.Index(
                fields=["state", "-id"],
                condition=~Q(state__in=["executed", "refunded", "expired", "cancelled", "failed"]),
                name="purchase_open_state",
            ),
            models.Index(fields=["waits_for", "paid_at"], condition=~Q(waits_for=""), name="purchase_waits"),
        ]

    if TYPE_CHECKING:
        id: int

    def __str__(self) -> str:
        return f"{self.intent_id} {self.state}"

    @cached_property
    def parts(self) -> list[Delivery]:
        """Return the deliveries in their order, read once: what is changed in memory is what is written."""
        found = list(Delivery.objects.filter(purchase=self).order_by("position"))
        for delivery in found:
            delivery.purchase = self
        return found

    @property
    def delivery(self) -> Delivery:
        """Return the first delivery: the only one of a mint intent."""
        return self.parts[0]


class Delivery(WorkRow):
    """What a purchase brings to one recipient: `amount` base units of `asset` on `chain`.

    Its chain columns are written in the transaction that holds the lock of its purchase, together with the purchase's
    fence. It is due only while `news` holds an outcome that could not be applied.
    """

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    position = models.SmallIntegerField()
    chain = models.CharField(max_length=64)
    recipient = models.CharField(max_length=64)
    asset = models.CharField(max_length=64)
    amount = models.DecimalField(max_digits=78, decimal_places=0)
    reference = models.CharField(max_length=128, unique=True)
    state = models.CharField(
        max_length=12, default=DeliveryState.WAITING.value, choices=[(s.value, s.value) for s in DeliveryState]
    )
    transaction = models.CharField(max_length=128, null=True)
    # The number of the block or slot that holds the transaction.
    place = models.BigIntegerField(null=True)
    # A batch that reverted is retried one by one, so that one bad order cannot keep failing its neighbours.
    alone = models.BooleanField(default=False)
    # How often the chain gave the order back unused; bounds the retries of an order that it keeps skipping.
    releases = models.IntegerField(default=0)
    news: models.JSONField[Any, Any] = models.JSONField(null=True)

    class Meta:
        db_table = "purchases_delivery"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="delivery_amount_positive"),
            models.UniqueConstraint(fields=["purchase", "position"], name="delivery_position_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=["recipient", "-purchase"], name="delivery_recipient"),
        ]

    if TYPE_CHECKING:
        id: int
        purchase_id: int

    def __str__(self) -> str:
        return f"{self.reference} {self.state}"


class Transition(models.Model):
    """The timeline of a purchase: append-only."""

    intent_id = models.CharField(max_length=128)
    state = models.CharField(max_length=20)
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    detail = models.TextField(default="", blank=True)

    class Meta:
        db_table = "purchases_transition"
        indexes = [models.Index(fields=["intent_id", "id"], name="transition_intent")]


class DailyUsage(models.Model):
    """Token base units asked for by a user on a UTC day; one row, one conditional update, hence no race."""

    user = models.CharField(max_length=64)
    day = models.DateField()
    total = models.DecimalField(max_digits=78, decimal_places=0)

    class Meta:
        db_table = "purchases_daily_usage"
        constraints = [
            models.UniqueConstraint(fields=["user", "day"], name="daily_usage_once"),
            models.CheckConstraint(condition=Q(total__gte=0), name="daily_usage_not_negative"),
        ]


class TokenPrice(models.Model):
    """A round of a country's price feed that was taken: `minor_units` of the payer's currency for one token.

    `read_at` moves while the feed repeats the round. `taken_by`: the operator who took a price that deviated too far.
    """

    country = models.CharField(max_length=3)
    feed = models.CharField(max_length=64)
    round_id = models.DecimalField(max_digits=25, decimal_places=0)
    minor_units = models.DecimalField(max_digits=38, decimal_places=12)
    updated_at = models.DateTimeField()
    read_at = models.DateTimeField()
    taken_by = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        db_table = "purchases_token_price"
        constraints = [models.CheckConstraint(condition=Q(minor_units__gt=0), name="token_price_positive")]
        indexes = [models.Index(fields=["country", "-id"], name="token_price_latest")]


class SupplyCursor(models.Model):
    """How far the supply of a chain's assets was read into the ledger: up to and including `place`, -1 before the first
    time. `coins` are those that its escrows take or took, as [asset, address]. Moved with the entries of what was
    read."""

    chain = models.CharField(max_length=64, primary_key=True)
    place = models.BigIntegerField(default=-1)
    coins: models.JSONField[Any, Any] = models.JSONField(default=list)

    class Meta:
        db_table = "purchases_supply_cursor"

    def __str__(self) -> str:
        return f"{self.chain} {self.place}"
