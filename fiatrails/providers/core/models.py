"""What providers told us (inbox) and what we asked of them (requests). Rows are kept for ever."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from fiatrails.engine.models import WorkRow


class EventKind(models.TextChoices):
    """What a message is about. PAYMENT: a movement of a payer's money; it has a row of `Payment`."""

    PAYMENT = "payment"


class EventState(models.TextChoices):
    """RECEIVED: stored, still to be acted on. PROCESSED: acted on, in the transaction that says so."""

    RECEIVED = "received"
    PROCESSED = "processed"


class InboxEvent(models.Model):
    """One message of a provider, with the bytes as they came. What it says of money is in the row of its kind."""

    provider = models.CharField(max_length=16)
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    channel = models.CharField(max_length=16)
    event_key = models.CharField(max_length=160)
    digest = models.BinaryField(max_length=32)
    raw = models.BinaryField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=EventState.choices)

    class Meta:
        db_table = "rb_core_inbox_event"
        constraints = [models.UniqueConstraint(fields=["provider", "event_key"], name="inbox_event_once")]


class PaymentState(models.TextChoices):
    """RECEIVED: still to be confirmed with the provider. APPLIED: moved an intent. UNMATCHED: no such intent yet.
    SURPLUS: money beyond what the intent expected, to be returned. DUPLICATE: the receipt was credited through another
    event. DECLINED: the provider says nobody paid. REFUNDING: unmatched or surplus money on its way back, no longer to
    be matched. REFUNDED: the money of this event went back."""

    RECEIVED = "received"
    APPLIED = "applied"
    UNMATCHED = "unmatched"
    SURPLUS = "surplus"
    DUPLICATE = "duplicate"
    DECLINED = "declined"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class Payment(WorkRow):
    """What an event says of a payment, and where its money stands. Numbered as its event."""

    event = models.OneToOneField(InboxEvent, primary_key=True, db_column="id", on_delete=models.PROTECT)
    provider = models.CharField(max_length=16)
    receipt = models.CharField(max_length=64, null=True)
    # True on the one payment whose receipt is counted as money; a receipt is credited once, whatever brought it.
    credits = models.BooleanField(default=False)
    tx_ref = models.CharField(max_length=128, default="", blank=True)
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=8, default="", blank=True)
    phone = models.CharField(max_length=32, default="", blank=True)
    payer_name = models.CharField(max_length=320, default="", blank=True)
    occurred_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=PaymentState.choices)
    intent_id = models.CharField(max_length=66, null=True)

    class Meta:
        db_table = "rb_core_payment"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "receipt"], condition=Q(credits=True), name="payment_receipt_once"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="payment_due"),
            models.Index(fields=["tx_ref"], condition=Q(state="unmatched"), name="payment_unmatched"),
            models.Index(fields=["intent_id"], condition=Q(intent_id__isnull=False), name="payment_intent"),
        ]

    @property
    def event_key(self) -> str:
        """Return the provider's name of the event."""
        return self.event.event_key

    @property
    def channel(self) -> str:
        """Return the way by which the provider told of it."""
        return self.event.channel

    @property
    def received_at(self) -> datetime:
        """Return when the event was stored."""
        return self.event.received_at


class InboxConflict(models.Model):
    """A known event id that came again with other content: kept for a person to look at, never acted upon."""

    provider = models.CharField(max_length=16)
    event_key = models.CharField(max_length=160)
    digest = models.BinaryField(max_length=32)
    raw = models.BinaryField()
    received_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "rb_core_inbox_conflict"
        constraints = [models.UniqueConstraint(fields=["provider", "event_key", "digest"], name="inbox_conflict_once")]


class RequestKind(models.TextChoices):
    """CHARGE: take money from a payer. QUERY: what became of a payment. REFUND: send money of a payment back.
    TRANSFER: send money of ours to somebody."""

    CHARGE = "charge"
    QUERY = "query"
    REFUND = "refund"
    TRANSFER = "transfer"


class RequestState(models.TextChoices):
    """CREATED: committed, not sent. UNKNOWN: sent, no trustworthy answer. ACCEPTED: acknowledged, result to come."""

    CREATED = "created"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ProviderRequest(WorkRow):
    """A request to a provider, committed before it is sent. Refunds of one payment that were not refused stay within it
    (a trigger holds it). `reference` is ours, unguessable, and part of the result
    URL, so a result finds its request even when the acknowledgement was lost."""

    provider = models.CharField(max_length=16)
    kind = models.CharField(max_length=16, choices=RequestKind.choices)
    reference = models.CharField(max_length=64, unique=True)
    # What makes asking twice impossible: e.g. one live reversal per receipt.
    dedupe_key = models.CharField(max_length=160, unique=True)
    provider_id = models.CharField(max_length=96, default="", blank=True)
    # What the payer sees of a push, and what the paybill's own report of the payment (C2B) then carries.
    account_reference = models.CharField(max_length=12, default="", blank=True)
    intent_id = models.CharField(max_length=66, null=True)
    # Refund, query: what it is about. Charge: the one payment through which it was counted.
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT)
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=8, default="", blank=True)
    details = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=RequestState.choices, default=RequestState.CREATED)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    # When the layer above took note of how it ended; null makes it look (again).
    noted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "rb_core_provider_request"
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="request_due"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="request_provider_id"),
            models.Index(fields=["intent_id"], condition=Q(intent_id__isnull=False), name="request_intent"),
            models.Index(fields=["account_reference"], condition=~Q(account_reference=""), name="request_account"),
            models.Index(
                fields=["id"],
                condition=Q(noted_at__isnull=True, settled_at__isnull=False) & Q(kind__in=("charge", "refund")),
                name="request_to_note",
            ),
        ]
