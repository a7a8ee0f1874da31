"""What a row needs to be worked on, and the periodic slots already run."""

from __future__ import annotations

from django.db import models


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
