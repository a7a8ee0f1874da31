"""Who a payer is said to be, and which hits two people found to be somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q


class Payer(models.Model):
    """What is known of the person or organisation behind a wallet; append-only, and each row counts: a second name
    does not wash off the first. `type` is one of
    `ofac.entities.EntityType` or empty; `countries` ISO alpha-2."""

    user = models.CharField(max_length=42)
    name = models.CharField(max_length=500)
    type = models.CharField(max_length=16, default="", blank=True)
    born = models.DateField(null=True)
    countries = models.JSONField(default=list)
    identifiers = models.JSONField(default=list)
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=64)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_payer"
        indexes = [models.Index(fields=["user", "-id"], name="payer_user")]


class AskedScreening(models.Model):
    """A question of an API client and its answer; append-only. `inputs`, `lists` (ids of editions) and `algorithm` are
    all that the answer depended on, so it can be made again; `problem` says what could not be screened."""

    screening_id = models.CharField(max_length=32, unique=True)
    client = models.CharField(max_length=64)
    asked_at = models.DateTimeField()
    inputs = models.JSONField()
    lists = models.JSONField()
    list_digest = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=32)
    band = models.CharField(max_length=8)
    problem = models.TextField(default="", blank=True)
    hits = models.JSONField()

    class Meta:
        app_label = "compliance"
        db_table = "compliance_screening"
        indexes = [models.Index(fields=["client", "-id"], name="screening_client")]


class Release(models.Model):
    """Somebody says that a wallet's owner is not this listed entity, and somebody else agrees. `entity` is the entity's
    fingerprint and not its number, which OFAC may change; what changes the entity itself ends the release."""

    user = models.CharField(max_length=42)
    entity = models.CharField(max_length=64)
    entity_uid = models.CharField(max_length=64)
    entity_name = models.TextField()
    reason = models.TextField()
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=64)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_release"
        constraints = [
            models.UniqueConstraint(fields=["user", "entity"], name="release_once"),
            models.CheckConstraint(condition=~Q(approved_by=F("requested_by")), name="release_by_two"),
        ]

    if TYPE_CHECKING:
        id: int
