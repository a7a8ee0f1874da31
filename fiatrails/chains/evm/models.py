"""Tables of the EVM submitter.

Everything a tick asks for is behind a partial index on what is still open, so a million settled intents cost nothing.
Hashes, ids and addresses are lower-case hex with 0x.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fiatrails.chains.evm.submitter.states import LIVE_SLOTS, AttemptState, IntentState, SlotKind, SlotState

_LIVE = [state.value for state in LIVE_SLOTS]


class Lane(models.Model):
    """One signer's nonce sequence on one chain. `next_nonce` is the only source of nonces; `fence` rises with every
    lease and is checked by every write. `held` says why nothing goes out, empty when all is well; `available_until`:
    until then some worker is known to hold the key."""

    chain_id = models.BigIntegerField()
    address = models.CharField(max_length=42)
    role = models.CharField(max_length=16)
    next_nonce = models.BigIntegerField()
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(db_default=0)
    holder = models.TextField(db_default="", blank=True)
    held = models.TextField(db_default="", blank=True)
    held_since = models.DateTimeField(null=True)
    available_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "evm_lane"
        constraints = [models.UniqueConstraint(fields=["chain_id", "address"], name="lane_once")]


class Funds(models.Model):
    """What stands behind the mints of one country, as last read at `block_number`: what `payer` (the treasury, or
    without one an executor) holds of the coin and lets the escrow take, in the coin's base units. `held` says why
    nothing is minted, empty when all is well."""

    chain_id = models.BigIntegerField()
    country = models.CharField(max_length=32)
    payer = models.CharField(max_length=42)
    is_treasury = models.BooleanField()
    escrow = models.CharField(max_length=42)
    stablecoin = models.CharField(max_length=42)
    balance = models.DecimalField(max_digits=78, decimal_places=0)
    allowance = models.DecimalField(max_digits=78, decimal_places=0)
    block_number = models.BigIntegerField()
    read_at = models.DateTimeField()
    held = models.TextField(db_default="", blank=True)
    held_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "evm_funds"
        constraints = [models.UniqueConstraint(fields=["chain_id", "country", "payer"], name="funds_once")]


class NonceSlot(models.Model):
    """What one nonce is for and how far it came. A nonce is never recycled. `calldata` is kept for calls only: that
    of a batch is made from its slot_intent rows; `subject` is the address that a call is about. `error`: why a no-op
    took the place of what was wanted; `refusal`: why nodes do not take the bytes. Block and hash are those of the
    inclusion that counts now."""

    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, db_index=False)
    nonce = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in SlotKind])
    state = models.CharField(max_length=12, db_default=SlotState.RESERVED.value)
    result = models.CharField(max_length=12, db_default="", blank=True)
    to_address = models.CharField(max_length=42)
    country = models.CharField(max_length=32, db_default="", blank=True)
    calldata = models.BinaryField(db_default=b"")
    subject = models.CharField(max_length=42, db_default="", blank=True)
    gas = models.BigIntegerField(db_default=0)
    error = models.TextField(db_default="", blank=True)
    refusal = models.TextField(db_default="", blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    tx_hash = models.CharField(max_length=66, db_default="", blank=True)
    block_number = models.BigIntegerField(null=True)
    block_hash = models.CharField(max_length=66, db_default="", blank=True)

    class Meta:
        db_table = "evm_nonce_slot"
        constraints = [models.UniqueConstraint(fields=["lane", "nonce"], name="slot_nonce_once")]
        indexes = [
            models.Index(fields=["lane", "nonce"], condition=Q(state__in=_LIVE), name="slot_live"),
            models.Index(
                fields=["lane", "block_number"], condition=Q(state=SlotState.INCLUDED.value), name="slot_included"
            ),
        ]


class SlotIntent(models.Model):
    """An intent's ride in a slot. At most one that is not released per intent, enforced here for good.

    `code` non-empty: why the intent is not in the signed batch, or was not executed. `reported` is the last outcome
    that the owner of the intent was told, `report_due` whether there is another.
    """

    slot = models.ForeignKey(NonceSlot, on_delete=models.PROTECT)
    intent_id = models.CharField(max_length=66)
    user_address = models.CharField(max_length=42)
    amount = models.DecimalField(max_digits=78, decimal_places=0)
    tx_ref_hash = models.CharField(max_length=66)
    cleared_until = models.DateTimeField()
    state = models.CharField(max_length=12, db_default=IntentState.LIVE.value)
    code = models.TextField(db_default="", blank=True)
    tx_hash = models.CharField(max_length=66, db_default="", blank=True)
    block_number = models.BigIntegerField(null=True)
    reported = models.CharField(max_length=12, db_default="", blank=True)
    report_due = models.BooleanField(db_default=False)

    class Meta:
        db_table = "evm_slot_intent"
        constraints = [
            models.UniqueConstraint(
                fields=["intent_id"], condition=~Q(state=IntentState.RELEASED.value), name="intent_in_one_slot"
            )
        ]
        indexes = [models.Index(fields=["id"], condition=Q(report_due=True), name="intent_report_due")]


class Attempt(models.Model):
    """Signed bytes of a slot. Append-only: a trigger refuses DELETE and any change but that of `state`."""

    slot = models.ForeignKey(NonceSlot, on_delete=models.PROTECT)
    hash = models.CharField(max_length=66)
    raw = models.BinaryField()
    max_fee = models.BigIntegerField()
    tip = models.BigIntegerField()
    gas = models.BigIntegerField()
    signed_at_block = models.BigIntegerField()
    state = models.CharField(max_length=12, db_default=AttemptState.SIGNED.value)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "evm_attempt"
        constraints = [models.UniqueConstraint(fields=["hash"], name="attempt_hash_once")]


class Broadcast(models.Model):
    """One sending of an attempt to one endpoint, and what came back. `endpoint` carries no credentials."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT)
    endpoint = models.TextField()
    outcome = models.CharField(max_length=16)
    detail = models.TextField(db_default="", blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "evm_broadcast"


class Block(models.Model):
    """Headers between the lowest undecided inclusion and the head, as last seen. A window, not a history."""

    chain_id = models.BigIntegerField()
    number = models.BigIntegerField()
    hash = models.CharField(max_length=66)
    parent_hash = models.CharField(max_length=66)
    canonical = models.BooleanField(db_default=True)

    class Meta:
        db_table = "evm_block"
        constraints = [
            models.UniqueConstraint(fields=["chain_id", "hash"], name="block_once"),
            models.UniqueConstraint(
                fields=["chain_id", "number"], condition=Q(canonical=True), name="block_canonical_once"
            ),
        ]


class Inclusion(models.Model):
    """A receipt seen for an attempt in a block; several when reorganisations moved it."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, db_index=False)
    block_hash = models.CharField(max_length=66)
    block_number = models.BigIntegerField()
    succeeded = models.BooleanField()
    gas_used = models.BigIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "evm_inclusion"
        constraints = [models.UniqueConstraint(fields=["attempt", "block_hash"], name="inclusion_once")]
