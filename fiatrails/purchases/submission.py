"""Handing cleared intents to the chain, in the transaction that takes their nonce."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.submitter.reservation import reserve
from fiatrails.compliance import clearing
from fiatrails.engine.claim import still_mine
from fiatrails.engine.wakeup import notify
from fiatrails.purchases.models import Intent
from fiatrails.purchases.states import State
from fiatrails.purchases.store import Step, look_again, move, persist
from fiatrails.purchases.tools import WORKER, Tools

# A cleared intent that found no free slot asks again this soon; slots free up once per block.
SLOT_WAIT = timedelta(milliseconds=200)


def submit(rows: Sequence[Intent], tools: Tools) -> None:
    """Move cleared -> submitting. What found no slot waits for one; whose clearance ran out is cleared again."""
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        valid = clearing.clearances([i.intent_id for i in mine], now=now)
        orders = [_order(i, valid) for i in mine if i.intent_id in valid]
        taken = set(reserve(orders, now=now, clearance_key=clearing.clearance_key())) if orders else set()
        steps = []
        for intent in mine:
            if intent.intent_id in taken:
                move(intent, State.SUBMITTING, now=now, due_at=None)
                steps.append(Step(intent.intent_id, intent.state, WORKER))
            elif intent.intent_id not in valid:
                move(intent, State.PAID, now=now, due_at=now)
                steps.append(Step(intent.intent_id, intent.state, WORKER, "clearance expired"))
            else:
                look_again(intent, now + SLOT_WAIT)
        persist(mine, steps, now=now)
        notify()


def _order(intent: Intent, valid: dict[str, Clearance]) -> MintOrder:
    return MintOrder(
        intent_id=intent.intent_id,
        user=intent.user,
        amount=int(intent.amount),
        country_code=intent.country_code,
        tx_ref_hash=intent.tx_ref_hash,
        clearance=valid[intent.intent_id],
        alone=intent.alone,
    )
