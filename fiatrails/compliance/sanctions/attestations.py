"""What officers write to the on-chain registry, beside what screening takes away there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.registry import UserCompliance, enqueue_update, read_ahead
from fiatrails.chains.evm.signer import Signers, load_signers
from fiatrails.chains.evm.submitter.lanes import ensure_lanes
from fiatrails.compliance.sanctions import cases, suspensions
from fiatrails.controls import audit
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.addresses import parse_word
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Conflict

# Of somebody whom the registry does not know yet.
_FIRST_SCORE = 10


@dataclass(frozen=True, slots=True)
class AttestationBasis:
    """What a user was verified by: 32 bytes as hex, or a document whose SHA-256 they are. Never both."""

    word: str | None = None
    document: bytes | None = None


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """What became of an officer's wish: `slot_id` of the queued update (see `registry.call_status`), None when the
    registry says so already. `before` is the record that was read."""

    before: UserCompliance
    slot_id: int | None


def attest(
    *, user: str, risk_score: int | None, evidence: AttestationBasis, pool: EvmPool, actor: str, now: datetime
) -> RegistryChange:
    """Record that the user is verified. `risk_score` None keeps the recorded one.

    Conflict while a case stands against the user, BadInput without evidence outside a local stack, OutsideUnknown
    when the chain does not answer.
    """
    known, under_way = read_ahead(user, pool=pool)
    # Said before anything is asked of the officer; what counts is the look under the lock.
    require_no_case(known.address)
    word = _word(known.address, evidence)
    score = _score(known, risk_score)
    return _change(known, score, word, verified=True, under_way=under_way, pool=pool, actor=actor, now=now)


def revoke(*, user: str, risk_score: int | None, pool: EvmPool, actor: str, now: datetime) -> RegistryChange:
    """Record that the user is not verified; the end of a case gives nothing back then. OutsideUnknown as `attest`."""
    known, under_way = read_ahead(user, pool=pool)
    # Also where the registry says "not verified" already and nothing is sent.
    revoke_return(user=known.address, actor=actor, now=now)
    score, word = _score(known, risk_score), known.attestation_hash
    return _change(known, score, word, verified=False, under_way=under_way, pool=pool, actor=actor, now=now)


def set_risk_score(*, user: str, risk_score: int, pool: EvmPool, actor: str, now: datetime) -> RegistryChange:
    """Change a registered user's risk score; attestation and verification stay. Conflict when there is no record, or
    when a case stands against a verified user."""
    known, under_way = read_ahead(user, pool=pool)
    if not known.is_registered:
        raise Conflict("not_registered", "the user is not in the registry; use `fiatrails user attest` first")
    word, verified = known.attestation_hash, known.is_verified
    return _change(known, risk_score, word, verified=verified, under_way=under_way, pool=pool, actor=actor, now=now)


def update(*, user: str, risk_score: int, attestation_hash: str, verified: bool, actor: str, now: datetime) -> int:
    """Queue the update and write the audit record, together; return the id of the slot. Conflict when it verifies a
    user against whom a case stands: asked under the lock under which cases are opened, so none is opened in between."""
    with transaction.atomic():
        cases.lock(user)
        if verified:
            require_no_case(user)
        else:
            suspensions.withhold(user)
        slot_id = enqueue_update(user, risk_score, attestation_hash, verified, now=now)
        details = {"riskScore": risk_score, "attestationHash": attestation_hash, "verified": verified, "slot": slot_id}
        audit.record(actor, "user.update", user, details, now=now)
        notify()
    return slot_id


def require_no_case(user: str) -> None:
    """Raise Conflict while a case stands: what screening took away on chain comes back with the decision, not around
    it."""
    for case in cases.standing([user]).get(user, ()):
        raise Conflict("case_stands", f"case {case.id} stands against this user; decide it with `fiatrails case` first")


def revoke_return(*, user: str, actor: str, now: datetime) -> bool:
    """Revoke the return of what screening has suspended, and return whether there was anything to bring back: the
    registry says so already, but the end of the case must not bring it back."""
    with transaction.atomic():
        cases.lock(user)
        withheld = suspensions.withhold(user)
        if withheld:
            audit.record(actor, "user.return_revoked", user, {}, now=now)
    return withheld


def _word(user: str, evidence: AttestationBasis) -> str:
    if evidence.word is not None and evidence.document is not None:
        raise BadInput("attestation_twice", "give --attestation-hash or --document, not both")
    if evidence.word is not None:
        return parse_word(evidence.word, field="--attestation-hash")
    if evidence.document is not None:
        return "0x" + hashlib.sha256(evidence.document).hexdigest()
    if config().env not in ("local", "test"):
        raise BadInput("attestation_missing", "give --attestation-hash or --document: what was the user verified by?")
    return "0x" + hashlib.sha256(f"local attestation of {user}".encode()).hexdigest()


def _score(known: UserCompliance, wanted: int | None) -> int:
    if wanted is not None:
        return wanted
    return known.risk_score if known.is_registered else _FIRST_SCORE


def _change(
    known: UserCompliance,
    score: int,
    word: str,
    *,
    verified: bool,
    under_way: bool,
    pool: EvmPool,
    actor: str,
    now: datetime,
) -> RegistryChange:
    """Queue the update unless the registry says so. `under_way`: `known` is not on the chain yet, and may never be."""
    says_so = (known.risk_score, known.attestation_hash, known.is_verified) == (score, word, verified)
    if says_so and known.is_registered and not under_way:
        return RegistryChange(known, None)
    officer = load_signers(config().signers).officer
    ensure_lanes(signers=Signers(executors=(), officer=officer), pool=pool, now=now)
    slot_id = update(
        user=known.address, risk_score=score, attestation_hash=word, verified=verified, actor=actor, now=now
    )
    return RegistryChange(known, slot_id)
