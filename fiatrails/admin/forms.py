"""What people type: names and passwords, reasons."""

from __future__ import annotations

from typing import Any

import structlog
from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from fiatrails.accounts import people, sign_ins
from fiatrails.admin.clock import CLOCK
from fiatrails.controls import audit
from fiatrails.kernel.client_address import client_ip
from fiatrails.kernel.errors import BadInput, TooMany
from fiatrails.kernel.networks import Address

log = structlog.get_logger(__name__)
MAX_REASON = 2_000


class SignInForm(AdminAuthenticationForm):
    """Django's, with names in one form and a limit to guessing. A wrong password, an unknown name, a disabled account
    and one that waits are told apart by nothing that a stranger could not know."""

    def clean_username(self) -> str:
        """Return the one form of the name: `Ann` signs in as `ann`."""
        return people.normalised(self.cleaned_data["username"])

    def clean(self) -> dict[str, Any]:
        """Check the password, if neither the name nor the address has to wait."""
        name = self.cleaned_data.get("username")
        if name is None or not self.cleaned_data.get("password"):
            return super().clean()
        try:
            attempt = sign_ins.begin(name, client=self._client(), now=CLOCK.now())
        except TooMany as wait:
            raise ValidationError(wait.message, code=wait.code) from None
        try:
            cleaned = super().clean()
        except ValidationError:
            sign_ins.failed(attempt, now=CLOCK.now())
            raise
        sign_ins.succeeded(attempt)
        log.info("operator.signed_in", operator=name)
        return cleaned

    def _client(self) -> Address | None:
        return None if self.request is None else client_ip(self.request)


class PasswordForm(AdminPasswordChangeForm):
    """Django's, with a line in the audit log. Other sessions of the account end."""

    def save(self, commit: bool = True) -> User:
        """Store the new password."""
        with transaction.atomic():
            user: User = super().save(commit=commit)
            audit.record(user.username, "operator.password_changed", user.username, {}, now=CLOCK.now())
        return user


class ReasonForm(forms.Form):
    """Why. Whether a reason is needed is the domain's decision."""

    reason = forms.CharField(max_length=MAX_REASON, required=False, widget=forms.Textarea(attrs={"rows": 3}))


def reason_of(data: Any) -> str:
    """Return the reason that was typed; BadInput when it cannot be stored."""
    form = ReasonForm(data)
    if not form.is_valid():
        raise BadInput("malformed_reason", f"a reason is text of at most {MAX_REASON} characters")
    return str(form.cleaned_data["reason"])
