"""What was admitted, as one chain of rows for each subject."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q


class VelocityUsage(models.Model):
    """One intent on one meter of one subject. Rows are added, may be marked as released once, and are pruned.

    `digest` stands for meter and subject (a keyed hash, 16 bytes); no phone and no card is anywhere in this table.
    `running_count` and `running_amount` are totals of the chain up to and including this row, so that the use within
    any window is a difference of two rows, however many lie between. `at` never decreases along a chain. Amounts are
    minor units.
    """

    pk = models.CompositePrimaryKey("digest", "running_count")
    digest = models.BinaryField(max_length=16)
    running_count = models.BigIntegerField()
    running_amount = models.DecimalField(max_digits=78, decimal_places=0)
    intent_id = models.CharField(max_length=66)
    meter = models.CharField(max_length=16)
    amount = models.DecimalField(max_digits=78, decimal_places=0)
    at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "compliance_velocity_usage"
        constraints = [
            models.UniqueConstraint(
                fields=["intent_id", "meter"], condition=Q(released_at__isnull=True), name="velocity_counted_once"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="velocity_amount"),
        ]
        indexes = [
            models.Index(fields=["digest", "at", "running_count"], name="velocity_window"),
            models.Index(
                fields=["digest", "at", "released_at"], condition=Q(released_at__isnull=False), name="velocity_released"
            ),
            # Not a B-tree: one on time alone would look as good to the planner as `velocity_window` while it knows
            # little of the table, and read all of it for a subject without rows.
            BrinIndex(fields=["at"], name="velocity_age"),
        ]
