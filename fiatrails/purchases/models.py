"""What was bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from fiatrails.engine.models import WorkRow
from fiatrails.purchases.states import Hold, State


class Intent(WorkRow):
    """One purchase: `amount` base units of the country token for `user`, once `fiat_expected` minor units are paid."""

    intent_id = models.CharField(max_length=66, unique=True)
    tx_ref = models.CharField(max_length=128, unique=True)
    tx_ref_hash = models.CharField(max_length=66)
    client = models.CharField(max_length=64)
    chain_id = models.BigIntegerField()
    user = models.CharField(max_length=42)
    amount = models.DecimalField(max_digits=78, decimal_places=0)
    country_code = models.CharField(max_length=3)
    fiat_currency = models.CharField(max_length=3)
    fiat_expected = models.BigIntegerField()
    fiat_paid = models.BigIntegerField(default=0)
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in State])
    hold = models.CharField(max_length=20, default="", blank=True, choices=[(h.value, h.value) for h in Hold])
    reason = models.TextField(default="", blank=True)
    # A batch that reverted is retried one by one, so that one bad order cannot keep failing its neighbours.
    alone = models.BooleanField(default=False)
    # How often the chain gave the order back unused; bounds the retries of an order that it keeps skipping.
    releases = models.IntegerField(default=0)
    tx_hash = models.CharField(max_length=66, null=True)
    block_number = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    held_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)
    refunded_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "purchases_intent"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="intent_amount_positive"),
            models.CheckConstraint(condition=Q(fiat_expected__gt=0), name="intent_price_positive"),
            models.CheckConstraint(
                condition=~Q(state__in=["expired", "cancelled", "failed"]) | Q(fiat_paid=0),
                name="intent_money_not_lost",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="intent_due"),
            models.Index(fields=["client", "-id"], name="intent_client"),
            models.Index(fields=["user", "-id"], name="intent_user"),
            models.Index(
                fields=["state", "-id"],
                condition=~Q(state__in=["executed", "refunded", "expired", "cancelled", "failed"]),
                name="intent_open_state",
            ),
        ]

    if TYPE_CHECKING:
        id: int

    def __str__(self) -> str:
        return f"{self.intent_id} {self.state}"


class Transition(models.Model):
    """The timeline of an intent: append-only."""

    intent_id = models.CharField(max_length=66)
    state = models.CharField(max_length=20)
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    detail = models.TextField(default="", blank=True)

    class Meta:
        db_table = "purchases_transition"
        indexes = [models.Index(fields=["intent_id", "id"], name="transition_intent")]


class DailyUsage(models.Model):
    """Token base units asked for by a user on a UTC day; one row, one conditional update, hence no race."""

    user = models.CharField(max_length=42)
    day = models.DateField()
    total = models.DecimalField(max_digits=78, decimal_places=0)

    class Meta:
        db_table = "purchases_daily_usage"
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="daily_usage_once")]
