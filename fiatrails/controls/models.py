"""Tables of the controls: dead letters, audit records with their hash chain, modes."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q


class DeadLetter(models.Model):
    """Work that ran out of attempts. At most one is open per operation and intent."""

    class State(models.TextChoices):
        """Only `open` counts in the depth; the other three say how it was closed."""

        OPEN = "open"
        REPLAYED = "replayed"
        DISCARDED = "discarded"
        RESOLVED = "resolved"

    operation = models.CharField(max_length=64)
    intent_id = models.TextField()
    attempts = models.IntegerField()
    last_error = models.TextField()
    error_class = models.CharField(max_length=128)
    created_at = models.DateTimeField()
    payload: models.JSONField[Any, Any] = models.JSONField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    resolved_at = models.DateTimeField(null=True)
    actor = models.TextField(default="", blank=True)
    reason = models.TextField(default="", blank=True)

    class Meta:
        db_table = "controls_dead_letter"
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "intent_id"], condition=Q(state="open"), name="dead_letter_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="open", resolved_at=None) | (~Q(state="open") & Q(resolved_at__isnull=False)),
                name="dead_letter_closed_when",
            ),
        ]
        # `depth` is scraped all the time, and closed letters are kept for ever.
        indexes = [models.Index(fields=["created_at"], condition=Q(state="open"), name="dead_letter_open")]


class AuditRecord(models.Model):
    """Who did what to what. Append-only, enforced by the database."""

    at = models.DateTimeField()
    actor = models.TextField()
    action = models.TextField()
    subject = models.TextField()
    details: models.JSONField[Any, Any] = models.JSONField()

    class Meta:
        db_table = "controls_audit_record"
        # What was done about one payer is read with every page about them.
        indexes = [models.Index(fields=["subject", "-id"], name="audit_subject")]


class AuditLink(models.Model):
    """One link of the audit chain, written by the database at COMMIT: digest = sha256(previous ||
    content)."""

    seq = models.BigIntegerField(primary_key=True)
    record = models.OneToOneField(AuditRecord, on_delete=models.PROTECT, db_constraint=False)
    previous = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        db_table = "controls_audit_chain"


class Mode(models.Model):
    """One switch of the whole system; a row with `active` and no past `expires_at` is in force."""

    name = models.CharField(max_length=32, primary_key=True)
    active = models.BooleanField()
    owner = models.TextField()
    reason = models.TextField()
    expires_at = models.DateTimeField(null=True)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "controls_mode"
