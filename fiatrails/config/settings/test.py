"""Tests: as base, over whatever services the fixtures started (see tests/conftest.py)."""

from fiatrails.config.settings.base import *  # noqa: F403
