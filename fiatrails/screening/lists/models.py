"""Every edition of a list that was loaded or refused, with its files as they came."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ListVersion(models.Model):
    """One edition of one list. Rows are never removed, and nothing but the state and the time of the last fetch is
    ever rewritten, so that a decision can be reproduced. `fetched_at` is when these very files were last seen at the
    source; `note` says why it was refused, or why it was loaded nevertheless."""

    class State(models.TextChoices):
        """`candidate` is never seen outside the transaction that loads; `superseded` and `refused` are ends."""

        CANDIDATE = "candidate"
        ACTIVE = "active"
        SUPERSEDED = "superseded"
        REFUSED = "refused"

    source = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    published = models.DateField(null=True)
    loaded_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    files_stored = models.BooleanField()
    entities = models.PositiveIntegerField()
    names = models.PositiveIntegerField()
    wallets = models.PositiveIntegerField()
    is_sample = models.BooleanField()
    state = models.CharField(max_length=16, choices=State.choices)
    activated_at = models.DateTimeField(null=True)
    activated_by = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)

    class Meta:
        db_table = "screening_list_version"
        constraints = [
            models.UniqueConstraint(fields=["source"], condition=Q(state="active"), name="list_one_active"),
            models.CheckConstraint(
                condition=Q(state__in=["active", "superseded"], activated_at__isnull=False, files_stored=True)
                | Q(state__in=["candidate", "refused"], activated_at=None),
                name="list_activated_when",
            ),
        ]
        indexes = [models.Index(fields=["source", "-id"], name="list_of_source")]


class ListFile(models.Model):
    """One file of an edition: `sha256` is of the file, `content` is the file compressed with gzip. Append-only."""

    version = models.ForeignKey(ListVersion, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        db_table = "screening_list_file"
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="list_file_once")]


class ListFetch(models.Model):
    """What a server said of a file when it was last loaded from there, so that it is asked for changes only."""

    url = models.TextField(primary_key=True)
    etag = models.TextField(default="", blank=True)
    last_modified = models.TextField(default="", blank=True)
    sha256 = models.CharField(max_length=64)
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "screening_list_fetch"
