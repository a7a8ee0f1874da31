"""The list of who stands behind wallets."""

from __future__ import annotations

from django.contrib import admin

from fiatrails.admin.read_only import ReadOnlyAdmin, moment
from fiatrails.compliance.models import Payer


class PayerAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ("wallet", "name", "type", "birth", "said_countries", "said_identifiers", "recorded", "recorded_by")
    search_fields = ("^user", "name")
    ordering = ("-id",)

    @admin.display(description="wallet", ordering="user")
    def wallet(self, payer: Payer) -> str:
        """Return the wallet behind which they stand."""
        return payer.user

    @admin.display(description="born", ordering="born")
    def birth(self, payer: Payer) -> str:
        """Return the date of birth."""
        return payer.born.isoformat() if payer.born else ""

    @admin.display(description="countries")
    def said_countries(self, payer: Payer) -> str:
        """Return the countries, ISO alpha-2."""
        return ", ".join(payer.countries)

    @admin.display(description="identifiers")
    def said_identifiers(self, payer: Payer) -> str:
        """Return the numbers of passports, registers and the like."""
        return ", ".join(payer.identifiers)

    @admin.display(description="recorded (UTC)", ordering="recorded_at")
    def recorded(self, payer: Payer) -> str:
        """Return when it was recorded."""
        return moment(payer.recorded_at)
