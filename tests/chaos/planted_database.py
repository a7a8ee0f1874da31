"""Planted bugs of what lies between the rail and its database: poolers, silence, full disks, clocks."""

from __future__ import annotations

from tests.chaos.planting import Edit, PlantedBug

SESSIONS = "tests/integration/engine/test_sessions.py"
HEALTH = "tests/integration/api/test_health.py"

DATABASE_BUGS = (
    PlantedBug(
        "a limit of one client is left to the next one behind the pooler",
        (Edit("fiatrails/engine/postgres/base.py", "SET LOCAL statement_timeout", "SET statement_timeout"),),
        (f"{SESSIONS}::test_a_statement_of_a_transaction_ends_at_the_limit_and_the_next_one_has_none",),
    ),
    PlantedBug(
        "a silent connection is waited for until it speaks",
        (Edit("fiatrails/engine/postgres/driver.py", "super().wait(gen, interval, limit + _GRACE_S)",
              "super().wait(gen, interval, 20)"),),
        ("tests/integration/engine/test_silence.py::test_a_statement_on_a_silent_connection_ends_and_says_so",),
    ),
    PlantedBug(
        "a full disk is healthy while there is room in the pages that are there",
        (Edit("fiatrails/engine/write_trial.py", "        cursor.execute(_TAKE_SPACE)\n", ""),),
        (f"{HEALTH}::test_a_database_that_answers_reads_and_keeps_nothing_is_503",),
    ),
    PlantedBug(
        "any loop's beat is the worker's",
        (Edit("fiatrails/engine/heartbeat.py", 'last[name.partition("@")[0]] = at',
              "last |= dict.fromkeys(WORKER_LOOPS, at)"),),
        (f"{HEALTH}::test_one_loop_that_ended_is_named_however_lively_the_others_are",),
    ),
    PlantedBug(
        "an error outside of the commit ends the thread that stores callbacks",
        (Edit("fiatrails/engine/group_commit.py", "except BaseException as error:", "except KeyError as error:"),
         Edit("fiatrails/engine/group_commit.py", "raise RuntimeError(f", "RuntimeError(f")),
        ("tests/unit/engine/test_group_commit.py"
         "::test_whatever_a_commit_does_its_callers_are_answered_and_the_next_ones_too",),
    ),
    PlantedBug(
        "leases are judged by each machine's own clock",
        (Edit("fiatrails/engine/database_clock.py", "        if measured is None:", "        if True:"),),
        ("tests/integration/engine/test_leases_by_one_clock.py"
         "::test_a_worker_ten_minutes_ahead_takes_nothing_that_another_has_just_claimed",),
    ),
)  # fmt: skip
