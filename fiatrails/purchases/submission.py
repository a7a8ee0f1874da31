"""Handing the deliveries of cleared purchases to their chains, in the transaction in which the chain takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from fiatrails.compliance import clearing
from fiatrails.engine.claim import still_mine
from fiatrails.engine.wakeup import notify
from fiatrails.purchases import deliveries, waiting
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import backing
from fiatrails.purchases.states import DeliveryState, State
from fiatrails.purchases.store import Step, check_again, move, persist, wait
from fiatrails.purchases.tools import WORKER, PurchaseTools

# A cleared purchase that found no free slot asks again this soon; slots free up once per block.
SLOT_WAIT = timedelta(milliseconds=200)


def submit(rows: Sequence[Purchase], tools: PurchaseTools) -> None:
    """Move cleared -> submitting, the longest paid first. What found no slot waits for one, what cannot be paid for
    waits for coins; whose clearance ran out is cleared again, in its old place.

    A purchase of several deliveries stays cleared until the chains have all of them.
    """
    now = tools.clock.now()
    with transaction.atomic():
        mine = sorted(still_mine(Purchase, rows), key=lambda purchase: (purchase.paid_at or now, purchase.pk))
        steps = backing.hold_unbacked(mine, now=now)
        backed = [purchase for purchase in mine if purchase.state == State.CLEARED]
        deliveries.load(backed)
        open_ones = [delivery for purchase in backed for delivery in deliveries.waiting(purchase)]
        valid = clearing.clearances([delivery.reference for delivery in open_ones], now=now)
        # All or none: a purchase is not begun while one of its recipients is not cleared.
        ready = {each.pk for each in backed if all(d.reference in valid for d in deliveries.waiting(each))}
        wanted = [delivery for delivery in open_ones if delivery.purchase_id in ready]
        made = deliveries.reserve(wanted, valid, now=now, clearance_key=clearing.clearance_key())
        accepted = set(made.accepted)
        taken = [delivery for delivery in wanted if delivery.reference in accepted]
        for delivery in taken:
            delivery.state = DeliveryState.SUBMITTING.value
        for purchase in backed:
            if purchase.pk not in ready:
                move(purchase, State.PAID, now=now, due_at=purchase.due_at)
                steps.append(Step(purchase.intent_id, purchase.state, WORKER, "clearance expired"))
            elif short := [each for each in deliveries.waiting(purchase) if each.reference in made.unpaid]:
                wait(purchase, waiting.key_of(short[0]), why=made.unpaid[short[0].reference], now=now)
            elif deliveries.waiting(purchase):
                check_again(purchase, now + SLOT_WAIT)
            else:
                move(purchase, State.SUBMITTING, now=now, due_at=None)
                steps.append(Step(purchase.intent_id, purchase.state, WORKER))
        persist(mine, steps, now=now, deliveries=taken)
        notify()
