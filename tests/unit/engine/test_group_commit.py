"""Group commit: many requests, one transaction, and no answer before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fiatrails.engine.group_commit import GroupCommit
from fiatrails.kernel.errors import Unavailable


def test_nobody_is_answered_before_the_commit() -> None:
    committed = threading.Event()
    release = threading.Event()

    def commit(items: Sequence[int]) -> list[int]:
        release.wait(5)
        committed.set()
        return list(items)

    group: GroupCommit[int, int] = GroupCommit(commit)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(group.submit, 7)
        threading.Event().wait(0.1)
        assert not answer.done()
        release.set()
        assert answer.result(5) == 7
        assert committed.is_set()


def test_what_queued_up_while_a_batch_committed_is_one_batch() -> None:
    sizes: list[int] = []
    first = threading.Event()
    go = threading.Event()

    def commit(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if not first.is_set():
            first.set()
            go.wait(5)
        return [item * 2 for item in items]

    group: GroupCommit[int, int] = GroupCommit(commit)
    with ThreadPoolExecutor(21) as threads:
        head = threads.submit(group.submit, 0)
        assert first.wait(5)
        rest = [threads.submit(group.submit, n) for n in range(1, 21)]
        while group.waiting < 20:
            threading.Event().wait(0.005)
        go.set()
        assert [future.result(5) for future in [head, *rest]] == [n * 2 for n in range(21)]
    assert sizes == [1, 20]


def test_a_bad_item_fails_alone() -> None:
    def commit(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("thirteen")
        return list(items)

    group: GroupCommit[int, int] = GroupCommit(commit)

    def submit(number: int) -> int | str:
        try:
            return group.submit(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(submit, range(20)))
    assert answers == ["thirteen" if n == 13 else n for n in range(20)]


def test_an_answer_that_does_not_come_is_unknown_and_not_a_failure() -> None:
    release = threading.Event()
    group: GroupCommit[int, int] = GroupCommit(lambda items: (release.wait(5), list(items))[1], timeout_s=0.05)
    with pytest.raises(Unavailable):
        group.submit(1)
    release.set()


class Stop(BaseException):
    """What no handler of exceptions catches."""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda items: [], id="too few answers"),
        pytest.param(lambda items: [*items, 0], id="too many answers"),
        pytest.param(lambda items: None, id="no answers"),
        pytest.param(lambda items: (_ for _ in ()).throw(Stop()), id="an exit"),
    ],
)
def test_whatever_a_commit_does_its_callers_are_answered_and_the_next_ones_too(
    fault: Callable[[Sequence[int]], list[int]],
) -> None:
    faulty = threading.Event()
    faulty.set()
    group: GroupCommit[int, int] = GroupCommit(lambda items: fault(items) if faulty.is_set() else list(items))
    with pytest.raises((RuntimeError, TypeError, Stop)):
        group.submit(1)
    faulty.clear()
    assert group.submit(2) == 2


def test_an_error_between_two_batches_does_not_end_the_thread() -> None:
    def after_batch() -> None:
        raise ValueError("of the hook")

    group: GroupCommit[int, int] = GroupCommit(list, after_batch=after_batch, timeout_s=2)
    assert [group.submit(n) for n in range(3)] == [0, 1, 2]


def test_a_caller_that_no_longer_waits_keeps_nobody_waiting() -> None:
    group: GroupCommit[int, int] = GroupCommit(list)
    future: Future[int] = Future()
    group.submit(0)
    future.cancel()
    group._queue.put((1, future))
    assert group.submit(2) == 2
