"""Questions about orders that were handed to the chain, and about what holds them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from fiatrails.chains.core.holds import COUNTRY, ChainHold, HoldReason, reason_of
from fiatrails.chains.evm.models import SlotIntent
from fiatrails.chains.evm.submitter import funds
from fiatrails.chains.evm.submitter.states import IntentState
from fiatrails.kernel.conf import profile

_LANES = """
SELECT l.id, l.address, l.role, l.held, l.held_since, l.available_until, l.lease_until, l.holder,
    EXISTS (SELECT FROM evm_nonce_slot s WHERE s.lane_id = l.id
        AND s.state IN ('reserved', 'published', 'included') AND s.kind <> 'vacant')
FROM evm_lane l WHERE l.chain_id = %s ORDER BY l.id
"""
_LANES_OF = """
SELECT DISTINCT s.lane_id FROM evm_slot_intent i JOIN evm_nonce_slot s ON s.id = i.slot_id
WHERE i.intent_id = ANY(%s) AND i.state IN ('live', 'mined')
"""
# How an EVM lane says why it holds: `code: sentence`, where the code is one of these or of the neutral ones.
HOLD_CODES = {
    "ERC20InsufficientBalance": HoldReason.TREASURY,
    "TransferFailed": HoldReason.TREASURY,
    "SafeERC20FailedOperation": HoldReason.TREASURY,
    "ERC20InsufficientAllowance": HoldReason.ALLOWANCE,
    "SystemPaused": HoldReason.PAUSED,
    "EnforcedPause": HoldReason.PAUSED,
    "Unauthorized": HoldReason.ROLE,
    "AccessControlUnauthorizedAccount": HoldReason.ROLE,
    "no_funds": HoldReason.FEE_MONEY,
    "rpc_fees": HoldReason.PRICE_UNKNOWN,
    "nonce_gap": HoldReason.SEQUENCE,
    "simulation": HoldReason.RPC,
    "simulation_unknown": HoldReason.RPC,
    "not_sent": HoldReason.RPC,
    "refused": HoldReason.REFUSED,
    "underpriced": HoldReason.REFUSED,
    "fee_low": HoldReason.REFUSED,
}
# No lease is renewed for longer than its duration: one that ends later was taken by a clock that is ahead.
_LEASES_AHEAD = 2


def live_intents(intent_ids: Sequence[str]) -> set[str]:
    """Return those of `intent_ids` that own a place in a nonce slot: minted, or not yet known never to be."""
    rows = SlotIntent.objects.filter(intent_id__in=intent_ids).exclude(state=IntentState.RELEASED.value)
    return set(rows.values_list("intent_id", flat=True))


def holds(chain_id: int, *, now: datetime) -> list[ChainHold]:
    """Return the lanes and countries from which nothing goes out, and why. Reads rows alone: no endpoint is asked."""
    lanes = _lane_holds(chain_id, now)
    with connection.cursor() as cursor:
        countries = [
            ChainHold(f"evm:{chain_id}", country, COUNTRY, reason_of(held), held, since)
            for country, held, since in funds.holds(cursor, chain_id)
        ]
    return [*lanes.values(), *countries]


def holds_of(chain_id: int, intent_ids: Sequence[str], *, now: datetime) -> list[ChainHold]:
    """Return what holds the lanes in which these intents are."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES_OF, [list(intent_ids)])
        wanted = {row[0] for row in cursor.fetchall()}
    return [hold for lane_id, hold in _lane_holds(chain_id, now).items() if lane_id in wanted]


def _lane_holds(chain_id: int, now: datetime) -> dict[int, ChainHold]:
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [chain_id])
        rows = cursor.fetchall()
    found: dict[int, ChainHold] = {}
    for lane_id, address, role, held, since, available_until, lease_until, holder, has_work in rows:
        if held:
            reason, text, begun = reason_of(held, HOLD_CODES), held, since
        elif has_work and available_until is not None and available_until <= now:
            reason, begun = HoldReason.NO_SIGNER, available_until
            text = f"no_signer: no running worker has held the key of {address} since {begun:%Y-%m-%d %H:%M:%S} UTC; "
            text += "start one with its keystore in SIGNER_KEYSTORE"
        elif has_work and lease_until is not None and lease_until > now + _LEASES_AHEAD * _lease():
            reason, begun = HoldReason.CLOCK, now
            text = f"clock: the lease of {holder} ends at {lease_until:%H:%M:%S} UTC, later than any lease can; "
            text += "set that host's clock right and start its worker again"
        else:
            continue
        found[lane_id] = ChainHold(f"evm:{chain_id}", address, role, reason, text, begun or now)
    return found


def _lease() -> timedelta:
    return timedelta(seconds=profile().timeouts.lease_s)
