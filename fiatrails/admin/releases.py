"""Hits that were found to be somebody else. One person may take a release back."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fiatrails.admin.clock import CLOCK
from fiatrails.admin.forms import reason_of
from fiatrails.admin.read_only import ReadOnlyAdmin, moment, operator_of
from fiatrails.compliance.models import Release
from fiatrails.compliance.sanctions import releases
from fiatrails.kernel.errors import FiatRailsError


class ReleaseAdmin(ReadOnlyAdmin):
    """Those that wait for a second person first, those in force next, those that were taken back last."""

    list_display = ("id", "standing", "wallet", "listed", "reason", "requested", "approved", "revoked")
    search_fields = ("^user", "=entity_uid", "entity_name")
    actions = ("take_back",)

    def get_ordering(self, _request: HttpRequest) -> list[str | Combinable]:
        """Order the releases: what is still open first."""
        return [F("revoked_at").desc(nulls_first=True), F("approved_at").desc(nulls_first=True), "-id"]

    @admin.action(description="Take back", permissions=["decide"])
    def take_back(self, request: HttpRequest, chosen: QuerySet[Release]) -> HttpResponse | None:
        """Ask why, then take each of the chosen releases back."""
        if "reason" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": "Take releases back",
                "releases": chosen,
                "opts": self.model._meta,
                "checkbox": ACTION_CHECKBOX_NAME,
            }
            return render(request, "operators/take_back.html", context)
        for release in chosen:
            self._take_back(request, release)
        return None

    def _take_back(self, request: HttpRequest, release: Release) -> None:
        try:
            reason = reason_of(request.POST)
            releases.revoke(release_id=release.id, actor=operator_of(request), reason=reason, now=CLOCK.now())
        except FiatRailsError as error:
            messages.error(request, f"Release {release.id}: {error.message}")
        else:
            messages.success(request, f"Release {release.id} was taken back; the payer is screened without it.")

    @admin.display(description="state")
    def standing(self, release: Release) -> str:
        """Return where it stands."""
        if release.revoked_at:
            return "taken back"
        return "in force" if release.approved_at else "waits for approval"

    @admin.display(description="wallet", ordering="user")
    def wallet(self, release: Release) -> str:
        """Return the wallet whose payments go on."""
        return release.user

    @admin.display(description="entity", ordering="entity_name")
    def listed(self, release: Release) -> str:
        """Return what its owner is released from."""
        return f"{release.entity_name} ({release.entity_uid})" if release.entity_uid else release.entity_name

    @admin.display(description="requested (UTC)", ordering="requested_at")
    def requested(self, release: Release) -> str:
        """Return who asked for it, and when."""
        return _said(release.requested_by, release.requested_at)

    @admin.display(description="approved (UTC)", ordering="approved_at")
    def approved(self, release: Release) -> str:
        """Return who agreed, and when."""
        return _said(release.approved_by, release.approved_at)

    @admin.display(description="taken back (UTC)", ordering="revoked_at")
    def revoked(self, release: Release) -> str:
        """Return who took it back, and when."""
        return _said(release.revoked_by, release.revoked_at)


def _said(who: str, at: datetime | None) -> str:
    return f"{who}, {moment(at)}" if at else ""
