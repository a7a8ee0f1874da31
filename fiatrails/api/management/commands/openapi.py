"""`python -m django openapi docs/reference/openapi.yaml`: writes the committed document anew."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from fiatrails.api.openapi.document import as_yaml


class Command(BaseCommand):
    """Writes the OpenAPI document as YAML."""

    help = "Writes the OpenAPI document as YAML."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the path of the document that is written."""
        parser.add_argument("target", type=Path)

    def handle(self, *_: Any, target: Path, **__: Any) -> None:
        """Write the document over the one at the path."""
        target.write_bytes(as_yaml())
