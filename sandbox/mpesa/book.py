"""Keep the money book: what customers really paid and really got back, whatever callbacks said."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.kit.book import Book
from sandbox.kit.journal import Event, Journal
from sandbox.mpesa.money import shillings
from sandbox.mpesa.records import Payment, Payout, Push, Reversal, Urls, money_view, payment_view, push_view


@dataclass
class _State:
    payments: dict[str, Payment] = field(default_factory=dict)
    reversals: dict[str, Reversal] = field(default_factory=dict)
    payouts: dict[str, Payout] = field(default_factory=dict)
    pushes: dict[str, Push] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    urls: dict[str, Urls] = field(default_factory=dict)
    unacknowledged: set[str] = field(default_factory=set)
    receipts: set[str] = field(default_factory=set)
    balances: dict[str, int] = field(default_factory=dict)

    def add_to_balance(self, shortcode: str, cents: int) -> None:
        self.balances[shortcode] = self.balances.get(shortcode, 0) + cents


class MoneyBook(Book):
    """Payments, reversals, payouts and pushes, the C2B URLs, and the notices that nobody accepted yet."""

    def __init__(self, journal: Journal) -> None:
        self._state = _State()
        super().__init__(journal)

    def add_push(self, push: Push) -> None:
        """Record a push that was acknowledged."""
        self._record({"event": "push", **asdict(push)})

    def fail_push(self, checkout_id: str, code: int) -> None:
        """Record that the customer did not pay; raise AlreadyDone for a push that was answered."""
        outcome = {"event": "push_failed", "checkout_id": checkout_id, "code": code}
        self._record(outcome, unless=lambda: checkout_id in self._state.outcomes)

    def add_payment(self, payment: Payment) -> None:
        """Record money paid; raise AlreadyDone when the receipt or the push was paid before."""

        def taken() -> bool:
            return payment.receipt in self._state.receipts or payment.checkout_id in self._state.outcomes

        self._record({"event": "payment", **asdict(payment)}, unless=taken)

    def add_reversal(self, reversal: Reversal) -> None:
        """Record money returned; raise AlreadyDone when the payment was reversed before."""
        original = reversal.original_receipt
        self._record({"event": "reversal", **asdict(reversal)}, unless=lambda: original in self._state.reversals)

    def add_payout(self, payout: Payout) -> None:
        """Record money sent; raise AlreadyDone when its OriginatorConversationID was paid before."""
        key = payout.originator_id
        self._record({"event": "payout", **asdict(payout)}, unless=lambda: key in self._state.payouts)

    def set_urls(self, urls: Urls) -> None:
        """Record the callback URLs of a shortcode."""
        self._record({"event": "urls", **asdict(urls)})

    def acknowledge(self, receipt: str) -> None:
        """Record that the receiver accepted a gateway notice, so that it is not resent."""
        self._record({"event": "acknowledged", "receipt": receipt})

    def payment(self, receipt: str) -> Payment | None:
        """Return the payment of a receipt."""
        with self._lock:
            return self._state.payments.get(receipt)

    def reversal_of(self, receipt: str) -> Reversal | None:
        """Return the reversal of a payment."""
        with self._lock:
            return self._state.reversals.get(receipt)

    def movement(self, key: str) -> Payment | Reversal | Payout | None:
        """Return money that moved, by its receipt or by the OriginatorConversationID of its request."""
        with self._lock:
            if key in self._state.payments:
                return self._state.payments[key]
            moved: list[Reversal | Payout] = [*self._state.reversals.values(), *self._state.payouts.values()]
            return next((m for m in moved if key in (m.receipt, m.originator_id)), None)

    def push(self, checkout_id: str) -> tuple[Push, int | None] | None:
        """Return a push and its result code, which is None while the customer thinks."""
        with self._lock:
            push = self._state.pushes.get(checkout_id)
            return None if push is None else (push, self._state.outcomes.get(checkout_id))

    def urls(self, shortcode: str) -> Urls | None:
        """Return the registered C2B URLs of a shortcode."""
        with self._lock:
            return self._state.urls.get(shortcode)

    def is_taken(self, identifier: str) -> bool:
        """Return whether a receipt or checkout id was already given out."""
        with self._lock:
            return identifier in self._state.receipts or identifier in self._state.pushes

    def open_pushes(self) -> list[Push]:
        """Return the pushes still waiting for a customer who will answer."""
        with self._lock:
            waiting = (p for key, p in self._state.pushes.items() if key not in self._state.outcomes)
            return [push for push in waiting if push.plan is not None]

    def unacknowledged(self) -> list[Payment]:
        """Return the gateway payments whose notice nobody accepted yet."""
        with self._lock:
            return [self._state.payments[receipt] for receipt in sorted(self._state.unacknowledged)]

    def is_unacknowledged(self, receipt: str) -> bool:
        """Return whether the notice of a gateway payment still waits to be accepted."""
        with self._lock:
            return receipt in self._state.unacknowledged

    def balance(self, shortcode: str) -> int:
        """Return what customers paid to a shortcode, less what was reversed, in cents."""
        with self._lock:
            return self._state.balances.get(shortcode, 0)

    def view(self, *, wanted: Callable[[Payment], bool]) -> dict[str, Any]:
        """Return the book as JSON; `wanted` narrows the payments and, with them, their reversals."""
        with self._lock:
            state = self._state
            payments = [p for p in state.payments.values() if wanted(p)]
            chosen = {p.receipt for p in payments}
            reversals = [r for r in state.reversals.values() if r.original_receipt in chosen]
            payouts = list(state.payouts.values())
            pushes = [push_view(p, state.outcomes.get(p.checkout_id)) for p in state.pushes.values()]
            waiting = [r for r in state.unacknowledged if r in chosen]
        return {
            "payments": [payment_view(p, p.receipt in waiting) for p in payments],
            "reversals": [money_view(r) for r in reversals],
            "payouts": [money_view(p) for p in payouts],
            "pushes": pushes,
            "totals": {
                "paid": shillings(sum(p.cents for p in payments)),
                "returned": shillings(sum(r.cents for r in reversals)),
                "paidOut": shillings(sum(p.cents for p in payouts)),
            },
        }

    def _apply(self, event: Event) -> None:
        kind, values = event["event"], {k: v for k, v in event.items() if k != "event"}
        match kind:
            case "push":
                self._state.pushes[values["checkout_id"]] = Push(**values)
            case "push_failed":
                self._state.outcomes[values["checkout_id"]] = values["code"]
            case "payment":
                self._apply_payment(Payment(**values))
            case "reversal":
                self._apply_reversal(Reversal(**values))
            case "payout":
                self._state.payouts[values["originator_id"]] = Payout(**values)
                self._state.receipts.add(values["receipt"])
            case "urls":
                self._state.urls[values["shortcode"]] = Urls(**values)
            case "acknowledged":
                self._state.unacknowledged.discard(values["receipt"])
            case _:
                raise ValueError(f"the journal holds an unknown event: {kind}")

    def _apply_payment(self, payment: Payment) -> None:
        self._state.payments[payment.receipt] = payment
        self._state.receipts.add(payment.receipt)
        self._state.add_to_balance(payment.shortcode, payment.cents)
        if payment.checkout_id:
            self._state.outcomes[payment.checkout_id] = 0
        if payment.notice is not None:
            self._state.unacknowledged.add(payment.receipt)

    def _apply_reversal(self, reversal: Reversal) -> None:
        self._state.reversals[reversal.original_receipt] = reversal
        self._state.receipts.add(reversal.receipt)
        shortcode = self._state.payments[reversal.original_receipt].shortcode
        self._state.add_to_balance(shortcode, -reversal.cents)
