"""The review queue: what was found, and the three things that a person may say about it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case as Choose
from django.db.models import IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from fiatrails.admin.case_page import context_of
from fiatrails.admin.clock import CLOCK
from fiatrails.admin.forms import reason_of
from fiatrails.admin.read_only import ReadOnlyAdmin, moment, operator_of
from fiatrails.compliance.models import Case
from fiatrails.compliance.sanctions import cases, releases
from fiatrails.compliance.sanctions.states import CaseState
from fiatrails.kernel.errors import Conflict, FiatRailsError, NotFound

_FIRST = (CaseState.OPEN, CaseState.RELEASE_REQUESTED, CaseState.CONFIRMED)
_Act = Callable[[], str]


class CaseAdmin(ReadOnlyAdmin):
    """Those that nobody decided first, oldest first."""

    list_display = ("number", "state", "band", "wallet", "listed", "reason", "opened")
    list_display_links = ("number",)
    list_filter = ("state", "band")
    search_fields = ("^user", "=entity_uid", "entity_name")
    search_help_text = "Beginning of a wallet, number of an entity, or part of its name."

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the list, of a case, and of what can be decided about it."""
        return [
            *super().get_urls(),
            self.address("<int:number>/", self.show, "change"),
            self.address("<int:number>/release/", self.release, "release"),
            self.address("<int:number>/approve/", self.approve, "approve"),
            self.address("<int:number>/confirm/", self.confirm, "confirm"),
        ]

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Case]:
        """Return the cases with the rank of their state, and without the evidence, which is long."""
        ranks = [When(state=state, then=Value(rank)) for rank, state in enumerate(_FIRST)]
        rank = Choose(*ranks, default=Value(len(_FIRST)), output_field=IntegerField())
        return Case.objects.defer("evidence").annotate(rank=rank)

    def get_ordering(self, _request: HttpRequest) -> tuple[str, ...]:
        """Order the cases as the queue is worked off."""
        return ("rank", "id")

    @method_decorator(require_safe)
    def show(self, request: HttpRequest, number: int) -> HttpResponse:
        """Show one case, read-only, with the forms that this operator may use."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        case = cases.get(number)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Case {case.id}",
            "opts": self.model._meta,
            **context_of(case, operator=operator_of(request), may_decide=self.has_decide_permission(request)),
        }
        return TemplateResponse(request, "operators/case.html", context)

    @method_decorator(require_POST)
    def release(self, request: HttpRequest, number: int) -> HttpResponse:
        """Ask for a release: the payer is somebody else, says one person."""

        def act() -> str:
            reason = reason_of(request.POST)
            releases.request_for_case(case_id=number, reason=reason, actor=operator_of(request), now=CLOCK.now())
            return "The release was asked for. Somebody else has to approve it."

        return self._decide(request, number, act)

    @method_decorator(require_POST)
    def approve(self, request: HttpRequest, number: int) -> HttpResponse:
        """Approve the release that the second person has read, and no other."""

        def act() -> str:
            waiting = releases.waiting_for(cases.get(number))
            if request.POST.get("release") != str(waiting.id):
                raise Conflict("release_changed", "another release is waiting by now; read it first")
            releases.approve(release_id=waiting.id, actor=operator_of(request), now=CLOCK.now())
            return "Released. Held payments go on by themselves, and the wallet is restored on chain."

        return self._decide(request, number, act)

    @method_decorator(require_POST)
    def confirm(self, request: HttpRequest, number: int) -> HttpResponse:
        """Confirm that the payer is the listed one."""

        def act() -> str:
            reason = reason_of(request.POST)
            releases.confirm(case_id=number, reason=reason, actor=operator_of(request), now=CLOCK.now())
            return "Confirmed. The money stays held, and the wallet suspended."

        return self._decide(request, number, act)

    def _decide(self, request: HttpRequest, number: int, act: _Act) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        try:
            messages.success(request, act())
        except NotFound:
            raise
        except FiatRailsError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:compliance_case_change", args=[number]))

    @admin.display(description="number", ordering="id")
    def number(self, case: Case) -> int:
        """Return the number as commands name it."""
        return case.id

    @admin.display(description="wallet", ordering="user")
    def wallet(self, case: Case) -> str:
        """Return the wallet whose payments are held."""
        return case.user

    @admin.display(description="entity", ordering="entity_name")
    def listed(self, case: Case) -> str:
        """Return the listed entity."""
        return f"{case.entity_name} ({case.entity_uid})" if case.entity_uid else case.entity_name

    @admin.display(description="opened (UTC)", ordering="opened_at")
    def opened(self, case: Case) -> str:
        """Return when it was found."""
        return moment(case.opened_at)
