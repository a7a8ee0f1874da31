"""Production: as base; `fiatrails.config.env` has already refused placeholder secrets (FIATRAILS_ENV=production)."""

from fiatrails.config.settings.base import *  # noqa: F403

SECURE_CONTENT_TYPE_NOSNIFF = True
