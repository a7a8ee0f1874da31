"""The supply of what was sold: read from the chains page by page, and posted, each change once."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from fiatrails.chains.core.chain import Chain
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.supply import Coin, SupplyChange, SupplyKind, SupplyPage
from fiatrails.kernel.clock import Clock
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.purchases.models import SupplyCursor


def read_all(chain: Chain, *, pool: RpcPool, clock: Clock, max_pages: int | None = None) -> bool:
    """Read and post page after page; return whether everything that is final was read. OutsideUnknown when the chain
    does not answer: what was read before is kept."""
    pages = 0
    while max_pages is None or pages < max_pages:
        if read_page(chain, pool=pool, clock=clock).complete:
            return True
        pages += 1
    return False


def read_page(chain: Chain, *, pool: RpcPool, clock: Clock) -> SupplyPage:
    """Read the changes after the cursor, post them and move the cursor, in one transaction; return what was read. Of
    several at once, one posts."""
    after = place_of(chain.name)
    page = chain.supply_changes(after, pool=pool)
    if page.until > after:
        _keep(chain.name, after, page, clock)
    return page


def place_of(chain: str) -> int:
    """Return the place up to which the chain's supply is in the books; -1 before the first time."""
    found = SupplyCursor.objects.filter(chain=chain).first()
    return found.place if found else -1


def _keep(chain: str, after: int, page: SupplyPage, clock: Clock) -> None:
    with transaction.atomic():
        SupplyCursor.objects.bulk_create([SupplyCursor(chain=chain)], ignore_conflicts=True)
        cursor = SupplyCursor.objects.select_for_update().get(pk=chain)
        if cursor.place != after:
            return  # somebody else has read this page meanwhile
        post([_entry(chain, change) for change in page.changes], now=clock.now())
        cursor.place = page.until
        cursor.coins = _written(known_coins(cursor) | set(page.coins))
        cursor.save(update_fields=["place", "coins"])


def known_coins(cursor: SupplyCursor) -> set[Coin]:
    """Return the coins that the chain's escrows take or took, as far as it was read."""
    return {Coin(asset, address) for asset, address in cursor.coins}


def _written(coins: Collection[Coin]) -> list[list[str]]:
    return [[coin.asset, coin.address] for coin in sorted(coins)]


def _entry(chain: str, change: SupplyChange) -> EntryDraft:
    name, memo = f"{chain}:{change.key}", f"{change.account} in {change.transaction}"
    if change.kind is SupplyKind.REDEEMED:
        return entries.tokens_redeemed(change=name, country=change.asset, amount=change.amount, memo=memo)
    if change.kind is SupplyKind.BURNED:
        return entries.tokens_burned(change=name, country=change.asset, amount=change.amount, memo=memo)
    return entries.minted_outside(
        change=name, reference=change.reference, country=change.asset, amount=change.amount, memo=memo
    )
