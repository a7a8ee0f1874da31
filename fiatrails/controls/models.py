"""Tables of the controls: audit records with their hash chain, modes."""

from __future__ import annotations

from typing import Any

from django.db import models


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
    """One switch; a row with `active` and no past `expires_at` is in force, for one chain or provider (`scope`) or for
    everything."""

    name = models.CharField(max_length=32)
    scope = models.CharField(max_length=64, db_default="", blank=True)
    active = models.BooleanField()
    owner = models.TextField()
    reason = models.TextField()
    expires_at = models.DateTimeField(null=True)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "controls_mode"
        constraints = [models.UniqueConstraint(fields=["name", "scope"], name="mode_once")]
