"""The permission to decide about cases."""

from __future__ import annotations

from fiatrails.compliance.models import Case


class DecidedCase(Case):
    """A case, for those who may decide it: carries the permission, and no table of its own."""

    class Meta:
        proxy = True
        app_label = "operators"
        default_permissions = ()
        permissions = [("decide_case", "Can decide about sanctions hits")]
