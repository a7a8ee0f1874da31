"""One machine, generated secrets, embedded services: what `make up` runs."""

from fiatrails.config.settings.base import *  # noqa: F403
