"""The coins that mints are paid with: whoever pays has enough of them, and lets the escrow take them."""

from __future__ import annotations

from fiatrails.chains.evm.contracts.deployment import CountryContracts
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.inspection import ask, one_endpoint
from fiatrails.chains.evm.contracts.stablecoin import Stablecoin
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import load_signers
from fiatrails.chains.evm.submitter.funds import coins
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.operations import deployments
from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level


def check_funds(context: Context) -> Findings:
    """Check per country that the treasury, or without one each executor, can pay for the greatest mint."""
    settings = context.config
    try:
        deployed = deployments.load(settings.deployments_path, settings.profile.chain_id)
        with one_endpoint(settings.profile.rpc_urls[0]) as pool:
            for country in settings.profile.countries:
                contracts = deployed.country(country.country_code)
                for payer in _payers(context, contracts, pool):
                    yield _funds(contracts, payer, settings.profile.limits.max_mint, pool)
    except FiatRailsError as error:
        what, _, next_step = error.message.partition("; ")
        yield CheckResult("funds", Level.FAIL, what, next_step or "check RPC_URL and the deployment")


def _payers(context: Context, contracts: CountryContracts, pool: EvmPool) -> list[str]:
    (treasury,) = ask(pool, [MintEscrow(contracts.escrow).treasury()])
    if treasury:
        return [treasury]
    return [signer.address for signer in load_signers(context.config.signers).executors]


def _funds(contracts: CountryContracts, payer: str, needed: int, pool: EvmPool) -> CheckResult:
    coin = Stablecoin(contracts.stablecoin)
    found = ask(pool, [coin.balance_of(payer), coin.allowance(payer, contracts.escrow)])
    balance, allowed = (amount or 0 for amount in found)
    what = (
        f"{payer} holds {coins(balance)} of the stablecoin and lets the escrow take {coins(allowed)}; "
        f"limits.maxMint is {coins(needed)}"
    )
    level = _level(min(balance, allowed), needed)
    next_step = "" if level is Level.OK else _step(contracts, enough_coins=balance >= needed)
    return CheckResult(f"funds {contracts.code}", level, what, next_step)


def _level(usable: int, needed: int) -> Level:
    if usable == 0:
        return Level.FAIL
    return Level.OK if usable >= needed else Level.WARN


def _step(contracts: CountryContracts, *, enough_coins: bool) -> str:
    if not enough_coins:
        return f"send it coins of {contracts.stablecoin}"
    return (
        f"approve with its key: `cast send {contracts.stablecoin} 'approve(address,uint256)' {contracts.escrow} AMOUNT`"
    )
