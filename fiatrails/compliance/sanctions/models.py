"""Who a payer is said to be, what was found of them, and what people decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q

from fiatrails.compliance.sanctions.states import STANDING, CaseState
from fiatrails.engine.models import WorkRow


class Payer(models.Model):
    """What is known of the person or organisation behind a wallet; append-only, and each row counts: a second name
    does not wash off the first. `type` is one of
    `screening.entities.EntityType` or empty; `countries` ISO alpha-2."""

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
    all that the answer depended on, so it can be made again; `problem` says what could not be screened. `answer` is the
    text that the client was given, empty where only its parts were kept."""

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
    answer = models.TextField(default="", blank=True)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_screening"
        indexes = [models.Index(fields=["client", "-id"], name="screening_client")]


class Release(models.Model):
    """Somebody says that a wallet's owner is not this listed entity, and somebody else agrees. `entity` is the entity's
    fingerprint and not its number, which OFAC may change; what changes the entity itself ends the release. One person
    may take it back, because that lets no money go."""

    user = models.CharField(max_length=42)
    entity = models.CharField(max_length=64)
    entity_uid = models.CharField(max_length=64)
    entity_name = models.TextField()
    reason = models.TextField()
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=64)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=64, default="", blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_release"
        constraints = [
            models.UniqueConstraint(fields=["user", "entity"], condition=Q(revoked_at=None), name="release_once"),
            models.CheckConstraint(condition=~Q(approved_by=F("requested_by")), name="release_by_two"),
        ]

    if TYPE_CHECKING:
        id: int


class Case(models.Model):
    """A hit that a person has to decide: a wallet's owner may be this listed entity. Opened by the gate or by a
    rescreening, at most one standing for each pair. `evidence` is what it was found on (party, lists, algorithm,
    features); `note` the reason of the last move. Never removed."""

    user = models.CharField(max_length=42)
    entity = models.CharField(max_length=64)
    entity_uid = models.CharField(max_length=64, default="", blank=True)
    entity_name = models.TextField()
    band = models.CharField(max_length=8)
    reason = models.TextField()
    evidence = models.JSONField()
    origin = models.CharField(max_length=16)
    intent_id = models.CharField(max_length=66, default="", blank=True)
    state = models.CharField(max_length=20, choices=[(state.value, state.value) for state in CaseState])
    opened_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    moved_by = models.CharField(max_length=64)
    note = models.TextField(default="", blank=True)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_case"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "entity"],
                condition=Q(state__in=[state.value for state in STANDING]),
                name="case_stands_once",
            ),
        ]
        indexes = [models.Index(fields=["state", "id"], name="case_queue")]

    if TYPE_CHECKING:
        id: int


class Suspension(WorkRow):
    """A wallet whose on-chain compliance is taken away while a case stands, and given back afterwards. `wanted` is
    where it has to go (`suspended`, `restored`), `settled_at` when it was there. `slot_id` is the registry update under
    way; `risk_score` and `attestation_hash` are what the registry said before, or was on its way to say, absent when
    there was nothing to take away or an officer has revoked it. `due_at` is when it is looked at next."""

    user = models.CharField(max_length=42)
    wanted = models.CharField(max_length=16)
    settled_at = models.DateTimeField(null=True)
    slot_id = models.BigIntegerField(null=True)
    risk_score = models.PositiveSmallIntegerField(null=True)
    attestation_hash = models.CharField(max_length=66, default="", blank=True)
    opened_at = models.DateTimeField()

    class Meta:
        app_label = "compliance"
        db_table = "compliance_suspension"
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=~Q(wanted="restored", settled_at__isnull=False), name="suspension_once"
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(settled_at=None), name="suspension_due")]

    if TYPE_CHECKING:
        id: int


class Rescreening(models.Model):
    """Everybody known, screened once more because lists or algorithm changed. Goes on after a crash behind `cursor`,
    the last wallet that was looked at."""

    lists = models.JSONField()
    digest = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    cursor = models.CharField(max_length=42, default="", blank=True)
    screened = models.PositiveIntegerField(default=0)
    opened = models.PositiveIntegerField(default=0)
    closed = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "compliance"
        db_table = "compliance_rescreening"

    if TYPE_CHECKING:
        id: int
