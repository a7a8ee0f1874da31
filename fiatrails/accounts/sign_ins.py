"""Guessing of passwords: after a few failures a name waits at the address that failed, after more an address waits
under every name, and a name everywhere. The same for names that nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from math import ceil

import structlog
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from fiatrails.accounts.models import SignInFailure
from fiatrails.controls import audit
from fiatrails.kernel.client_address import UNREADABLE, network_of
from fiatrails.kernel.errors import TooMany
from fiatrails.kernel.networks import Address

log = structlog.get_logger(__name__)
WINDOW = timedelta(minutes=15)
# The address first, always: so no two attempts wait for each other.
_LOCK_ADDRESS = "SELECT pg_advisory_xact_lock(4721, hashtext(%s))"
_LOCK_NAME = "SELECT pg_advisory_xact_lock(4720, hashtext(%s))"
_SITE_BITS = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures that agree in these fields; then who goes on there waits. `where` ends the message."""

    most: int
    fields: tuple[str, ...]
    where: str


ADDRESS = Limit(20, ("address",), "from this address")
HERE = Limit(5, ("name", "address"), "under this name")
# A stranger at one address makes nobody wait elsewhere; one with many addresses does, or could guess without end.
ANYWHERE = Limit(20, ("name",), "under this name")
_LIMITS = (ADDRESS, HERE, ANYWHERE)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """One attempt that was let through. `last`: the limits that it reaches, should it fail."""

    row: int
    name: str
    client: Address | None
    last: tuple[Limit, ...]


def begin(name: str, *, client: Address | None, now: datetime) -> SignInAttempt:
    """Count the attempt as failed before the password is checked, which takes long: of many at the same time only so
    many get that far. TooMany when the address or the name has to wait."""
    values = {"name": name, "address": _counted_as(client)}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_ADDRESS, [values["address"]])
            cursor.execute(_LOCK_NAME, [name])
        last = tuple(limit for limit in _LIMITS if _left(limit, values, now) == 1)
        row = SignInFailure.objects.create(**values, at=now)
    return SignInAttempt(row.pk, name, client, last)


def succeeded(attempt: SignInAttempt) -> None:
    """Take the attempt back as a failure: the password was right. Earlier failures go on to count until they are
    old."""
    SignInFailure.objects.filter(pk=attempt.row).delete()


def failed(attempt: SignInAttempt, *, now: datetime) -> None:
    """Report limits that the failure reaches: the password was wrong, or nobody has this name. The audit log hears of
    accounts that are locked out; of names that nobody has, and of addresses, it does not, or strangers could fill
    it."""
    minutes = WINDOW // timedelta(minutes=1)
    for limit in attempt.last:
        if limit is ADDRESS:
            log.warning("operator.address_stopped", minutes=minutes, network=network_of(attempt.client))
            continue
        log.warning("operator.locked_out", minutes=minutes)
        if get_user_model().objects.filter(username=attempt.name).exists():
            details = {"failures": limit.most, "minutes": minutes, "everywhere": limit is ANYWHERE}
            audit.record("admin", "operator.locked_out", attempt.name, details, now=now)


def forget(name: str) -> None:
    """Forget the failures of a name that was given a new password."""
    SignInFailure.objects.filter(name=name).delete()


def purge(*, now: datetime) -> int:
    """Remove failures that count no more, and return how many."""
    removed, _ = SignInFailure.objects.filter(at__lte=now - WINDOW).delete()
    return removed


def _left(limit: Limit, values: Mapping[str, str], now: datetime) -> int:
    """Return how many may still fail. TooMany when none may."""
    alike = {field: values[field] for field in limit.fields}
    failures = list(SignInFailure.objects.filter(**alike, at__gt=now - WINDOW).order_by("-at")[: limit.most])
    if len(failures) == limit.most:
        raise _waits(limit, failures[-1].at + WINDOW - now)
    return limit.most - len(failures)


def _counted_as(client: Address | None) -> str:
    """Return the address; of IPv6 the network that one customer gets: who has one address of it has them all."""
    if client is None or client.version == 4:
        return str(client or UNREADABLE)
    return str(ip_network((client, _SITE_BITS), strict=False))


def _waits(limit: Limit, left: timedelta) -> TooMany:
    minutes = max(1, ceil(left / timedelta(minutes=1)))
    text = f"Too many failed attempts {limit.where}. Wait {minutes} minute{'s' * (minutes > 1)} and try again."
    return TooMany("sign_in_locked", text, retry_after=ceil(left.total_seconds()))
