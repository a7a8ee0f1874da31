"""Every clearance decision, with what it was decided on."""

from __future__ import annotations

from django.db import models

from fiatrails.compliance.sanctions.models import AskedScreening, Case, Payer, Release, Rescreening, Suspension
from fiatrails.compliance.velocity.models import VelocityUsage

__all__ = ["AskedScreening", "Case", "Decision", "Payer", "Release", "Rescreening", "Suspension", "VelocityUsage"]


class Decision(models.Model):
    """One decision about one intent; append-only. `inputs` is all that the decision depended on, so it can be
    reproduced; `expires_at` and `seal` are set on clearances only."""

    intent_id = models.CharField(max_length=66)
    user = models.CharField(max_length=42)
    amount = models.DecimalField(max_digits=78, decimal_places=0)
    cleared = models.BooleanField()
    code = models.CharField(max_length=40)
    reason = models.TextField(default="", blank=True)
    policy = models.CharField(max_length=64)
    inputs = models.JSONField()
    decided_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    seal = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        db_table = "compliance_decision"
        indexes = [
            models.Index(fields=["intent_id", "-id"], name="decision_intent"),
            # Whom a rescreening has to look at.
            models.Index(fields=["user"], name="decision_user"),
        ]
