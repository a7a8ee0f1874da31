"""`fiatrails contracts`: deploy them, and compare what stands on the chain with the address book."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Json, Yes
from fiatrails.kernel.errors import BadInput, Misconfigured

if TYPE_CHECKING:
    from fiatrails.operations.deployments import BackingStatus, DeploymentStatus, PlannedCountry, Toolchain

app = typer.Typer(help="The rail's contracts on the profile's chain.", no_args_is_help=True)


@app.command("deploy")
def deploy(
    *,
    keystore: Annotated[
        Path, typer.Option("--keystore", exists=True, dir_okay=False, help="The deployer's v3 keystore.")
    ],
    password_file: Annotated[
        Path, typer.Option("--password-file", exists=True, dir_okay=False, help="The file with its password.")
    ],
    admin: Annotated[str | None, typer.Option("--admin", help="Who may upgrade. [default: the deployer]")] = None,
    guardian: Annotated[str | None, typer.Option("--guardian", help="Who may pause. [default: the admin]")] = None,
    treasury: Annotated[
        str | None,
        typer.Option(
            "--treasury",
            help="Whose stablecoin funds the mints. [default: on a local chain the deployer, else each executor]",
        ),
    ] = None,
    stablecoin: Annotated[
        str | None,
        typer.Option(
            "--stablecoin",
            help="An existing one with 18 decimals, for a profile of one country. "
            "[default: the profile's, or on a local chain a new one]",
        ),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Deploy every contract with forge, and record it in deployments.json and deploy-history.log.

    The signers of SIGNER_KEYSTORE become executors, that of OFFICER_KEYSTORE the compliance officer.

    \b
    Examples:
      fiatrails contracts deploy --keystore deployer.json --password-file deployer.pass
    """
    runtime.setup()
    from fiatrails.kernel.conf import config
    from fiatrails.operations import deployments

    settings = config()
    profile = settings.profile
    executors, officer = _signers()
    countries = _planned(stablecoin)
    backed = ", ".join(f"{country.code} on {country.currency}" for country in countries)
    runtime.confirm(f"Deploy contracts for {backed} to chain {profile.chain_id}?", yes=yes)
    deployed = deployments.deploy(
        rpc_url=profile.rpc_urls[0],
        plan=deployments.DeploymentPlan(
            countries=countries,
            roles=deployments.Roles(executors, officer, guardian, treasury, admin),
            max_risk_score=profile.compliance.max_risk_score,
        ),
        key=deployments.DeployerKey(keystore, password_file),
        toolchain=_toolchain(),
        deployments_path=settings.deployments_path,
        history_path=settings.deployments_path.with_name(deployments.HISTORY_FILE),
        now=runtime.now(),
    )
    named = deployments.addresses(deployed)
    whole = {"chainId": deployed.chain_id, "block": deployed.block, "addresses": named}
    render.emit(json, whole, render.table(("contract", "address"), list(named.items())))


@app.command("status")
def status(json: Json = False) -> None:
    """Ask the chain for code, implementation, pauses, roles and coins; ends with 1 when something is missing.

    \b
    Examples:
      fiatrails contracts status
    """
    runtime.setup()
    from fiatrails.kernel.conf import config
    from fiatrails.operations import deployments

    profile = config().profile
    executors, officer = _signers()
    found = deployments.status(
        rpc_url=profile.rpc_urls[0],
        deployed=deployments.load(config().deployments_path, profile.chain_id),
        currencies=profile.stablecoin_currencies,
        executors=executors,
        officer=officer,
    )
    contracts = [(c.name, c.address, c.has_code, c.paused) for c in found.contracts]
    roles = [(r.contract, r.role, r.account, r.granted) for r in found.roles]
    render.emit(
        json,
        _document(found),
        render.table(("contract", "address", "code", "paused"), contracts),
        render.table(("contract", "role", "account", "granted"), roles),
        f"manager implementation: {found.implementation_on_chain}",
        *(_backing_line(status) for status in found.backings),
        "complete" if found.is_complete else "INCOMPLETE: see above what has no code, no role, or another coin",
    )
    if not found.is_complete:
        runtime.negative()


def _signers() -> tuple[tuple[str, ...], str | None]:
    from fiatrails.chains.evm.signer import load_signers
    from fiatrails.kernel.conf import config

    signers = load_signers(config().signers)
    return tuple(signer.address for signer in signers.executors), signers.officer.address if signers.officer else None


def _planned(stablecoin: str | None) -> tuple[PlannedCountry, ...]:
    """Return the profile's countries; a coin that is named here stands for the only one's."""
    from fiatrails.kernel.conf import profile
    from fiatrails.operations import deployments

    countries = deployments.planned(profile().countries)
    if stablecoin is None:
        return countries
    if len(countries) > 1:
        raise BadInput(
            "stablecoin_for_several",
            f"--stablecoin names one coin and the profile has {len(countries)} countries; "
            "give each its stablecoin.address in the profile",
        )
    return tuple(replace(country, stablecoin=stablecoin) for country in countries)


def _backing_line(status: BackingStatus) -> str:
    backing = status.backing
    known = f"{backing.coin.decimals} decimals, {backing.coin.currency or 'does not say its currency'}"
    return f"stablecoin {backing.recorded.code}: " + (status.fault.message if status.fault else known)


def _toolchain() -> Toolchain:
    from fiatrails.local.toolchain import PROJECT_ROOT, ToolMissingError, foundry_binary
    from fiatrails.operations.deployments import Toolchain

    try:
        return Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge"))
    except ToolMissingError as error:
        raise Misconfigured("forge_missing", str(error)) from None


def _document(found: DeploymentStatus) -> dict[str, object]:
    return {
        "chainId": found.deployed.chain_id,
        "complete": found.is_complete,
        "implementation": found.implementation_on_chain,
        "stablecoins": [_backing_document(status) for status in found.backings],
        "contracts": [
            {"name": c.name, "address": c.address, "hasCode": c.has_code, "paused": c.paused} for c in found.contracts
        ],
        "roles": [
            {"contract": r.contract, "role": r.role, "account": r.account, "granted": r.granted} for r in found.roles
        ],
    }


def _backing_document(status: BackingStatus) -> dict[str, object]:
    recorded, coin = status.backing.recorded, status.backing.coin
    return {
        "country": recorded.code,
        "address": recorded.stablecoin,
        "decimals": coin.decimals,
        "currency": coin.currency,
        "recordedCurrency": recorded.stablecoin_currency or None,
        "wantedCurrency": status.wanted,
        "inEscrow": status.backing.in_escrow,
        "fault": status.fault.message if status.fault else None,
    }
