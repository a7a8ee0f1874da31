"""Walks the core path once per boundary and kills it there: `python -m tests.chaos.crash_driver --users FILE ...`.

The parent never opens a connection; every walk, recovery and check is a child of its own (fork), so that a SIGKILL
takes exactly one process, as in life. The chain mines only when the walk says so, which makes the walk repeatable and
the numbering of its boundaries stable.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import django

django.setup()

from django.db import connection  # noqa: E402 - Django must be set up first

from fiatrails.chains.core.pool import default_pool  # noqa: E402
from fiatrails.chains.core.signer import TransactionFields  # noqa: E402
from fiatrails.controls import dead_letters  # noqa: E402
from fiatrails.kernel.conf import profile  # noqa: E402
from fiatrails.kernel.errors import Conflict  # noqa: E402
from fiatrails.kernel.money import Money  # noqa: E402
from fiatrails.operations import worker  # noqa: E402
from fiatrails.operations.invariants import check_books, check_chain  # noqa: E402
from fiatrails.providers.core.events import PaymentEvent  # noqa: E402
from fiatrails.purchases.models import Intent  # noqa: E402
from fiatrails.purchases.operations.intents import NewIntent, create_intent  # noqa: E402
from fiatrails.purchases.operations.payments import record_payments  # noqa: E402
from tests.chaos.boundaries import Boundaries, How, install  # noqa: E402

MAX_PASSES = 60
TOKEN = 10**18


@dataclass(slots=True)
class ShiftedClock:
    """The machine's clock, moved forward: each run starts after every lease of the one before has lapsed."""

    shift: timedelta

    def now(self) -> datetime:
        """Now, shifted."""
        return datetime.now(UTC) + self.shift


def mine() -> None:
    """One block, by a request of its own that no boundary counts."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []}).encode()
    with urlopen(Request(profile().rpc_urls[0], body, {"content-type": "application/json"}), timeout=10) as answer:
        answer.read()


def walk(tx_ref: str, user: str, clock: ShiftedClock, errors: list[str] | None = None) -> None:
    """The core path from order to final mint; every step may be repeated, as clients, providers and workers do."""
    steps: list[Callable[[], object]] = [lambda: _order(tx_ref, user, clock), lambda: _pay(tx_ref, clock)]
    for step in steps:
        _insist(step, errors)
    for _ in range(MAX_PASSES):
        _insist(lambda: worker.advance_pass(clock=clock), errors)
        _insist(lambda: worker.lane_pass(clock=clock, holder=f"crash-driver:{os.getpid()}"), errors)
        mine()
        if Intent.objects.filter(tx_ref=tx_ref, state="executed").exists():
            return
        if errors is not None:
            clock.shift += timedelta(seconds=2)
    raise AssertionError(f"{tx_ref} is {Intent.objects.get(tx_ref=tx_ref).state} after {MAX_PASSES} passes")


def _insist(step: Callable[[], object], errors: list[str] | None) -> None:
    """Where faults other than death are injected, the step is tried again, as its caller would."""
    if errors is None:
        step()
        return
    for _ in range(3):
        try:
            step()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            connection.close()
            continue
        return


def _order(tx_ref: str, user: str, clock: ShiftedClock) -> None:
    request = NewIntent(user=user, amount=10 * TOKEN, country_code="KES", tx_ref=tx_ref)
    try:
        create_intent(request=request, client="default", now=clock.now())
    except Conflict as error:
        assert error.code == "tx_ref_used", error


def _pay(tx_ref: str, clock: ShiftedClock) -> None:
    event = PaymentEvent(
        provider="mpesa", channel="gateway", event_key=f"gateway:{tx_ref}", receipt=tx_ref, tx_ref=tx_ref,
        paid=Money("KES", 1000), phone="254712345678", occurred_at=None, raw=b"{}", trusted=True,
    )  # fmt: skip
    record_payments([event], now=clock.now())


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a fork; returns its wait status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def check(tx_ref: str) -> None:
    """After recovery: executed, every invariant of the books holds, nothing in the dead letters."""
    intent = Intent.objects.get(tx_ref=tx_ref)
    assert intent.state == "executed", intent
    assert not (findings := check_books()), findings
    assert dead_letters.depth() == 0, dead_letters.list_open()


def count_boundaries(user: str, clock: ShiftedClock) -> list[str]:
    """Walks undisturbed in a child and returns the labels it crossed."""
    read, write = os.pipe()

    def work() -> None:
        boundaries = Boundaries()
        install(boundaries)
        walk("CRASH-COUNT", user, clock)
        with os.fdopen(write, "w") as pipe:
            json.dump(boundaries.labels, pipe)

    status = in_child(work)
    os.close(write)
    assert status == 0, "the undisturbed walk failed"
    with os.fdopen(read) as pipe:
        labels: list[str] = json.load(pipe)
    return labels


def strike(number: int, how: How, user: str, clock: ShiftedClock) -> bool:
    """One walk struck at one boundary, then a recovery by a fresh process. Returns whether the process was killed."""
    tx_ref = f"CRASH-{number}-{how.name}"

    def struck() -> None:
        install(Boundaries(target=number, how=how))
        walk(tx_ref, user, clock, errors=None if how in (How.KILL_BEFORE, How.KILL_AFTER) else [])

    def recover() -> None:
        walk(tx_ref, user, ShiftedClock(clock.shift + timedelta(seconds=120)))
        check(tx_ref)

    status = in_child(struck)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or status == 0, f"the walk struck at {number} ({how}) failed in another way"
    assert killed == (how in (How.KILL_BEFORE, How.KILL_AFTER)), f"{number} ({how}) was not struck"
    assert in_child(recover) == 0, f"no recovery after boundary {number} ({how})"
    clock.shift += timedelta(seconds=240)
    return killed


def plan(labels: list[str], only: str) -> Iterator[tuple[int, How]]:
    """Every boundary, before and after; lost replies and errors where an effect and its answer can part."""
    for number, label in enumerate(labels):
        if only and only not in label:
            continue
        yield number, How.KILL_BEFORE
        yield number, How.KILL_AFTER
        if label == "sql COMMIT" or label.startswith("http"):
            yield number, How.LOSE_REPLY
            yield number, How.ERROR


def main() -> int:
    """Counts, strikes, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", required=True)
    parser.add_argument("--only", default="", help="strike only boundaries whose label contains this")
    arguments = parser.parse_args()
    # Unlocking a keystore takes a second of deliberate work; the children inherit the unlocked one.
    for signer in worker.signers().executors:
        signer.sign_transaction(TransactionFields(1, 0, "0x" + "00" * 20, b"", 21_000, 1, 1))
    clock = ShiftedClock(timedelta(0))
    assert in_child(lambda: walk("CRASH-FIRST", arguments.user, clock)) == 0, "the first walk failed"
    labels = count_boundaries(arguments.user, clock)
    clock.shift += timedelta(seconds=240)
    started, kills, strikes = time.monotonic(), 0, 0
    for number, how in plan(labels, arguments.only):
        try:
            kills += strike(number, how, arguments.user, clock)
        except AssertionError as error:
            print(f"FAILED at boundary {number} ({labels[number]}), {how}: {error}", flush=True)
            return 1
        strikes += 1
    assert in_child(_final_check) == 0, "the chain does not agree with the rows"
    seconds = time.monotonic() - started
    print(json.dumps({"boundaries": len(labels), "strikes": strikes, "kills": kills, "seconds": round(seconds, 1)}))
    return 0


def _final_check() -> None:
    findings = check_chain(pool=default_pool())
    assert not findings, findings


if __name__ == "__main__":
    sys.exit(main())
