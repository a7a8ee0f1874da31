"""Send a webhook again and again, until its receiver accepts it."""

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from sandbox.kit.courier import LOST, Courier
from sandbox.kit.scheduler import Scheduler, at_once
from sandbox.kit.wire import Answer


@dataclass(frozen=True)
class Notice:
    """A webhook to repeat until it is accepted, unless `resend` is off.

    `write` returns the body and its headers, anew for every attempt: a signature covers the time. `is_open` says
    whether the notice still waits; `accept` records that an answer had one of the `accepted` statuses.
    """

    kind: str
    key: str
    url: str
    write: Callable[[], tuple[bytes, Mapping[str, str]]]
    is_open: Callable[[], bool]
    accept: Callable[[], None]
    resend: bool = True
    accepted: Container[int | None] = range(200, 300)


class Notices:
    """Sends notices, with the pauses of a provider between attempts; the last pause repeats."""

    def __init__(self, courier: Courier, scheduler: Scheduler, pauses_s: tuple[float, ...]) -> None:
        self._courier = courier
        self._scheduler = scheduler
        self._pauses_s = pauses_s

    def send(self, notice: Notice) -> None:
        """Send the first attempt in the background."""
        self._attempt(notice, 0)

    def send_now(self, notice: Notice) -> list[Answer]:
        """Send the first attempt now and return the answers, one for each copy."""
        if self._courier.is_lost(kind=notice.kind, key=notice.key, url=notice.url):
            return self._conclude(notice, 0, [LOST])
        time.sleep(self._courier.delay_s(notice.kind))
        return self._conclude(notice, 0, self._deliver(notice))

    def resume(self, notice: Notice) -> None:
        """Take up a notice that waited when the process ended: send it after the first pause."""
        self._send_later(notice, 0)

    def _attempt(self, notice: Notice, attempt: int) -> None:
        if self._courier.is_lost(kind=notice.kind, key=notice.key, url=notice.url):
            self._conclude(notice, attempt, [LOST])
        else:
            self._courier.dispatch(notice.kind, lambda: self._conclude(notice, attempt, self._deliver(notice)))

    def _deliver(self, notice: Notice) -> list[Answer]:
        # One body for all copies: a duplicate is the same bytes, arriving at the same time.
        raw, headers = notice.write()
        return at_once(
            self._courier.copies(notice.kind),
            lambda: self._courier.deliver_raw(
                kind=notice.kind, key=notice.key, url=notice.url, raw=raw, headers=headers
            ),
        )

    def _conclude(self, notice: Notice, attempt: int, answers: list[Answer]) -> list[Answer]:
        if any(answer.status in notice.accepted for answer in answers):
            notice.accept()
        else:
            self._send_later(notice, attempt)
        return answers

    def _send_later(self, notice: Notice, attempt: int) -> None:
        if not notice.resend:
            return
        pause_s = self._pauses_s[min(attempt, len(self._pauses_s) - 1)]
        self._scheduler.after(pause_s, lambda: self._attempt(notice, attempt + 1) if notice.is_open() else None)
