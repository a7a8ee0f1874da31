"""Contracts onto a chain, the address book of what stands where, and whether it still does."""

from fiatrails.chains.evm.contracts.deployment import Deployment
from fiatrails.operations.deployments.book import HISTORY_FILE, addresses, append_history, load, merge
from fiatrails.operations.deployments.deploying import deploy
from fiatrails.operations.deployments.plan import DeployerKey, DeploymentPlan, PlannedCountry, Roles, Toolchain, planned
from fiatrails.operations.deployments.status import (
    BackingStatus,
    ContractStatus,
    DeploymentStatus,
    RoleStatus,
    is_compliant,
    status,
)

__all__ = [
    "HISTORY_FILE",
    "BackingStatus",
    "ContractStatus",
    "DeployerKey",
    "Deployment",
    "DeploymentPlan",
    "DeploymentStatus",
    "PlannedCountry",
    "RoleStatus",
    "Roles",
    "Toolchain",
    "addresses",
    "append_history",
    "deploy",
    "is_compliant",
    "load",
    "merge",
    "planned",
    "status",
]  # fmt: skip
