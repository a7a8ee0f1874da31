"""Tables of the API: who may call it, what was answered to whom, how often they called."""

from __future__ import annotations

from django.db import models


class ApiClient(models.Model):
    """A caller. Its secrets sign requests; `quota_per_min` counts over all workers."""

    name = models.CharField(max_length=64, unique=True)
    active = models.BooleanField(default=True)
    quota_per_min = models.PositiveIntegerField(default=600)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "api_client"

    def __str__(self) -> str:
        return self.name


class ApiSecret(models.Model):
    """A secret of a client, encrypted (see `vault`), valid from `valid_from` until before `valid_until`. Several at
    once are valid during a rotation. `key_id` is public and unique over all clients."""

    client = models.ForeignKey(ApiClient, on_delete=models.PROTECT, related_name="secrets")
    key_id = models.CharField(max_length=64, unique=True)
    sealed = models.BinaryField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "api_secret"

    def __str__(self) -> str:
        return self.key_id


class IdempotencyKey(models.Model):
    """What was answered to a client's key; written in the transaction that did the work, so neither exists alone."""

    client = models.CharField(max_length=64)
    key = models.CharField(max_length=128)
    request_hash = models.BinaryField(max_length=32)
    response_status = models.SmallIntegerField()
    response_body = models.TextField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "idempotency_keys"
        constraints = [models.UniqueConstraint(fields=["client", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["expires_at"], name="idempotency_key_expiry")]

    def __str__(self) -> str:
        return f"{self.client} {self.key}"


class RateCounter(models.Model):
    """Requests of one subject in its latest minute. The table is UNLOGGED: after a crash everybody starts at zero."""

    subject = models.CharField(max_length=96, primary_key=True)
    minute = models.BigIntegerField()
    used = models.IntegerField()

    class Meta:
        db_table = "api_rate_counter"
        indexes = [models.Index(fields=["minute"], name="rate_counter_minute")]

    def __str__(self) -> str:
        return f"{self.subject} {self.used}"
