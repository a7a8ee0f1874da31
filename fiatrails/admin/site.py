"""The admin site: what is registered here can be seen at `/admin/`, and nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.urls import reverse

from fiatrails.admin.cases import CaseAdmin
from fiatrails.admin.forms import PasswordForm, SignInForm
from fiatrails.admin.payers import PayerAdmin
from fiatrails.admin.releases import ReleaseAdmin
from fiatrails.compliance.models import Case, Payer, Release


class OperatorSite(AdminSite):
    """Django's, with our sign-in, and without what is about changing rows."""

    site_header = "FiatRails"
    site_title = "FiatRails"
    index_title = "Review queue"
    index_template = "operators/index.html"
    site_url = None
    # Three lists need no second menu; wallets need the room.
    enable_nav_sidebar = False
    login_form = SignInForm

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show Django's page, with a form that writes to the audit log."""
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=PasswordForm,
            success_url=reverse("admin:password_change_done", current_app=self.name),
            template_name="registration/password_change_form.html",
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


site = OperatorSite(name="admin")
site.register(Case, CaseAdmin)
site.register(Release, ReleaseAdmin)
site.register(Payer, PayerAdmin)
