"""States of a case and the only moves between them. Pure."""

from __future__ import annotations

from enum import StrEnum


class CaseState(StrEnum):
    """OPEN: nobody decided. RELEASE_REQUESTED: one person says that it is somebody else, a second has to agree.
    CONFIRMED: it is the listed one. RELEASED: it is not. GONE: the lists no longer say it."""

    OPEN = "open"
    RELEASE_REQUESTED = "release_requested"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    GONE = "gone"


# While a case stands, its payer is not cleared and not compliant on chain.
STANDING = (CaseState.OPEN, CaseState.RELEASE_REQUESTED, CaseState.CONFIRMED)
MOVES: dict[CaseState, frozenset[CaseState]] = {
    # A release may have been asked for before the case was opened, hence OPEN -> RELEASED.
    CaseState.OPEN: frozenset({CaseState.RELEASE_REQUESTED, CaseState.CONFIRMED, CaseState.RELEASED, CaseState.GONE}),
    CaseState.RELEASE_REQUESTED: frozenset({CaseState.OPEN, CaseState.CONFIRMED, CaseState.RELEASED, CaseState.GONE}),
    # Delisting does not undo what a person found: two people have to.
    CaseState.CONFIRMED: frozenset({CaseState.RELEASE_REQUESTED}),
    CaseState.RELEASED: frozenset(),
    CaseState.GONE: frozenset(),
}


def sources(target: CaseState) -> list[str]:
    """Return the states from which a case may move to `target`."""
    return [state.value for state, targets in MOVES.items() if target in targets]
