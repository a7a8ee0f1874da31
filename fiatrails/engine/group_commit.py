"""Group commit: requests that arrive together share one transaction, and each is answered only after its COMMIT.

A single fsync then carries many callbacks. The batch never waits to fill up: whatever queued while the previous
batch was committing is the next batch.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Generic, TypeVar

import structlog

from fiatrails.kernel.errors import Unavailable

log = structlog.get_logger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Runs `commit(items) -> answers` (one per item, in order) on one thread of this process."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        max_batch: int = 64,
        timeout_s: float = 10.0,
        after_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._timeout_s = timeout_s
        self._after_batch = after_batch
        self._queue: queue.SimpleQueue[tuple[Item, Future[Answer]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pid = 0

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return self._queue.qsize()

    def submit(self, item: Item) -> Answer:
        """Block until the item's transaction has committed; raise what `commit` raised for it.

        Unavailable when no answer came in time: the outcome is unknown, the sender resends and dedupe answers.
        """
        self._ensure_thread()
        future: Future[Answer] = Future()
        self._queue.put((item, future))
        try:
            return future.result(self._timeout_s)
        except FutureTimeout:
            raise Unavailable("intake_slow", "could not be stored in time; send it again", retry_after=5) from None

    def _ensure_thread(self) -> None:
        # A forked worker inherits the object without its thread, hence the pid.
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._queue = queue.SimpleQueue()
                threading.Thread(target=self._run, name="group-commit", daemon=True).start()
                self._pid = os.getpid()

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            # Whatever is raised below belongs to whoever waits; the thread outlives it, because nobody else would ever
            # take what comes next.
            try:
                while len(batch) < self._max_batch and not self._queue.empty():
                    batch.append(self._queue.get())
                self._settle(batch)
            except BaseException as error:
                log.exception("group_commit.failed", items=len(batch))
                _refuse(batch, error)
            try:
                self._after_batch()
            except Exception:
                log.exception("group_commit.after_batch_failed")

    def _settle(self, batch: Sequence[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._commit([item for item, _ in batch])
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(answers)} answers to {len(batch)} items")
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the submitter
            if len(batch) == 1:
                _refuse(batch, error)
                return
            # One bad item must not fail its neighbours: each again, alone. Dedupe makes the repeat harmless even
            # when the failed batch did commit and only the reply was lost.
            for single in batch:
                self._settle([single])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle_one(future, answer)


def _settle_one(future: Future[Answer], answer: Answer) -> None:
    # Its submitter may have stopped waiting, which is no reason to keep the others waiting.
    with contextlib.suppress(InvalidStateError):
        future.set_result(answer)


def _refuse(batch: Sequence[tuple[Item, Future[Answer]]], error: BaseException) -> None:
    """Tell everybody of the batch who has no answer yet."""
    for _, future in batch:
        with contextlib.suppress(InvalidStateError):
            future.set_exception(error)
