"""Is everything here that the rail needs, and if not, what to do about it. `fiatrails doctor` shows it.

Each module checks one side of a deployment; `runner.CHECKS` lists them all.
"""

from fiatrails.operations.doctor.checks import CheckResult, Context, DeploymentCheck, Findings, Level
from fiatrails.operations.doctor.runner import CHECKS, run_checks, unreadable

__all__ = ["CHECKS", "CheckResult", "Context", "DeploymentCheck", "Findings", "Level", "run_checks", "unreadable"]
