"""Lists that can be looked at. Nobody adds, changes or deletes a row here, superusers neither."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    _Base = admin.ModelAdmin[models.Model]
else:
    _Base = admin.ModelAdmin
DECIDE = "operators.decide_case"


class ReadOnlyAdmin(_Base):
    """Only the list has an address; the forms of Django's admin have none."""

    list_display_links: tuple[str, ...] | None = None
    list_per_page = 50
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        """Return the address of the list."""
        return [self.address("", self.changelist_view, "changelist")]

    def address(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        """Return an address that only signed-in operators reach."""
        meta = self.model._meta
        return path(route, self.admin_site.admin_view(view), name=f"{meta.app_label}_{meta.model_name}_{name}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under its own name; Django would ask to select something."""
        title = str(self.model._meta.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        """Return False for everybody."""
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        """Return False for everybody."""
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        """Return False for everybody."""
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may decide about what they see."""
        return self.has_view_permission(request) and request.user.has_perm(DECIDE)


def operator_of(request: HttpRequest) -> str:
    """Return the name of who is signed in, for the audit log."""
    user: User | AnonymousUser = request.user
    return user.get_username()


def moment(value: datetime | None) -> str:
    """Return a time as it is read aloud; always UTC."""
    return value.strftime("%Y-%m-%d %H:%M:%S") if value else ""
