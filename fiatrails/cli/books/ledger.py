"""`fiatrails ledger`: the books, and whether they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.books import verdict
from fiatrails.cli.kit import amounts, progress, render, runtime
from fiatrails.cli.kit.runtime import Json

if TYPE_CHECKING:
    from fiatrails.ledger.balances import AccountBalance, Equation
    from fiatrails.operations.invariants.supply import BookedSupply, Comparison

# The terms that are always shown; other families of the equation when they hold anything.
_EVERY_RAIL = ("minted", "pending", "suspense")

app = typer.Typer(help="Double-entry books: verify them, and read them.", no_args_is_help=True)


@app.command("verify")
def verify(json: Json = False) -> None:
    """Recompute the hash chain, every balance and the guards; ends with 1 when anything is wrong.

    \b
    Examples:
      fiatrails ledger verify
      fiatrails ledger verify --json | jq .problems
    """
    runtime.setup()
    from fiatrails.ledger import verify as books

    with progress.bar("entries", total=books.head().seq) as advance:
        found = books.verify(progress=lambda done, _total: advance(done))
    verdict.emit(json, found, subject="the ledger", unit="entries", count=found.entries)


@app.command("trial-balance")
def trial_balance(json: Json = False) -> None:
    """List every account with its debits and credits; ends with 1 when a currency does not sum to zero.

    \b
    Examples:
      fiatrails ledger trial-balance
    """
    runtime.setup()
    from fiatrails.ledger import balances

    accounts = balances.trial_balance()
    sums: dict[str, int] = {}
    for account in accounts:
        sums[account.currency] = sums.get(account.currency, 0) + account.balance
    balanced = not any(sums.values())
    documents = [_account(account) for account in accounts]
    columns = ("account", "kind", "currency", "debits", "credits", "balance")
    rows = [[document[name] for name in columns] for document in documents]
    verdict = "balanced" if balanced else "NOT balanced"
    render.emit(json, {"balanced": balanced, "accounts": documents}, render.table(columns, rows), verdict)
    if not balanced:
        runtime.negative()


@app.command("equation")
def equation(
    currency: Annotated[
        str | None, typer.Option("--currency", help="One fiat currency. [default: all served]", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Check paid = minted + pending + suspense + refunded; ends with 1 when it does not hold.

    \b
    Examples:
      fiatrails ledger equation --currency KES
    """
    runtime.setup()
    from fiatrails.kernel.conf import profile
    from fiatrails.kernel.currencies import CURRENCIES, unknown_currency
    from fiatrails.ledger import balances

    if currency is not None and currency not in CURRENCIES:
        raise unknown_currency(currency)
    served = {country.currency for country in profile().countries}
    wanted = [currency] if currency else sorted(served.union(balances.currencies()))
    found = [balances.equation(name) for name in wanted]
    shares = sorted({name for each in found for name, owed in each.owed.items() if owed} - set(_EVERY_RAIL))
    columns = ("currency", "paid", "adjusted", *_EVERY_RAIL, *shares, "refunded", "holds")
    documents = [_equation(each, (*_EVERY_RAIL, *shares)) for each in found]
    rows = [[document[name] for name in columns] for document in documents]
    holds = all(each.holds for each in found)
    render.emit(json, {"holds": holds, "equations": documents}, render.table(columns, rows))
    if not holds:
        runtime.negative()


@app.command("reconcile")
def reconcile(
    books_only: Annotated[bool, typer.Option("--books-only", help="Ask the database only, not the chain.")] = False,
    settled: Annotated[bool, typer.Option("--settled", help="Also require that nothing is left half-way.")] = False,
    json: Json = False,
) -> None:
    """Compare payments, books and chain, every invariant of the rail; ends with 1 and the offenders when one fails.

    What was redeemed, burnt or minted outside since the supply was last read is read and posted first, unless the
    chain is left out.

    \b
    Examples:
      fiatrails ledger reconcile
      fiatrails ledger reconcile --settled --json | jq .findings
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.operations import invariants

    found = invariants.check_books()
    if not books_only:
        found += invariants.check_chain(pool=default_pool())
        found += invariants.check_supply(pool=default_pool(), clock=SystemClock())
    found += invariants.check_settled() if settled else []
    documents = [{"invariant": finding.invariant, "offenders": list(finding.offenders)} for finding in found]
    rows = [(finding.invariant, "\n".join(finding.offenders)) for finding in found]
    shown = render.table(("violated", "offenders"), rows) if rows else "every invariant holds"
    render.emit(json, {"ok": not found, "findings": documents}, shown)
    if found:
        runtime.negative()


@app.command("supply")
def supply(json: Json = False) -> None:
    """Show the tokens of each country: in circulation, redeemed, burnt, minted outside, and what is behind them.

    As far as the worker has read the chain. A dash stands for what the chain does not tell now.

    \b
    Examples:
      fiatrails ledger supply
      fiatrails ledger supply --json | jq .readTo
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.operations.invariants.supply import supply_report

    report = supply_report(pool=default_pool())
    documents = [_supply(booked, compared) for booked, compared in report.assets]
    columns = ("asset", "inCirculation", "redeemed", "burned", "mintedOutside", "backing", "backingOnChain")
    rows = [["-" if document[name] is None else document[name] for name in columns] for document in documents]
    read_to = "; ".join(
        f"{chain} read up to block {place}" if place >= 0 else f"{chain} was not read yet"
        for chain, place in report.read_to.items()
    )
    render.emit(json, {"readTo": dict(report.read_to), "assets": documents}, render.table(columns, rows), read_to)


def _supply(booked: BookedSupply, compared: Comparison | None) -> dict[str, str | None]:
    return {
        "asset": booked.asset,
        "inCirculation": amounts.tokens(booked.circulating),
        "redeemed": amounts.tokens(booked.redeemed),
        "burned": amounts.tokens(booked.burned),
        "mintedOutside": amounts.tokens(booked.outside),
        "backing": amounts.tokens(booked.backing),
        "backingOnChain": amounts.tokens(compared.backing.chain) if compared else None,
    }


def _account(account: AccountBalance) -> dict[str, object]:
    return {
        "account": account.code,
        "kind": account.kind,
        "currency": account.currency,
        "debits": amounts.in_currency(account.debits, account.currency),
        "credits": amounts.in_currency(account.credits, account.currency),
        "balance": amounts.in_currency(account.balance, account.currency),
    }


def _equation(found: Equation, families: tuple[str, ...]) -> dict[str, object]:
    amounts_by_name = {
        "paid": found.paid,
        "adjusted": found.adjusted,
        **{family: found.owed[family] for family in families},
        "refunded": found.refunded,
    }
    shown = {name: amounts.in_currency(amount, found.currency) for name, amount in amounts_by_name.items()}
    return {"currency": found.currency, **shown, "holds": found.holds}
