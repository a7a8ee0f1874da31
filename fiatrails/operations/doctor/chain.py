"""The chain: endpoints that answer, contracts in place, roles granted."""

from __future__ import annotations

from fiatrails.chains.evm.signer import load_signers
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.operations import deployments
from fiatrails.operations.doctor.checks import NO_RESULT, CheckResult, Context, Findings, Level


def check_rpc(context: Context) -> Findings:
    """Check that every endpoint answers and is on the right chain."""
    wanted = context.config.profile.chain_id
    for number, url in enumerate(context.config.profile.rpc_urls, start=1):
        name = f"rpc {number}"
        try:
            chain_id = int(str(context.rpc(url, "eth_chainId")), 16)
        except NO_RESULT as error:
            yield CheckResult(name, Level.FAIL, f"no answer ({error})", "check RPC_URL")
            continue
        if chain_id == wanted:
            yield CheckResult(name, Level.OK, f"chain {chain_id}")
        else:
            what = f"is on chain {chain_id}, the profile says {wanted}"
            yield CheckResult(name, Level.FAIL, what, "correct RPC_URL or CHAIN_ID")


def check_contracts(context: Context) -> Findings:
    """Check that there is code at every address, the implementation as recorded, nothing paused, every role granted."""
    settings = context.config
    try:
        signers = load_signers(settings.signers)
        deployed = deployments.load(settings.deployments_path, settings.profile.chain_id)
        status = deployments.status(
            rpc_url=settings.profile.rpc_urls[0],
            deployed=deployed,
            currencies=settings.profile.stablecoin_currencies,
            executors=[signer.address for signer in signers.executors],
            officer=signers.officer.address if signers.officer else None,
        )
    except FiatRailsError as error:
        yield CheckResult("contracts", Level.FAIL, error.message, "run `fiatrails contracts deploy`")
        return
    yield _code(status)
    yield from _stablecoins(status)
    yield _implementation(status)
    yield from _paused(status)
    yield _roles(status)


def _code(status: deployments.DeploymentStatus) -> CheckResult:
    missing = [contract.name for contract in status.contracts if not contract.has_code]
    if missing:
        what = f"no code at the address of: {', '.join(missing)}"
        return CheckResult("contracts", Level.FAIL, what, "deploy, or correct FIATRAILS_DEPLOYMENTS")
    return CheckResult("contracts", Level.OK, f"{len(status.contracts)} contracts have code")


def _stablecoins(status: deployments.DeploymentStatus) -> Findings:
    for one in status.backings:
        name = f"stablecoin {one.backing.recorded.code}"
        if one.fault is None:
            trusted = "" if one.backing.coin.currency else " by the address book, the coin itself does not say"
            yield CheckResult(name, Level.OK, f"{one.wanted}{trusted}, {one.backing.coin.decimals} decimals")
        else:
            what, _, next_step = one.fault.message.partition("; ")
            yield CheckResult(name, Level.FAIL, what, next_step)


def _implementation(status: deployments.DeploymentStatus) -> CheckResult:
    recorded, found = status.deployed.manager_implementation, status.implementation_on_chain
    if found is None or found.lower() != recorded.lower():
        what = f"the manager runs {found}, recorded is {recorded}"
        return CheckResult("implementation", Level.WARN, what, "an upgrade or rollback was not recorded")
    return CheckResult("implementation", Level.OK, found)


def _paused(status: deployments.DeploymentStatus) -> Findings:
    for contract in status.contracts:
        if contract.paused:
            what = f"{contract.name} is paused: nothing is minted"
            yield CheckResult("paused", Level.WARN, what, f"`cast send {contract.address} 'unpause()'`")


def _roles(status: deployments.DeploymentStatus) -> CheckResult:
    missing = [f"{r.role} on {r.contract} for {r.account}" for r in status.roles if not r.granted]
    if missing:
        return CheckResult("roles", Level.FAIL, f"missing: {'; '.join(missing)}", "grant with the admin's key")
    return CheckResult("roles", Level.OK, f"{len(status.roles)} roles granted")
