"""Dead letters: work that ran out of attempts, kept until an operator or a replay closes it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import Error, connection, transaction
from django.db.models import QuerySet

from fiatrails.controls import audit
from fiatrails.engine import dead_letter_files as mirror
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Conflict, NotFound

State = DeadLetter.State
_MAX_ERROR_CHARS = 2_000
_ID = re.compile(r"(?:DL-)?0*([0-9]{1,18})", re.ASCII | re.IGNORECASE)
# Two workers may give up on the same work at once: the index decides, and the second becomes an update.
_ADD = """
INSERT INTO engine_dead_letter
    (operation, subject, attempts, last_error, error_class, created_at, payload, state, actor, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, 'open', '', '')
ON CONFLICT (operation, subject) WHERE state = 'open' DO UPDATE
SET attempts = excluded.attempts, last_error = excluded.last_error,
    error_class = excluded.error_class, payload = excluded.payload
RETURNING id
"""


# Whether trying again may help by itself; what is temporary is replayed every ten minutes.
TEMPORARY, PERMANENT = "temporary", "permanent"


@dataclass(frozen=True, slots=True)
class Work:
    """What is given up: the operation, what it is about, and what whoever replays it needs to know."""

    operation: str
    subject: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as read."""

    item_id: str
    operation: str
    subject: str
    attempts: int
    last_error: str
    error_class: str
    created_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Open items with one error class, oldest first; never empty."""

    error_class: str
    items: tuple[Letter, ...]


def add(
    *,
    operation: str,
    subject: str,
    attempts: int,
    last_error: str,
    error_class: str,
    payload: Mapping[str, object],
    now: datetime,
) -> str:
    """Open a dead letter and return its item id (`DL-000123`). Doing so again while it is open updates attempts, error
    and payload of the one that stands, and keeps its time."""
    error = _storable_text(last_error)[:_MAX_ERROR_CHARS]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [operation, subject, attempts, error, error_class[:128], now, _storable_json(payload)])
        (pk,) = cursor.fetchone()
    item_id = _item_id(pk)
    _mirror_after_commit(item_id)
    return item_id


def close_alarm(operation: str, subject: str, *, reason: str, actor: str, now: datetime) -> None:
    """Resolve the open dead letter of this work, if there is one: its cause has passed."""
    letter = DeadLetter.objects.filter(operation=operation, subject=subject, state=State.OPEN).first()
    if letter is not None:
        # Somebody may close it at this very moment.
        with contextlib.suppress(Conflict):
            resolve(str(letter.pk), reason=reason, actor=actor, now=now)


def open_subjects(operation: str) -> set[str]:
    """Return what the open items of this operation are about."""
    return set(DeadLetter.objects.filter(operation=operation, state=State.OPEN).values_list("subject", flat=True))


def list_open(
    *, since: datetime | None = None, error_class: str | None = None, limit: int | None = 1_000
) -> list[ErrorGroup]:
    """Return open items grouped by error class, the largest group first; at most `limit`, the oldest (None: all)."""
    letters: QuerySet[DeadLetter] = DeadLetter.objects.filter(state=State.OPEN)
    if since is not None:
        letters = letters.filter(created_at__gte=since)
    if error_class is not None:
        letters = letters.filter(error_class=error_class)
    groups: dict[str, list[Letter]] = {}
    for letter in letters.order_by("created_at", "pk")[:limit]:
        groups.setdefault(letter.error_class, []).append(_item(letter))
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [ErrorGroup(name, tuple(items)) for name, items in ordered]


def depth() -> int:
    """Return the number of open items: the gauge `fiatrails_dlq_depth`."""
    return DeadLetter.objects.filter(state=State.OPEN).count()


def get(item_id: str) -> Letter:
    """Return one item in any state; NotFound when there is none."""
    return _item(_letter(item_id))


def show(item_id: str) -> dict[str, object]:
    """Return the item in the runbook's JSON shape; NotFound when there is none."""
    return _shown(_letter(item_id))


def mark_replayed(item_id: str, *, actor: str, now: datetime) -> None:
    """Close an open item because its work was set going again. Conflict when it is closed already, so that of two
    operators on one button only one replays; call it in the transaction that schedules the work."""
    _close(item_id, State.REPLAYED, actor=actor, reason="", now=now)


def discard(item_id: str, *, reason: str, actor: str, now: datetime) -> None:
    """Close an open item for good without doing its work. BadInput without a reason; Conflict when closed."""
    _close(item_id, State.DISCARDED, actor=actor, reason=_required(reason), now=now)


def resolve(item_id: str, *, reason: str, actor: str, now: datetime) -> None:
    """Close an open item whose work turned out to be done, or was settled another way. As `discard` otherwise."""
    _close(item_id, State.RESOLVED, actor=actor, reason=_required(reason), now=now)


def synchronise_mirror() -> None:
    """Make DLQ_DIR equal to the table: at start-up, and after a disk that was full or a crash before mirroring."""
    directory = config().dlq_dir
    if directory is None:
        return
    with mirror.best_effort("all"), mirror.exclusive(directory):
        letters = DeadLetter.objects.filter(state=State.OPEN)
        shown = {_item_id(letter.pk): _shown(letter) for letter in letters}
        for item_id, item in shown.items():
            mirror.write(directory, item_id, item)
        mirror.keep_only(directory, set(shown))


def _close(item_id: str, state: State, *, actor: str, reason: str, now: datetime) -> None:
    with transaction.atomic():
        letter = _letter(item_id)
        closed = DeadLetter.objects.filter(pk=letter.pk, state=State.OPEN).update(
            state=state, resolved_at=now, actor=actor, reason=reason
        )
        if not closed:
            letter.refresh_from_db(fields=["state"])
            raise Conflict("dead_letter_closed", f"{_item_id(letter.pk)} is {letter.state} already")
        details = {"operation": letter.operation, "intentId": letter.subject, "reason": reason}
        audit.record(actor, f"dead_letter.{state.value}", _item_id(letter.pk), details, now=now)
    _mirror_after_commit(_item_id(letter.pk))


def _mirror_after_commit(item_id: str) -> None:
    directory = config().dlq_dir
    if directory is not None:
        transaction.on_commit(lambda: _mirror(directory, item_id), robust=True)


def _mirror(directory: Path, item_id: str) -> None:
    """Read the item again under the lock, as it may have been closed by now, and write or remove its file."""
    try:
        with mirror.best_effort(item_id), mirror.exclusive(directory):
            letter = _letter(item_id)
            if letter.state == State.OPEN:
                mirror.write(directory, item_id, _shown(letter))
            else:
                mirror.remove(directory, item_id)
    except Error:
        # The letter is committed; `synchronise_mirror` writes the file when the database is back.
        connection.close()


def _letter(item_id: str) -> DeadLetter:
    match = _ID.fullmatch(item_id.strip())
    letter = DeadLetter.objects.filter(pk=int(match[1])).first() if match else None
    if letter is None:
        raise NotFound("no_such_dead_letter", f"no dead letter {item_id[:32]!r}; `dlq list` shows them")
    return letter


def _item_id(pk: int) -> str:
    return f"DL-{pk:06d}"


def _item(letter: DeadLetter) -> Letter:
    return Letter(
        item_id=_item_id(letter.pk),
        operation=letter.operation,
        subject=letter.subject,
        attempts=letter.attempts,
        last_error=letter.last_error,
        error_class=letter.error_class,
        created_at=letter.created_at,
        state=letter.state,
    )


def _shown(letter: DeadLetter) -> dict[str, object]:
    return {
        "operation": letter.operation,
        "intentId": letter.subject,
        "attempts": letter.attempts,
        "lastError": letter.last_error,
        "timestamp": isoformat(letter.created_at),
        "payload": letter.payload,
    }


def _storable_text(text: str) -> str:
    """PostgreSQL takes neither NUL nor half a surrogate pair, and a dead letter must not be lost over what an
    outsider sent."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _storable_json(payload: Mapping[str, object]) -> str:
    """As `_storable_text`; NaN and infinities, which Python reads from JSON and PostgreSQL does not, as words."""
    plain = json.loads(json.dumps(dict(payload), default=str), parse_constant=str)
    return _storable_text(json.dumps(plain, ensure_ascii=False).replace("\\u0000", "\ufffd"))


def _required(reason: str) -> str:
    if not reason.strip():
        raise BadInput("reason_required", "say why; the reason is kept with the item and in the audit log")
    return reason.strip()
