"""Django settings common to every deployment."""

from __future__ import annotations

from fiatrails.config.env import (
    Environment,
    admin_origins,
    databases,
    direct_database,
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
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "drf_spectacular",
    "fiatrails.controls",
    "fiatrails.engine",
    "fiatrails.ledger",
    "fiatrails.chains",
    "fiatrails.providers.apps.ProvidersConfig",
    "fiatrails.screening",
    "fiatrails.accounts",
    "fiatrails.compliance",
    "fiatrails.purchases",
    "fiatrails.api",
    "fiatrails.admin",
]
MIDDLEWARE = ["fiatrails.api.middleware.RequestContext", "fiatrails.api.geo.GeoRestriction"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# A provider is a class of `fiatrails.providers.core.provider.Provider`, by its dotted name.
PROVIDERS = ["fiatrails.providers.mpesa.provider.Mpesa"]
DATABASES = databases(ENVIRONMENT)
DATABASE_DIRECT = direct_database(ENVIRONMENT)

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["fiatrails.api.authentication.SignedRequest"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "fiatrails.api.openapi.operations.Operation",
    "EXCEPTION_HANDLER": "fiatrails.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "FiatRails",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DESCRIPTION": "From a fiat payment to exactly one token. Errors: `{error, message, requestId}`.",
    "PREPROCESSING_HOOKS": ["fiatrails.api.openapi.document.described_endpoints"],
    # Only enumerations of serializers would be looked for.
    "POSTPROCESSING_HOOKS": [],
    "CAMELIZE_NAMES": True,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "gateway": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Mpesa-Signature",
                "description": "Hex HMAC-SHA256(secret, raw body)",
            }
        }
    },
}
LOGGING_CONFIG = None

# Below /admin/ only, and only where it is switched on: otherwise there is no such address, and nothing of it runs.
ADMIN_ENABLED = ENVIRONMENT.admin_enabled
if ADMIN_ENABLED:
    MIDDLEWARE.append("fiatrails.admin.middleware.BelowAdmin")
    ROOT_URLCONF = "fiatrails.config.urls_admin"
SESSION_COOKIE_NAME = "fiatrails_operator"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = FIATRAILS.live
SESSION_COOKIE_AGE = 8 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_AGE = None
CSRF_FAILURE_VIEW = "fiatrails.admin.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = admin_origins(ENVIRONMENT)
# Messages in cookies would be sent to every path.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# The files of the admin are served from where they are installed; nothing has to be collected.
STATIC_URL = "/admin/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
# The middlewares that these three look for are run by BelowAdmin.
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]
