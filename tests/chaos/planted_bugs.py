"""Bugs that the suite must catch: each is a small edit, planted in a scratch copy, and the tests that must then fail.

Redundant defences hide each other, so some bugs remove two at once.
"""

from __future__ import annotations

from dataclasses import dataclass

PAYMENTS = "tests/integration/purchases/test_payments.py"
CHAINS = "tests/integration/chains"


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the one occurrence of `old` in `path`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """`caught_by`: arguments for pytest, or for the crash driver when they start with `crash:`."""

    name: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]


BUGS = (
    PlantedBug(
        "a redelivered callback is credited again",
        (Edit("fiatrails/purchases/operations/payments.py", "answer.status is not Recorded.NEW", "False"),),
        (f"{PAYMENTS}::test_a_callback_repeated_fifty_times_at_once_pays_once",),
    ),
    PlantedBug(
        "a payment and its intent do not wait for each other",
        (
            Edit(
                "fiatrails/purchases/operations/matching.py",
                "[sorted(set(tx_refs))]",
                "[[f'{r}{__import__(\"os\").urandom(8).hex()}' for r in tx_refs]]",
            ),
        ),
        (f"{PAYMENTS}::test_a_payment_and_its_intent_at_once_always_meet",),
    ),
    PlantedBug(
        "a stale worker may write",
        (
            Edit("fiatrails/purchases/store.py", "WHERE i.id = t.id AND i.fence = t.fence", "WHERE i.id = t.id"),
        ),
        (f"{PAYMENTS}::test_a_worker_with_an_older_copy_can_write_nothing",),
    ),
    PlantedBug(
        "too large a payment passes as exact",
        (
            Edit(
                "fiatrails/purchases/states.py",
                "paid_before_minor + paid_minor == expected_minor",
                "paid_before_minor + paid_minor >= expected_minor",
            ),
        ),
        ("tests/unit/purchases/test_states.py::test_only_the_exact_sum_pays",),
    ),
    PlantedBug(
        "the daily limit is checked apart from being used",
        (
            Edit("fiatrails/purchases/operations/intents.py", '" WHERE u.total + EXCLUDED.total <= %s RETURNING total"',
                 '" WHERE u.total <= %s RETURNING total"'),
        ),
        (f"{PAYMENTS}::test_two_requests_cannot_both_take_the_last_of_the_daily_limit",),
    ),
    PlantedBug(
        "a signature from the future is accepted",
        (Edit("fiatrails/kernel/signatures.py", "abs(now - claimed) > tolerance", "now - claimed > tolerance"),),
        ("tests/unit/kernel/test_signatures.py",),
    ),
    PlantedBug(
        "a callback is answered before its transaction commits",
        (
            Edit(
                "fiatrails/engine/group_commit.py",
                "        try:\n            answers = self._commit([item for item, _ in batch])",
                "        try:\n            for _, future in batch:\n                future.set_result(None)\n"
                "            answers = self._commit([item for item, _ in batch])",
            ),
        ),
        ("tests/unit/engine/test_group_commit.py",),
    ),
    PlantedBug(
        "an outcome is marked as told before it is applied",
        (
            Edit(
                "fiatrails/purchases/operations/outcomes.py",
                "        outcomes = take(limit, now=now)\n",
                "        outcomes = take(limit, now=now)\n    with transaction.atomic():\n",
            ),
        ),
        ("crash:COMMIT",),
    ),
    PlantedBug(
        "mined counts as final",
        (
            Edit(
                "fiatrails/chains/evm/concluding.py",
                "slot.state is SlotState.INCLUDED and slot.block_number <= view.final_number",
                "slot.state is SlotState.INCLUDED",
            ),
            Edit(
                "fiatrails/chains/evm/concluding.py",
                "final = chain.headers.get(view.final_number)",
                "final = view.head",
            ),
        ),
        (f"{CHAINS}/test_happy_path.py::test_nothing_is_final_before_its_block_is",),
    ),
    PlantedBug(
        "the lane's fence is not checked",
        (
            Edit("fiatrails/chains/evm/lease.py", "            if cursor.rowcount != 1:\n", "            if False:\n"),
        ),
        (f"{CHAINS}/test_crashes.py",),
    ),
    PlantedBug(
        "an unknown answer to a send counts as refused, and receipts are not asked for twice",
        (
            Edit("fiatrails/chains/evm/concluding.py", "        if any(receipt is not None for receipt in receipts):\n"
                 "            return False\n", ""),
            Edit("fiatrails/chains/evm/concluding.py", "slot.nonce < count and _absent", "_absent"),
        ),
        (f"{CHAINS}/test_unsure_sends.py", f"{CHAINS}/test_refusals.py"),
    ),
    PlantedBug(
        "an order is taken without looking at its clearance",
        (
            Edit(
                "fiatrails/chains/evm/reservation.py",
                "        _require_cleared(order, contracts, now=now, key=clearance_key)\n",
                "        pass\n",
            ),
        ),
        ("tests/integration/chains", "-k", "clearance"),
    ),
)  # fmt: skip
