"""Is everything here that the rail needs, and if not, what to do about it. `fiatrails doctor` shows it.

Each module checks one side of a deployment; `runner.CHECKS` lists them all.
"""

from fiatrails.operations.doctor.checks import Check, CheckResult, Context, Findings, Level
from fiatrails.operations.doctor.runner import CHECKS, run_checks, unreadable

__all__ = ["CHECKS", "Check", "CheckResult", "Context", "Findings", "Level", "run_checks", "unreadable"]
