"""Operators: accounts of people, whose names stand in the audit log as who acted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from fiatrails.accounts import sign_ins
from fiatrails.controls import audit
from fiatrails.kernel.errors import BadInput, Conflict, Misconfigured, NotFound

OFFICERS = "Compliance officers"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
# What the product itself acts as. Nobody may look like it in the audit log.
_RESERVED = frozenset({"admin", "policy", "screening", "lists-refresh", "bundled-sample", "system", "worker"})


@dataclass(frozen=True, slots=True)
class Operator:
    """An account, for people."""

    name: str
    active: bool
    officer: bool
    superuser: bool
    added_at: datetime
    signed_in_at: datetime | None


def normalised(name: str) -> str:
    """Return the one form of a name: `Ann` and `ann` are one person."""
    return name.strip().lower()


def add(*, name: str, password: str, officer: bool, actor: str, now: datetime) -> Operator:
    """Add an account that may sign in; an officer may see the review queue and decide. Conflict when there is one."""
    name = _validated(name)
    user = User(username=name, is_staff=True, date_joined=now)
    _give_password(user, password)
    with transaction.atomic():
        _, created = User.objects.get_or_create(
            username=name, defaults={"password": user.password, "is_staff": True, "date_joined": now}
        )
        if not created:
            raise Conflict("operator_exists", f"there is an operator {name} already")
        added = User.objects.get(username=name)
        if officer:
            added.groups.add(_officers())
        audit.record(actor, "operator.added", name, {"officer": officer}, now=now)
    return _view(added)


def listed() -> list[Operator]:
    """Return every account by name."""
    return [_view(user) for user in User.objects.prefetch_related("groups").order_by("username")]


def disable(*, name: str, actor: str, now: datetime) -> Operator:
    """End an account. Its sessions end with their next request, and stay ended should it be opened again."""
    with transaction.atomic():
        user = _locked(name)
        if not user.is_active:
            raise Conflict("operator_disabled", f"{user.username} is disabled already")
        user.is_active = False
        user.set_unusable_password()
        user.save(update_fields=["is_active", "password"])
        audit.record(actor, "operator.disabled", user.username, {}, now=now)
    return _view(user)


def renew_password(*, name: str, password: str, actor: str, now: datetime) -> Operator:
    """Set a new password for who forgot it, or for an account that is to be opened again. Sessions end, and failures to
    sign in are forgotten."""
    found = _existing(name)
    _give_password(found, password)
    with transaction.atomic():
        user = _locked(name)
        user.password, user.is_active = found.password, True
        user.save(update_fields=["password", "is_active"])
        sign_ins.forget(user.username)
        audit.record(actor, "operator.password_renewed", user.username, {}, now=now)
    return _view(user)


def _validated(name: str) -> str:
    name = normalised(name)
    if not _NAME.fullmatch(name):
        raise BadInput("bad_operator_name", "a name is 1 to 64 letters a-z, digits, dots, dashes or underscores")
    if name in _RESERVED:
        raise BadInput("reserved_operator_name", f"{name} is what the product itself acts as; take another name")
    return name


def _give_password(user: User, password: str) -> None:
    """Set a password. Hashing takes long: call it outside of any transaction."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadInput("weak_password", " ".join(error.messages)) from None
    user.set_password(password)


def _officers() -> Group:
    group = Group.objects.filter(name=OFFICERS).first()
    if group is None:
        raise Misconfigured("no_officers_group", f"the group {OFFICERS!r} is missing; run `fiatrails db migrate`")
    return group


def _existing(name: str) -> User:
    user = User.objects.filter(username=normalised(name)).first()
    if user is None:
        raise NotFound("no_such_operator", "there is no such operator; `fiatrails operator list` shows them")
    return user


def _locked(name: str) -> User:
    return User.objects.select_for_update().get(pk=_existing(name).pk)


def _view(user: User) -> Operator:
    groups: Iterable[Group] = user.groups.all()
    officer = any(group.name == OFFICERS for group in groups)
    return Operator(user.username, user.is_active, officer, user.is_superuser, user.date_joined, user.last_login)
