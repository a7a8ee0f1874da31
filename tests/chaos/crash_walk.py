"""The core path from order to final mint in one process, API and worker at once, and what must hold afterwards."""

from __future__ import annotations

import gc
import json
import os
import ssl
from collections.abc import Callable
from functools import lru_cache
from unittest.mock import patch
from urllib.request import Request, urlopen

from django.db import connection, connections
from django.db.models import Sum

from fiatrails.api.clients import KEY_RING
from fiatrails.api.models import IdempotencyKey
from fiatrails.chains.evm import pool
from fiatrails.chains.evm.contracts import stablecoin
from fiatrails.chains.evm.signer import TransactionFields
from fiatrails.controls import modes
from fiatrails.engine import dead_letters
from fiatrails.engine.group_commit import GroupCommit
from fiatrails.kernel.clock import SystemClock
from fiatrails.kernel.conf import profile
from fiatrails.operations import worker
from fiatrails.operations.invariants import check_books
from fiatrails.providers.core.models import Payment
from fiatrails.purchases.models import DailyUsage, Purchase
from tests.chaos.crash_caller import TOKEN, Caller, WalkClock

MAX_PASSES = 60
# A block, and with it a look at the modes: what is remembered for a second is asked again in every pass.
PASS_S = 1.0


def walk(caller: Caller) -> None:
    """Order, payment, and passes until the mint is final. What was done before is found done, as by any process."""
    caller.order()
    caller.pay()
    for _ in range(MAX_PASSES):
        _insist(lambda: worker.advance_pass(clock=caller.clock), caller.tries)
        _insist(lambda: worker.lane_pass(clock=caller.clock, holder=f"crash-driver:{os.getpid()}"), caller.tries)
        mine()
        caller.clock.move(PASS_S)
        with caller.boundaries.aside():
            if Purchase.objects.filter(tx_ref=caller.tx_ref, state="executed").exists():
                return
    raise AssertionError(f"{caller.tx_ref} is {Purchase.objects.get(tx_ref=caller.tx_ref).state}")


def _insist(step: Callable[[], object], tries: int) -> None:
    """Runs a pass, again after an error as a worker's loop does: on a new connection."""
    for _ in range(tries - 1):
        try:
            step()
        except Exception:
            connection.close()
        else:
            return
    step()


def mine() -> None:
    """One block, by a request of its own that no boundary counts."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []}).encode()
    with urlopen(Request(profile().rpc_urls[0], body, {"content-type": "application/json"}), timeout=10) as answer:
        answer.read()


def check(caller: Caller) -> None:
    """After recovery: executed and shown as such, everything once, nothing in the dead letters."""
    purchase = Purchase.objects.get(tx_ref=caller.tx_ref)
    assert purchase.state == "executed", purchase
    caller.require_executed()
    assert dead_letters.depth() == 0, dead_letters.list_open()
    _require_single(caller)


def require_books() -> None:
    """Every invariant of the books holds. It reads all there is, and what is wrong never becomes right by itself:
    looking once in a while finds what looking after each walk would."""
    assert not (findings := check_books()), f"in the books of all walks so far: {findings}"


def _require_single(caller: Caller) -> None:
    """However often it was asked: one answer kept, one event, and the daily limit used once per intent."""
    assert IdempotencyKey.objects.filter(key=caller.idempotency_key).count() == 1
    assert Payment.objects.filter(tx_ref=caller.tx_ref).count() == 1
    used = DailyUsage.objects.filter(user=caller.user).aggregate(total=Sum("total"))["total"]
    assert used == 10 * TOKEN * Purchase.objects.filter(deliveries__recipient=caller.user).count(), used


def prepare(clock: WalkClock) -> None:
    """Once per driver: the product's clock is the walk's, and what takes long is done before the forks."""
    SystemClock.now = lambda _self: clock.now()  # type: ignore[method-assign]
    # Reading the certificate store takes 20 ms, and no child speaks TLS.
    ssl.create_default_context = lru_cache(ssl.create_default_context)
    for signer in worker.signers().executors:
        signer.sign_transaction(TransactionFields(1, 0, "0x" + "00" * 20, b"", 21_000, 1, 1))


def warm_up(caller: Caller) -> None:
    """A walk in the process that forks the others, so that they find everything loaded and compiled, which is half of
    their time. What must not cross a fork is given back: connections, a thread, answers that are still fresh."""
    with patch.object(GroupCommit, "submit", lambda self, item: self._commit([item])[0]):
        walk(caller)
        check(caller)
    pool.default_pool().close()
    pool._pool.cache_clear()
    connections.close_all()
    for forget in (KEY_RING.forget, modes.forget_cached, stablecoin.reset_cache, gc.collect):
        forget()
    # Pages that the collector does not write to stay shared with the children.
    gc.freeze()
