"""Purchases set in motion without a chain: a registry that says what a test wants, and a worker that passes by hand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from django.conf import settings
from django.db import connection

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts.identifiers import tx_ref_hash
from fiatrails.chains.evm.models import Lane, NonceSlot, SlotIntent
from fiatrails.chains.evm.registry import UserCompliance
from fiatrails.compliance.clearing import Subject
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.ledger.verify import equation, verify
from fiatrails.operations.invariants.checks import check_books
from fiatrails.purchases.models import Purchase, Transition
from fiatrails.purchases.queues import PurchaseTools, advance_due
from tests.conftest import SteppedClock

NO_POOL = cast(RpcPool, None)


@dataclass
class Registry:
    """Stands for `clearing.look_up`: everybody is compliant but `refused`; `down`: the chain does not answer."""

    refused: set[str] = field(default_factory=set)
    down: bool = False
    asked: int = 0

    def look_up(self, subjects: Sequence[Subject], *, pool: RpcPool) -> dict[str, UserCompliance]:
        self.asked += 1
        if self.down:
            raise OutsideUnknown("rpc_unavailable", "no endpoint answers")
        users = {subject.user for subject in subjects}
        return {user: self._entry(user, user not in self.refused) for user in users}

    def _entry(self, user: str, fine: bool) -> UserCompliance:
        return UserCompliance(user, 10, "0x" + "ab" * 32, 1, fine, fine, True, 7)


@dataclass
class Stage:
    """What a test moves: the registry's answers, the clock, and passes of the worker."""

    clock: SteppedClock
    registry: Registry

    def step(self, **kwargs: float) -> int:
        """Moves the clock (as timedelta takes it) and makes one pass over every queue."""
        self.clock.advance(**kwargs)
        return advance_due(tools=PurchaseTools(clock=self.clock, pool=NO_POOL))

    def settle(self, passes: int = 4) -> None:
        """Passes until an order has gone as far as it goes at this moment."""
        for _ in range(passes):
            self.step()


def set_profile(configure: Any, section: str, **values: object) -> None:
    """Replaces fields of one section of the profile."""
    profile = settings.FIATRAILS.profile
    changed = getattr(profile, section).model_copy(update=values)
    configure(profile=profile.model_copy(update={section: changed}))


def lane(clock: SteppedClock) -> Lane:
    """A lane, so that orders find a nonce."""
    return Lane.objects.create(
        chain_id=31337, address="0x" + "e1" * 20, role="executor", next_nonce=0, created_at=clock.now()
    )


def occupy_slot(purchase: Purchase, clock: SteppedClock, *, state: str = "live") -> SlotIntent:
    """Puts the purchase into a nonce slot, as a reservation would."""
    found = Lane.objects.first() or lane(clock)
    slot = NonceSlot.objects.create(
        lane=found, nonce=found.next_nonce, kind="settle", to_address="0x" + "00" * 20, created_at=clock.now()
    )
    Lane.objects.filter(pk=found.pk).update(next_nonce=found.next_nonce + 1)
    return SlotIntent.objects.create(
        slot=slot, intent_id=purchase.intent_id, user_address=purchase.delivery.recipient,
        amount=purchase.delivery.amount, tx_ref_hash=tx_ref_hash(purchase.tx_ref), cleared_until=clock.now(),
        state=state,
    )  # fmt: skip


def fresh(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def letters(state: str = "open") -> list[tuple[str, str]]:
    """(operation, intent id) of the dead letters in one state."""
    return list(DeadLetter.objects.filter(state=state).order_by("pk").values_list("operation", "subject"))


def timeline(purchase: Purchase) -> list[str]:
    """The states that the purchase went through, as its readers see them."""
    steps = Transition.objects.filter(intent_id=purchase.intent_id).order_by("pk")
    return list(steps.values_list("state", flat=True))


def require_clean_books() -> None:
    """The ledger verifies and every invariant that the database alone can show holds."""
    assert verify().ok
    assert equation("KES").holds
    assert check_books() == []


@contextmanager
def tampering() -> Any:
    """A superuser's session in which no trigger fires."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")
