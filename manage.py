#!/usr/bin/env python
"""Django's command line, for everything that `fiatrails` has no command for."""

from __future__ import annotations

import sys

from fiatrails.cli.kit.environment import prepare


def main() -> None:
    """Run a management command against the same deployment as `fiatrails` would."""
    prepare()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
