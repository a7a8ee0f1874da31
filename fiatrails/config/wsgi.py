"""WSGI entry point (gunicorn)."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from fiatrails.kernel import statements
from fiatrails.kernel.imports import uncollected

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fiatrails.config.settings.production")
statements.limit_process(statements.REQUEST_S)
with uncollected():
    application = get_wsgi_application()
    # Every view is imported now: the first request would otherwise wait seconds for it.
    _ = get_resolver().url_patterns
