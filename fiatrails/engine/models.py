"""What a row needs to be worked on, work that ran out of attempts, and the periodic slots already run."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q


class WorkRow(models.Model):
    """A domain row that workers advance. `due_at` null: nothing to do. Claiming raises `fence` and sets the lease;
    every later write of that worker says `WHERE fence = mine`."""

    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        abstract = True


class DeadLetter(models.Model):
    """Work that ran out of attempts. At most one is open per operation and subject: what
    the work is about, such as an intent id or `event:<number>`."""

    class State(models.TextChoices):
        """Only `open` counts in the depth; the other three say how it was closed."""

        OPEN = "open"
        REPLAYED = "replayed"
        DISCARDED = "discarded"
        RESOLVED = "resolved"

    operation = models.CharField(max_length=64)
    subject = models.TextField()
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
        db_table = "engine_dead_letter"
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "subject"], condition=Q(state="open"), name="dead_letter_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="open", resolved_at=None) | (~Q(state="open") & Q(resolved_at__isnull=False)),
                name="dead_letter_closed_when",
            ),
        ]
        # `depth` is scraped all the time, and closed letters are kept for ever.
        indexes = [models.Index(fields=["created_at"], condition=Q(state="open"), name="dead_letter_open")]


class PeriodicRun(models.Model):
    """One run of a periodic job; unique on (job, slot), so two workers cannot run the same slot."""

    job = models.CharField(max_length=64)
    slot = models.BigIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="", blank=True)

    class Meta:
        db_table = "engine_periodic_run"
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="periodic_run_once")]


class Heartbeat(models.Model):
    """Last sign of life of a loop (`worker:<pid>@<host>/<loop>`)."""

    name = models.CharField(max_length=128, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "engine_heartbeat"


class WriteTrial(models.Model):
    """A row that is written to learn whether anything can be written; there are `write_trial.SLOTS` of them at most."""

    slot = models.SmallIntegerField(primary_key=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "engine_write_trial"
