"""`fiatrails ledger`: the books, and whether they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli import amounts, progress, render, runtime
from fiatrails.cli.runtime import Json

if TYPE_CHECKING:
    from fiatrails.ledger.balances import AccountBalance, Equation

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
    whole = {
        "ok": found.ok,
        "entries": found.entries,
        "head": {"seq": found.head.seq, "digest": found.head.digest.hex()},
        "firstBroken": found.first_broken,
        "problems": list(found.problems),
    }
    verdict = "the ledger verifies" if found.ok else "the ledger is BROKEN"
    render.emit(json, whole, f"{verdict}: {found.entries} entries, head {found.head.digest.hex()}", *found.problems)
    if not found.ok:
        runtime.negative()


@app.command("trial-balance")
def trial_balance(json: Json = False) -> None:
    """Every account with its debits and credits; ends with 1 when a currency does not sum to zero.

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
    from fiatrails.kernel.money import exponent_of
    from fiatrails.ledger import balances

    wanted = [currency] if currency else sorted({country.currency for country in profile().countries})
    for name in wanted:
        exponent_of(name)
    found = [balances.equation(name) for name in wanted]
    documents = [_equation(each) for each in found]
    columns = ("currency", "paid", "adjusted", "minted", "pending", "suspense", "refunded", "holds")
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

    \b
    Examples:
      fiatrails ledger reconcile
      fiatrails ledger reconcile --settled --json | jq .findings
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.operations import invariants

    found = invariants.check_books()
    found += [] if books_only else invariants.check_chain(pool=default_pool())
    found += invariants.check_settled() if settled else []
    documents = [{"invariant": finding.invariant, "offenders": list(finding.offenders)} for finding in found]
    rows = [(finding.invariant, "\n".join(finding.offenders)) for finding in found]
    shown = render.table(("violated", "offenders"), rows) if rows else "every invariant holds"
    render.emit(json, {"ok": not found, "findings": documents}, shown)
    if found:
        runtime.negative()


def _account(account: AccountBalance) -> dict[str, object]:
    return {
        "account": account.code,
        "kind": account.kind.value,
        "currency": account.currency,
        "debits": amounts.in_currency(account.debits, account.currency),
        "credits": amounts.in_currency(account.credits, account.currency),
        "balance": amounts.in_currency(account.balance, account.currency),
    }


def _equation(found: Equation) -> dict[str, object]:
    parts = ("paid", "adjusted", "minted", "pending", "suspense", "refunded")
    shown = {name: amounts.in_currency(getattr(found, name), found.currency) for name in parts}
    return {"currency": found.currency, **shown, "holds": found.holds}
