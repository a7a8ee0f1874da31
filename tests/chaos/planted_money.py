"""Planted bugs of prices, limits, returned money, supply, and of what nodes say."""

from __future__ import annotations

from tests.chaos.planting import Edit, PlantedBug

SUPPLY = "tests/integration/supply/test_reading.py"
PRICING = "tests/unit/purchases/test_pricing.py"
LIMIT = "tests/integration/purchases/test_daily_limit.py"
RETURNS = "tests/integration/purchases/test_late_returns.py"
REPLIES = "tests/integration/chains/test_replies.py"
POOL = "tests/unit/chains/test_pool.py"
WAITING = "tests/integration/purchases/test_waiting.py"
LANE_WAITING = "tests/integration/chains/test_waiting.py"
BOOKS = "tests/integration/purchases/test_books_before_minting.py"

MONEY_BUGS = (
    PlantedBug(
        "a row that says paid is cleared without a look into the books",
        (Edit("fiatrails/purchases/clearance.py", "        steps = backing.hold_unbacked(mine, now=now)\n",
              "        steps: list[Step] = []\n"),),
        (f"{BOOKS}::test_a_state_set_by_hand_mints_nothing_and_is_told",),
    ),
    PlantedBug(
        "what was refunded is submitted while its clearance stands",
        (Edit("fiatrails/purchases/submission.py", "        steps = backing.hold_unbacked(mine, now=now)\n",
              "        steps: list[Step] = []\n"),),
        (f"{BOOKS}::test_money_that_went_back_is_not_minted_by_setting_the_state_while_the_clearance_stands",),
    ),
    PlantedBug(
        "the burn of a redemption is booked as well",
        (Edit("fiatrails/chains/evm/contracts/supply.py", "            found.add(event.place)\n", ""),),
        ("tests/unit/chains/test_supply.py::test_exactly_the_burns_that_no_redemption_made_are_burns",),
    ),
    PlantedBug(
        "supply is posted apart from the cursor of its chain",
        (
            Edit("fiatrails/purchases/supply.py",
                 "        post([_entry(chain, change) for change in page.changes], now=clock.now())\n", ""),
            Edit("fiatrails/purchases/supply.py",
                 "    with transaction.atomic():\n        SupplyCursor.objects.bulk_create",
                 "    with transaction.atomic():\n"
                 "        post([_entry(chain, change) for change in page.changes], now=clock.now())\n"
                 "    with transaction.atomic():\n        SupplyCursor.objects.bulk_create"),
        ),
        (f"{SUPPLY}::test_a_kill_between_the_entries_and_the_cursor_leaves_neither",),
    ),
    PlantedBug(
        "a client names any price",
        (Edit("fiatrails/purchases/opening.py", "    require_fair(request.price, whole, country, rate)\n", ""),),
        ("tests/functional/cli/test_intents.py::test_a_price_may_differ_by_the_tolerance_and_no_further",),
    ),
    PlantedBug(
        "a token may cost less than it is redeemed for",
        (Edit("fiatrails/kernel/profile.py", "            self._require_par()\n", "            pass\n"),),
        (f"{PRICING}::test_a_profile_where_a_token_is_redeemed_for_more_than_it_costs_is_refused",),
    ),
    PlantedBug(
        "a price is rounded down",
        (Edit("fiatrails/kernel/money.py", "-(-amount * numerator // ", "(amount * numerator // "),),
        (f"{PRICING}::test_what_is_paid_is_never_less_than_what_the_feed_says_the_coin_is_worth",),
    ),
    PlantedBug(
        "the daily limit is given back each time that a purchase ends",
        (Edit("fiatrails/purchases/daily_limit.py", "        purchase.limit_day = None\n    Purchase.objects.filter(",
              "    Purchase.objects.none().filter("),),
        (f"{LIMIT}::test_a_purchase_that_expired_was_paid_late_and_refunded_gives_back_once",),
    ),
    PlantedBug(
        "late money that is accepted takes from no day",
        (Edit("fiatrails/purchases/decisions.py", "        daily_limit.take_again(purchase, now=now)\n", ""),),
        (f"{LIMIT}::test_late_money_that_is_accepted_takes_from_the_day_of_its_acceptance",),
    ),
    PlantedBug(
        "money that went back after the mint is not told",
        (Edit("fiatrails/purchases/payments/late_returns.py", "        _book_loss(event, request, now)\n"
              "        _alarm(event, f\"{refunds.WENT_BACK}, and the intent is minted: "
              "recover {_money(request)} from the payer\", now)\n", ""),),
        (f"{RETURNS}::test_money_that_went_back_after_the_mint_is_told_and_booked_as_a_loss",),
    ),
    PlantedBug(
        "what the provider sent back after all is paid back elsewhere too",
        (Edit("fiatrails/purchases/payments/refunds.py",
              "    if all_went_back(purchase):\n        raise", "    if False:\n        raise"),),
        (f"{RETURNS}::test_what_the_provider_sent_back_after_all_is_not_paid_back_elsewhere_too",),
    ),
    PlantedBug(
        "permanent letters end the retries of others",
        (Edit("fiatrails/operations/replay.py", "limit=None)", "limit=1_000)"),
         Edit("fiatrails/operations/replay.py", 'open_items(error_class="temporary")', "open_items()")),
        ("tests/integration/operations/test_replay.py"
         "::test_a_thousand_letters_that_need_a_person_do_not_end_the_retries_of_others",),
    ),
    PlantedBug(
        "a node of another chain is believed",
        (Edit("fiatrails/chains/evm/pool.py", "        if served != self._chain_id:", "        if False:"),),
        (f"{POOL}::test_an_endpoint_that_serves_another_chain_is_passed_over_until_it_serves_ours",),
    ),
    PlantedBug(
        "each read of a reply has its own timeout, and the reply none",
        (Edit("fiatrails/kernel/exchange.py", "    left = _deadline.get() - time.monotonic()\n",
              "    left = _UNLIMITED\n"),),
        (f"{REPLIES}::test_a_provider_that_drips_ends_at_the_deadline_too",),
    ),
    PlantedBug(
        "what cannot be paid for stays in its unsigned slot",
        (
            Edit("fiatrails/chains/evm/submitter/unsigned.py",
                 'lacking = budget.lacking(place.amount) if budget is not None else ""', 'lacking = ""'),
        ),
        (f"{LANE_WAITING}::test_coins_that_vanish_after_the_nonce_was_taken_stop_nobody_behind",),
    ),
    PlantedBug(
        "orders in flight are not counted off the treasury",
        (Edit("fiatrails/chains/evm/submitter/funds.py", "            budget.promised += int(amount)\n",
              "            pass\n"),),
        (f"{LANE_WAITING}::test_what_is_mined_and_not_read_yet_is_not_spent_twice",),
    ),
    PlantedBug(
        "orders are claimed although a lane holds",
        (Edit("fiatrails/engine/queue.py", "        most = min(most, queue.room(tools))\n", "        pass\n"),),
        (f"{WAITING}::test_who_waits_for_a_lane_that_holds_causes_no_write_and_goes_on_in_order",),
    ),
)  # fmt: skip
