"""The on-chain compliance registry: what it says of users, and updates through the officer's own lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection, transaction

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.registry import HIGHEST_SCORE, RegistryRecord, UserRegistry, UserUpdate
from fiatrails.chains.evm.submitter.reservation import OFFICER
from fiatrails.chains.evm.submitter.states import SlotResult, SlotState
from fiatrails.kernel.addresses import parse_address, parse_word
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Misconfigured, NotFound, OutsideUnknown

# One batch of JSON-RPC: the head, then two calls for each user.
MAX_USERS_PER_READ = 49

_LANE = "SELECT id, next_nonce FROM evm_lane WHERE chain_id = %s AND role = %s ORDER BY id LIMIT 1 FOR UPDATE"
_INSERT = """
INSERT INTO evm_nonce_slot (lane_id, nonce, kind, to_address, subject, calldata, created_at)
VALUES (%s, %s, 'call', %s, %s, %s, %s) RETURNING id
"""
_ADVANCE = "UPDATE evm_lane SET next_nonce = %s WHERE id = %s"
# Nonces are final in their order, so all below were final when this was asked.
_OLDEST_OPEN = """
SELECT coalesce((SELECT min(s.nonce) FROM evm_nonce_slot s
    WHERE s.lane_id = l.id AND s.state IN ('reserved', 'published', 'included')), l.next_nonce)
FROM evm_lane l WHERE l.chain_id = %s AND l.role = %s ORDER BY l.id LIMIT 1
"""
_NEWEST = """
SELECT s.calldata FROM evm_nonce_slot s
WHERE s.lane_id = (SELECT id FROM evm_lane WHERE chain_id = %s AND role = %s ORDER BY id LIMIT 1)
    AND s.nonce >= %s AND s.kind = 'call' AND s.to_address = %s AND s.subject = %s
    AND NOT (s.state = 'final' AND s.result <> 'success')
ORDER BY s.nonce DESC LIMIT 1
"""
_STATUS = """
SELECT state, kind, result, tx_hash, block_number, coalesce(nullif(error, ''), refusal)
FROM evm_nonce_slot WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class UserCompliance:
    """The registry's record of a user and, in `is_compliant`, the contract's own verdict. `is_registered` False: the
    registry has no record. `last_updated` in Unix seconds; `block_number` is a head not newer than the answer."""

    address: str
    risk_score: int
    attestation_hash: str
    last_updated: int
    is_verified: bool
    is_compliant: bool
    is_registered: bool
    block_number: int


@dataclass(frozen=True, slots=True)
class QueuedUpdate:
    """What a registry update that may not have reached the chain will write there."""

    risk_score: int
    attestation_hash: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class CallStatus:
    """Where a registry update is: `state` reserved, published, included or final; `succeeded` is None until final.
    `error` says why it failed, or why it waits."""

    slot_id: int
    state: str
    succeeded: bool | None
    tx_hash: str | None
    block_number: int | None
    error: str


def read_users(addresses: Sequence[str], *, pool: RpcPool) -> dict[str, UserCompliance]:
    """Return the records by lower-case address; one JSON-RPC batch per MAX_USERS_PER_READ users. OutsideUnknown when
    the RPC does not answer, or answers nonsense: nobody is cleared on a guess."""
    registry = UserRegistry(_contracts().registry)
    found: dict[str, UserCompliance] = {}
    wanted = list(dict.fromkeys(parse_address(address) for address in addresses))
    for start in range(0, len(wanted), MAX_USERS_PER_READ):
        found |= _read(registry, wanted[start : start + MAX_USERS_PER_READ], pool)
    return found


def enqueue_update(address: str, risk_score: int, attestation_hash: str, verified: bool, *, now: datetime) -> int:
    """Reserve a nonce of the officer's lane for `updateUser` and return the slot's id (see `call_status`). Joins the
    caller's transaction. BadInput for malformed values, Misconfigured without an officer's lane."""
    user = parse_address(address)
    word = parse_word(attestation_hash, field="attestationHash")
    if not 0 <= risk_score <= HIGHEST_SCORE:
        raise BadInput("risk_score_out_of_range", f"risk score must lie between 0 and {HIGHEST_SCORE}")
    contracts = _contracts()
    data = UserRegistry.update_user(UserUpdate(user, risk_score, word, verified))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LANE, [contracts.chain_id, OFFICER])
        row = cursor.fetchone()
        if row is None:
            raise Misconfigured("no_officer_lane", "set OFFICER_KEYSTORE and start a worker to update the registry")
        lane_id, nonce = row
        cursor.execute(_INSERT, [lane_id, nonce, contracts.registry, user, data, now])
        slot_id = int(cursor.fetchone()[0])
        cursor.execute(_ADVANCE, [nonce + 1, lane_id])
    return slot_id


def oldest_open_nonce() -> int:
    """Return the nonce below which registry update is final: what is read from the chain afterwards shows it."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_OPEN, [_contracts().chain_id, OFFICER])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def queued_update(address: str, *, since: int) -> QueuedUpdate | None:
    """Return the user's newest registry update from nonce `since` on, unless it failed: the chain says this once the
    officer's lane has come so far. What is queued afterwards lands behind it. None when there is none."""
    contracts = _contracts()
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [contracts.chain_id, OFFICER, since, contracts.registry, parse_address(address)])
        row = cursor.fetchone()
    if row is None:
        return None
    update = UserRegistry.read_update(bytes(row[0]))
    return QueuedUpdate(update.risk_score, update.attestation_hash, update.is_verified)


def read_ahead(address: str, *, pool: RpcPool) -> tuple[UserCompliance, bool]:
    """Return what the registry says of the user once the updates under way have landed, and whether there are any: what
    is decided on the chain's word alone undoes them. `last_updated` and `is_compliant` are the chain's. OutsideUnknown
    as `read_users`."""
    since = oldest_open_nonce()
    entry = read_users([address], pool=pool)[parse_address(address)]
    queued = queued_update(address, since=since)
    if queued is None:
        return entry, False
    return replace(
        entry,
        risk_score=queued.risk_score,
        attestation_hash=queued.attestation_hash,
        is_verified=queued.is_verified,
        is_registered=True,
    ), True


def call_status(slot_id: int) -> CallStatus:
    """Return where a registry update is; NotFound for an unknown slot."""
    with connection.cursor() as cursor:
        cursor.execute(_STATUS, [slot_id])
        row = cursor.fetchone()
    if row is None:
        raise NotFound("no_such_call", f"there is no registry update {slot_id}")
    state, kind, result, tx_hash, block_number, error = row
    succeeded = (kind == "call" and result == SlotResult.SUCCESS.value) if state == SlotState.FINAL.value else None
    if succeeded is False and not error:
        # A no-op in the update's place is mined with success; the update itself was refused by the simulation.
        error = "refused by the registry in simulation" if result == SlotResult.SUCCESS.value else result
    return CallStatus(slot_id, state, succeeded, tx_hash or None, block_number, error)


def _read(registry: UserRegistry, addresses: Sequence[str], pool: RpcPool) -> dict[str, UserCompliance]:
    records = [registry.get_user(address) for address in addresses]
    verdicts = [registry.is_compliant(address) for address in addresses]
    calls = [*(read.call() for read in records), *(read.call() for read in verdicts)]
    height, *answers = pool.batch([Call("eth_blockNumber"), *calls])
    try:
        number = int(str(height), 16)
        stored = [read.decode(answer) for read, answer in zip(records, answers[: len(records)], strict=True)]
        compliant = [read.decode(answer) for read, answer in zip(verdicts, answers[len(records) :], strict=True)]
    except ValueError:
        raise OutsideUnknown(
            "registry_unknown", "the registry's answer is of no use; check `fiatrails doctor`"
        ) from None
    found = zip(addresses, stored, compliant, strict=True)
    return {address: _compliance(address, record, verdict, number) for address, record, verdict in found}


def _compliance(address: str, record: RegistryRecord, is_compliant: bool, block_number: int) -> UserCompliance:
    return UserCompliance(
        address=address,
        risk_score=record.risk_score,
        attestation_hash=record.attestation_hash,
        last_updated=record.last_updated,
        is_verified=record.is_verified,
        is_compliant=is_compliant,
        # The registry stamps every write with the block's time, so only a missing record has none.
        is_registered=record.last_updated != 0,
        block_number=block_number,
    )


def _contracts() -> Deployment:
    settings = config()
    return deployment(settings.deployments_path, settings.profile.chain_id)
