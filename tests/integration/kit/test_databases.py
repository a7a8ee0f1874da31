"""Between two tests every table is empty, however much was written and whatever guards it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from fiatrails.controls import audit
from fiatrails.controls.models import AuditRecord
from tests.kit import databases

pytestmark = pytest.mark.django_db(transaction=True)


def pages(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::integer", [table])
        return int(cursor.fetchone()[0])


def empty() -> None:
    with connection.cursor() as cursor:
        databases.empty(cursor)


@pytest.mark.parametrize("groups", [3, 2000])
def test_few_rows_and_many_are_removed(groups: int) -> None:
    Group.objects.bulk_create([Group(name=f"group {number}") for number in range(groups)])
    User.objects.create(username="ann").groups.set(Group.objects.all()[:2])
    empty()
    assert (Group.objects.count(), User.objects.count(), User.groups.through.objects.count()) == (0, 0, 0)
    assert pages("auth_group") <= 1


def test_what_nobody_may_delete_is_removed_too() -> None:
    audit.record("ann", "mode.set", "degraded", {}, now=datetime.now(UTC))
    assert AuditRecord.objects.count() == 1
    empty()
    assert AuditRecord.objects.count() == 0
