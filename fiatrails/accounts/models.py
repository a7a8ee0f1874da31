"""What is kept about signing in: the attempts that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models


class SignInFailure(models.Model):
    """One attempt to sign in under a name, whether or not anybody is called so, and the network that it is counted for.
    Written before the password is looked at and withdrawn when it was right, so that attempts at the same time count
    one another."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=64, default="", blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "operators_sign_in_failure"
        default_permissions = ()
        indexes = [
            models.Index(fields=["name", "at"], name="sign_in_failure_name"),
            models.Index(fields=["address", "at"], name="sign_in_failure_address"),
        ]

    if TYPE_CHECKING:
        id: int
