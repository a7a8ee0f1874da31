"""Django settings common to every deployment."""

from __future__ import annotations

from fiatrails.config.env import (
    Environment,
    database_settings,
    load_config,
    secret_key_fallbacks,
    trusted_proxies,
)

ENVIRONMENT = Environment()
FIATRAILS = load_config(ENVIRONMENT)

SECRET_KEY = ENVIRONMENT.django_secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = secret_key_fallbacks(ENVIRONMENT)
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in ENVIRONMENT.allowed_hosts.split(",")]
TRUSTED_PROXIES = trusted_proxies(ENVIRONMENT)
ROOT_URLCONF = "fiatrails.config.urls"
WSGI_APPLICATION = "fiatrails.config.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "drf_spectacular",
    "fiatrails.engine",
    "fiatrails.controls",
    "fiatrails.ledger",
    "fiatrails.chains",
    "fiatrails.providers.apps.ProvidersConfig",
    "fiatrails.compliance",
    "fiatrails.purchases",
    "fiatrails.api",
]
MIDDLEWARE = ["fiatrails.api.middleware.RequestContext", "fiatrails.api.geo.GeoRestriction"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": database_settings(ENVIRONMENT.database_url.get_secret_value())}

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["fiatrails.api.authentication.SignedRequest"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "fiatrails.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "FiatRails",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DESCRIPTION": "From a fiat payment to exactly one token. Errors: `{error, message, requestId}`.",
    "PREPROCESSING_HOOKS": ["fiatrails.api.openapi.document.leave_out_views"],
    "POSTPROCESSING_HOOKS": ["fiatrails.api.openapi.document.add_operations"],
}
LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS: list[str] = []
