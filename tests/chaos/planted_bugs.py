"""Bugs that the suite must catch: each is a small edit, planted in a scratch copy, and the tests that must then fail.

Redundant defences hide each other, so some bugs remove two at once.
"""

from __future__ import annotations

from tests.chaos.planted_database import DATABASE_BUGS
from tests.chaos.planted_money import MONEY_BUGS
from tests.chaos.planting import Edit, PlantedBug

PAYMENTS = "tests/integration/purchases/test_payments.py"
QUEUE = "tests/integration/engine/test_queue.py"
ADVANCE = "tests/integration/purchases/test_advance.py"
OUTCOMES = "tests/integration/purchases/test_outcomes.py"
REFUNDS = "tests/integration/purchases/test_refunds.py"
REPLAY = "tests/integration/operations/test_replay.py"
CASES = "tests/integration/compliance/test_sanctions_cases.py"
CHAINS = "tests/integration/chains"
COMPLIANCE = "tests/integration/compliance"
COUNTRIES = "tests/integration/purchases/test_country_hold.py"
PAYER_NAMES = "tests/integration/providers/test_payer_names.py"


BUGS = (
    PlantedBug(
        "a redelivered callback is credited again",
        (
            Edit(
                "fiatrails/purchases/payments/record.py",
                "elif answer.status is Recorded.NEW and arrival.event.trusted",
                "elif arrival.event.trusted",
            ),
        ),
        (f"{PAYMENTS}::test_a_callback_repeated_fifty_times_at_once_pays_once",),
    ),
    PlantedBug(
        "a payment and its purchase do not wait for each other",
        (
            Edit(
                "fiatrails/purchases/payments/matching.py",
                "[sorted(set(tx_refs))]",
                "[[f'{r}{__import__(\"os\").urandom(8).hex()}' for r in tx_refs]]",
            ),
        ),
        (f"{PAYMENTS}::test_a_payment_waits_for_the_purchase_that_is_being_made",),
    ),
    PlantedBug(
        "a stale worker may write",
        (Edit("fiatrails/purchases/store.py", "WHERE p.id = t.id AND p.fence = t.fence", "WHERE p.id = t.id"),),
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
            Edit(
                "fiatrails/purchases/daily_limit.py",
                '" WHERE u.total + EXCLUDED.total <= %s RETURNING total"',
                '" WHERE u.total <= %s RETURNING total"',
            ),
        ),
        (f"{PAYMENTS}::test_two_requests_cannot_both_take_the_last_of_the_daily_limit",),
    ),
    PlantedBug(
        "a signature from the future is accepted",
        (Edit("fiatrails/kernel/signatures.py", "abs(now - claimed) > tolerance", "now - claimed > tolerance"),),
        ("tests/unit/kernel/test_signatures.py::test_a_stale_time_is_refused_on_either_side",),
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
        ("tests/unit/engine/test_group_commit.py::test_nobody_is_answered_before_the_commit",),
    ),
    PlantedBug(
        "an outcome is marked as told before it is applied",
        (
            Edit(
                "fiatrails/purchases/outcomes.py",
                "            outcomes = chain.collect(limit, now=now)\n            _apply_all(outcomes, now)\n",
                "            outcomes = chain.collect(limit, now=now)\n        with transaction.atomic():\n"
                "            _apply_all(outcomes, now)\n",
            ),
        ),
        ("crash:COMMIT",),
    ),
    PlantedBug(
        "mined counts as final",
        (
            Edit(
                "fiatrails/chains/evm/submitter/concluding.py",
                "slot.state is SlotState.INCLUDED and slot.block_number <= view.final_number",
                "slot.state is SlotState.INCLUDED",
            ),
            Edit(
                "fiatrails/chains/evm/submitter/concluding.py",
                "final = chain.headers.get(view.final_number)",
                "final = view.head",
            ),
        ),
        (f"{CHAINS}/test_happy_path.py::test_nothing_is_final_before_its_block_is",),
    ),
    PlantedBug(
        "the lane's fence is not checked",
        (
            Edit(
                "fiatrails/chains/evm/submitter/lease.py",
                "            if cursor.rowcount != 1:\n",
                "            if False:\n",
            ),
        ),
        (f"{CHAINS}/test_crashes.py::test_a_worker_that_lost_its_lane_signs_and_sends_nothing",),
    ),
    PlantedBug(
        "a nonce that is still free counts as used up, and a receipt of ours does not speak against it",
        (
            Edit(
                "fiatrails/chains/evm/submitter/concluding.py",
                "        if any(receipt is not None for receipt in receipts):\n            return False\n",
                "",
            ),
            Edit(
                "fiatrails/chains/evm/submitter/concluding.py",
                "slot.nonce < count and _has_no_receipt",
                "_has_no_receipt",
            ),
        ),
        (f"{CHAINS}/test_refusals.py::test_a_strangers_transaction_on_a_nonce_that_was_never_sent",),
    ),
    PlantedBug(
        "an order is taken without looking at its clearance",
        (
            Edit(
                "fiatrails/chains/evm/submitter/reservation.py",
                "        _require_cleared(order, contracts, now=now, key=clearance_key)\n",
                "        pass\n",
            ),
        ),
        (f"{CHAINS}/test_reservation.py::test_only_a_clearance_of_exactly_this_order_opens_the_way",),
    ),
    PlantedBug(
        "a worker that was overtaken still believes its answer",
        (
            Edit(
                "fiatrails/engine/claim.py",
                "return [row for row in locked if row.fence == fences[row.pk]]",
                "return list(locked)",
            ),
        ),
        (f"{ADVANCE}::test_an_overtaken_worker_writes_nothing_although_the_state_is_the_same",),
    ),
    PlantedBug(
        "a clearance that was edited by hand is taken for one, and taken again",
        (
            Edit("fiatrails/compliance/clearing.py", "and _holds(clearance, now)", "and clearance.expires_at > now"),
            Edit(
                "fiatrails/chains/evm/submitter/reservation.py",
                "        _require_cleared(order, contracts, now=now, key=clearance_key)\n",
                "        pass\n",
            ),
        ),
        (f"{ADVANCE}::test_an_edited_clearance_is_cleared_again_and_not_minted",),
    ),
    PlantedBug(
        "an executed order is told to the ledger again, and the ledger does not know it by its key",
        (
            Edit(
                "fiatrails/purchases/outcomes.py",
                "purchase.state == State.EXECUTED and before != State.EXECUTED",
                "purchase.state == State.EXECUTED",
            ),
            Edit(
                "fiatrails/ledger/entries.py",
                'key=f"mint:{intent_id}",',
                "key=f\"mint:{intent_id}:{__import__('uuid').uuid4()}\",",
            ),
        ),
        (f"{OUTCOMES}::test_executed_twice_posts_once",),
    ),
    PlantedBug(
        "a dead letter that is closed is replayed, and closed, once more",
        (
            Edit("fiatrails/operations/replay.py", 'if item.state != "open":', "if False:"),
            Edit(
                "fiatrails/engine/dead_letters.py",
                "closed = DeadLetter.objects.filter(pk=letter.pk, state=State.OPEN).update(",
                "closed = DeadLetter.objects.filter(pk=letter.pk).update(",
            ),
        ),
        (f"{REPLAY}::test_a_closed_item_is_not_replayed_again",),
    ),
    PlantedBug(
        "a payment is refunded while a transaction may still mint it",
        (Edit("fiatrails/purchases/payments/refunds.py", "if is_live(purchase):", "if False:"),),
        (f"{REFUNDS}::test_nothing_is_refunded_while_a_slot_may_mint_it",),
    ),
    PlantedBug(
        "a purchase whose money went back in part is minted in full",
        (Edit("fiatrails/purchases/decisions.py", "if refunds.went_back(purchase):", "if False:"),),
        (f"{REFUNDS}::test_what_went_back_in_part_cannot_be_accepted_for_the_whole",),
    ),
    PlantedBug(
        "one refused clearance sinks the whole batch",
        (
            Edit(
                "fiatrails/engine/queue.py",
                "error=_words(error))\n        _move_each(queue, rows, tools, clock)\n",
                "error=_words(error))\n        retry(queue, rows, error, clock=clock)\n",
            ),
        ),
        (f"{ADVANCE}::test_a_forged_clearance_does_not_sink_its_batch",),
    ),
    PlantedBug(
        "what is held back uses up attempts",
        (Edit("fiatrails/engine/queue.py", "row.attempts += 0 if held_back else 1", "row.attempts += 1"),),
        (f"{QUEUE}::test_what_is_held_back_meanwhile_costs_no_attempt",),
    ),
    PlantedBug(
        "a mode does not stop the queues",
        (Edit("fiatrails/engine/queue.py", "if queue.flow is not None and not", "if queue.flow is None and not"),),
        (f"{ADVANCE}::test_a_mode_holds_the_flow_back_without_costing_attempts",),
    ),
    PlantedBug(
        "an error that nobody foresaw stops the whole queue",
        (
            Edit(
                "fiatrails/engine/queue.py",
                "    except Exception as error:\n        if not isinstance",
                "    except FiatRailsError as error:\n        if not isinstance",
            ),
        ),
        (f"{QUEUE}::test_a_row_with_an_error_nobody_foresaw_does_not_stop_its_neighbours",),
    ),
    PlantedBug(
        "an order that expires keeps its part of the daily limit",
        (Edit("fiatrails/purchases/queues.py", "        daily_limit.give_back(mine)\n", ""),),
        (f"{ADVANCE}::test_an_unpaid_purchase_expires_in_time_and_gives_its_daily_limit_back",),
    ),
    PlantedBug(
        "a payer held over an outage is never looked up again",
        (
            Edit(
                "fiatrails/purchases/replay.py", "if state not in DRIVEN and not looked_up:", "if state not in DRIVEN:"
            ),
        ),
        (f"{ADVANCE}::test_a_held_payer_survives_an_outage",),
    ),
    PlantedBug(
        "a mint of what was refunded agrees with the books",
        (
            Edit(
                "fiatrails/operations/invariants/checks.py",
                "elif delivery.purchase.state in (State.REFUNDING, State.REFUNDED):",
                "elif False:",
            ),
        ),
        ("tests/integration/operations/test_invariants.py::test_a_mint_of_what_was_refunded",),
    ),
    PlantedBug(
        "the work of a request and its idempotency key commit apart",
        (
            Edit(
                "fiatrails/api/idempotency.py",
                "    with transaction.atomic():\n        if not _try_lock(",
                "    if True:\n        if not _try_lock(",
            ),
        ),
        ("crash:COMMIT",),
    ),
    PlantedBug(
        "a clearance in force outlives a sanctions case",
        (Edit("fiatrails/compliance/clearing.py", "if clearance.recipient not in suspected and _holds", "if _holds"),),
        (f"{CASES}::test_a_clearance_in_force_does_not_outlive_a_case",),
    ),
    PlantedBug(
        "one person releases a sanctions hit",
        (
            Edit(
                "fiatrails/compliance/sanctions/releases.py",
                "if same_person(release.requested_by, actor):",
                "if False:",
            ),
            Edit(
                "fiatrails/compliance/migrations/0006_cases.py",
                "CREATE TRIGGER keep BEFORE UPDATE ON",
                "ALTER TABLE compliance_release DROP CONSTRAINT release_by_two;\nCREATE TRIGGER keep BEFORE UPDATE ON",
            ),
        ),
        (f"{CASES}::test_two_people_release_a_case_and_the_payer_goes_on",),
    ),
    PlantedBug(
        "an attestation on its way gets past a suspension",
        (Edit("fiatrails/compliance/sanctions/suspensions.py", "said = under_way or entry", "said = entry"),),
        (
            f"{CHAINS}/test_suspension_races.py::"
            "test_an_attestation_queued_before_the_case_is_followed_by_the_suspension",
        ),
    ),
    PlantedBug(
        "an officer attests whose case is being opened",
        (
            Edit(
                "fiatrails/compliance/sanctions/attestations.py",
                "        cases.lock(user)\n        if verified:",
                "        if verified:",
            ),
        ),
        (f"{CHAINS}/test_suspension_races.py::test_nobody_is_attested_while_a_case_is_being_opened",),
    ),
    PlantedBug(
        "one address guesses under every name",
        (Edit("fiatrails/accounts/sign_ins.py", "_LIMITS = (ADDRESS, HERE, ANYWHERE)", "_LIMITS = (HERE, ANYWHERE)"),),
        (
            "tests/integration/admin/test_sign_in.py::"
            "test_many_names_from_one_address_are_stopped_and_another_address_is_not",
        ),
    ),
    PlantedBug(
        "a client reads what another was answered",
        (Edit("fiatrails/compliance/sanctions/screenings.py", "or (client is not None and row.client != client)", ""),),
        (f"{COMPLIANCE}/test_screenings.py::test_an_answer_is_read_as_it_was_given_by_who_asked_and_by_operators",),
    ),
    PlantedBug(
        "a question is answered on lists that nobody may be cleared on",
        (Edit("fiatrails/compliance/sanctions/screenings.py", "if isinstance(found, Unusable):", "if False:"),),
        (f"{COMPLIANCE}/test_screenings.py::test_without_a_list_to_rely_on_nothing_is_answered_and_nothing_kept",),
    ),
    PlantedBug(
        "only the last country of a payer counts",
        (
            Edit(
                "fiatrails/compliance/geo/residence.py",
                "for identity in known[user] for",
                "for identity in known[user][:1] for",
            ),
        ),
        (f"{COUNTRIES}::test_every_country_of_everybody_behind_the_wallet_has_to_be_served",),
    ),
    PlantedBug(
        "a name that cannot be kept keeps the money out",
        (
            Edit(
                "fiatrails/purchases/payments/payer_names.py",
                "except BadInput as refusal",
                "except KeyError as refusal",
            ),
        ),
        (f"{PAYER_NAMES}::test_a_name_that_cannot_be_kept_is_left_out_with_a_line_and_the_money_counts",),
    ),
    *MONEY_BUGS,
    *DATABASE_BUGS,
)  # fmt: skip
