"""What stands on the chain, beside what the address book and the profile say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fiatrails.chains.evm.contracts.contract import AccessControlled, Contract, Pausable
from fiatrails.chains.evm.contracts.deployment import Deployment
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.inspection import ask, one_endpoint
from fiatrails.chains.evm.contracts.manager import ComplianceManager
from fiatrails.chains.evm.contracts.registry import UserRegistry
from fiatrails.chains.evm.contracts.stablecoin import Backing, fault_of, read_backings
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.kernel.errors import Misconfigured
from fiatrails.operations.deployments.book import addresses


@dataclass(frozen=True, slots=True)
class ContractStatus:
    """One contract on the chain as it is now. `paused` is None where a contract cannot be paused."""

    name: str
    address: str
    has_code: bool
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """Whether an account holds a role that the rail needs."""

    contract: str
    role: str
    account: str
    granted: bool


@dataclass(frozen=True, slots=True)
class BackingStatus:
    """What stands behind a country's token. `wanted`: the currency that the coin is to be of; `fault`: why nothing may
    be minted."""

    backing: Backing
    wanted: str
    fault: Misconfigured | None


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What stands on the chain, compared with the address book."""

    deployed: Deployment
    contracts: tuple[ContractStatus, ...]
    implementation_on_chain: str | None
    backings: tuple[BackingStatus, ...]
    roles: tuple[RoleStatus, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every contract has code, every asked-for role is granted, and every coin is what it is to be."""
        return (
            all(c.has_code for c in self.contracts)
            and all(r.granted for r in self.roles)
            and all(b.fault is None for b in self.backings)
        )


def status(
    *,
    rpc_url: str,
    deployed: Deployment,
    currencies: Mapping[str, str],
    executors: Sequence[str] = (),
    officer: str | None = None,
) -> DeploymentStatus:
    """Ask the chain what stands there. `currencies`: what the coin of each country is to be, by country code; those of
    others are not judged. Raises OutsideUnknown when the chain does not answer."""
    with one_endpoint(rpc_url) as pool:
        manager = ComplianceManager(deployed.manager)
        (implementation,) = ask(pool, [manager.implementation()])
        return DeploymentStatus(
            deployed=deployed,
            contracts=tuple(_contract_statuses(pool, deployed)),
            implementation_on_chain=implementation,
            backings=tuple(_backing_statuses(pool, deployed, currencies)),
            roles=tuple(_role_statuses(pool, deployed, executors, officer)),
        )


def is_compliant(*, rpc_url: str, deployed: Deployment, user: str) -> bool:
    """Return what the registry says of a user. Raises OutsideUnknown when the chain does not answer."""
    with one_endpoint(rpc_url) as pool:
        return ask(pool, [UserRegistry(deployed.registry).is_compliant(user)]) == [True]


def _contract_statuses(pool: EvmPool, deployed: Deployment) -> Iterator[ContractStatus]:
    named = addresses(deployed)
    code = dict(zip(named, ask(pool, [Contract(address).has_code() for address in named.values()]), strict=True))
    pausable = [name for name in named if name.startswith("MintEscrow ") or name == "ComplianceManager"]
    asked = [name for name in pausable if code[name]]
    paused = dict(zip(asked, ask(pool, [Pausable(named[name]).paused() for name in asked]), strict=True))
    for name, address in named.items():
        yield ContractStatus(name, address, code[name] is True, paused[name] is True if name in paused else None)


def _backing_statuses(pool: EvmPool, deployed: Deployment, currencies: Mapping[str, str]) -> Iterator[BackingStatus]:
    countries = [country for code, country in sorted(deployed.countries.items()) if code in currencies]
    for backing in read_backings(countries, pool=pool):
        wanted = currencies[backing.recorded.code]
        yield BackingStatus(backing, wanted, fault_of(backing, wanted))


def _role_statuses(
    pool: EvmPool, deployed: Deployment, executors: Sequence[str], officer: str | None
) -> Iterator[RoleStatus]:
    holders: list[tuple[AccessControlled, RoleStatus]] = [
        (MintEscrow(country.escrow), RoleStatus(f"MintEscrow {code}", "EXECUTOR_ROLE", executor, granted=False))
        for code, country in deployed.countries.items()
        for executor in executors
    ]
    if officer is not None:
        role = RoleStatus("UserRegistry", "COMPLIANCE_OFFICER_ROLE", officer, granted=False)
        holders.append((UserRegistry(deployed.registry), role))
    answers = ask(pool, [contract.has_role(status.role, status.account) for contract, status in holders])
    for (_, status), granted in zip(holders, answers, strict=True):
        yield replace(status, granted=granted is True)
