"""A deployment with one more provider: two lines."""

from fiatrails.config.settings.local import *  # noqa: F403
from fiatrails.config.settings.local import PROVIDERS

PROVIDERS = [*PROVIDERS, "tests.functional.recipes.toy.Toy"]
ROOT_URLCONF = "tests.functional.recipes.toy"
