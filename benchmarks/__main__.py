"""`python -m benchmarks [GROUP]`."""

from __future__ import annotations

import argparse
import sys

from benchmarks import intake, mint, scale, screen, start
from benchmarks.figures import keep, show
from benchmarks.site import site

ALONE = {"screen": screen.measure, "start": start.measure}
SITED = {"intake": intake.measure, "mint": mint.measure, "scale": scale.measure}


def main() -> int:
    """Run the groups asked for, printing and keeping each group's figures as soon as they are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", nargs="?", default="", choices=["", *SITED, *ALONE])
    wanted = parser.parse_args().group
    for name, measure in SITED.items():
        if wanted in ("", name):
            print(f"{name} ...", flush=True)
            with site() as servers:
                figures, notes = measure(servers)
            show(figures, notes)
            keep(figures)
    for name, alone in ALONE.items():
        if wanted in ("", name):
            print(f"{name} ...", flush=True)
            figures, notes = alone()
            show(figures, notes)
            keep(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
