"""Django application."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """The `compliance` layer."""

    name = "fiatrails.compliance"
    label = "compliance"
