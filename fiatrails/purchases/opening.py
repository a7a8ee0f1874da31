"""Opening purchases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from fiatrails.chains.registry import default_chain
from fiatrails.compliance.sanctions import payers
from fiatrails.compliance.sanctions.payers import Identity
from fiatrails.controls.modes import Flow, check
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Conflict, Unprocessable
from fiatrails.kernel.money import Money
from fiatrails.kernel.profile import CountryProfile, Profile
from fiatrails.purchases import daily_limit
from fiatrails.purchases.deliveries import reference_text
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.payments import matching
from fiatrails.purchases.prices import rate_in_force
from fiatrails.purchases.pricing import Rate, price_of, require_fair
from fiatrails.purchases.states import State
from fiatrails.purchases.store import Step, record_steps


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One more recipient of a purchase: `amount` base units of `asset`."""

    recipient: str
    amount: int
    asset: str


@dataclass(frozen=True, slots=True)
class NewPurchase:
    """What a client asks for. `price`: what the client says that it costs, within tolerance; None: what it costs.
    `payer`: who stands behind the wallet, as far as the client says. `further`: what the same price pays for besides;
    `price` is given then."""

    user: str
    amount: int
    country_code: str
    tx_ref: str
    price: Money | None = None
    payer: Identity | None = None
    further: tuple[NewDelivery, ...] = ()


def create_purchase(*, request: NewPurchase, client: str, now: datetime) -> Purchase:
    """Store a new purchase and apply payments for its txRef that came first.

    Raises BadInput (also for a price that is not fair), Unprocessable (limits), Unavailable while there is no price,
    Conflict (`tx_ref_used`, with the existing id when it is this client's).
    """
    check(Flow.CREATE_INTENT, now=now)
    purchase = _build(request, client, now, config().profile)
    with transaction.atomic():
        # A callback for this txRef may be committing right now; whoever holds the lock goes first, the other sees it.
        matching.lock_tx_refs([request.tx_ref])
        existing = Purchase.objects.filter(tx_ref=request.tx_ref).first()
        if existing is not None:
            raise _tx_ref_used(existing, client)
        daily_limit.take(purchase, now=now)
        purchase.save(force_insert=True)
        Delivery.objects.bulk_create(purchase.parts)
        if request.payer is not None:
            payers.record(request.payer, user=purchase.delivery.recipient, actor=client, now=now)
        record_steps([Step(purchase.intent_id, purchase.state, client)], now=now)
        matching.apply_waiting(purchase, now=now)
    return Purchase.objects.get(pk=purchase.pk)


def _build(request: NewPurchase, client: str, now: datetime, profile: Profile) -> Purchase:
    country = profile.country(request.country_code)
    if country is None:
        known = ", ".join(c.country_code for c in profile.countries)
        raise BadInput("unknown_country", f"countryCode is not served here; known: {known}")
    rate = rate_in_force(country, now=now)
    price = _price(request, country, rate)
    parts = _deliveries(request, profile)
    purchase = Purchase(
        intent_id=parts[0].reference,
        tx_ref=request.tx_ref,
        client=client,
        fiat_currency=price.currency,
        fiat_expected=price.minor,
        price_rate=rate.minor_units,
        price_source=rate.source,
        state=State.AWAITING_PAYMENT.value,
        created_at=now,
        expires_at=now + timedelta(seconds=profile.timeouts.intent_expiry_s),
        due_at=now + timedelta(seconds=profile.timeouts.intent_expiry_s),
    )
    purchase.parts = parts
    for delivery in parts:
        delivery.purchase = purchase
    return purchase


def _price(request: NewPurchase, country: CountryProfile, rate: Rate) -> Money:
    """Return what is to be paid: the price at this rate, or the client's where it is near enough."""
    if request.price is None:
        if request.further:
            raise BadInput("price_required", "a purchase of several deliveries names its price")
        return price_of(request.amount, country, rate)
    if request.price.currency != country.currency:
        raise BadInput("wrong_currency", f"fiatAmount must be in {country.currency} for {country.country_code}")
    if request.price.minor == 0:
        raise BadInput("zero_amount", "fiatAmount must be positive")
    if any(more.asset != country.country_code for more in request.further):
        raise BadInput("mixed_tokens", "one price pays for tokens of one country")
    whole = request.amount + sum(more.amount for more in request.further)
    require_fair(request.price, whole, country, rate)
    return request.price


def _deliveries(request: NewPurchase, profile: Profile) -> list[Delivery]:
    """Return the deliveries, not saved and without their purchase yet."""
    found = []
    first = NewDelivery(request.user, request.amount, request.country_code)
    for position, wanted in enumerate((first, *request.further)):
        _check_limits(wanted.amount, profile)
        made = default_chain().prepare(
            recipient=wanted.recipient, asset=wanted.asset, tx_ref=reference_text(request.tx_ref, position)
        )
        found.append(
            Delivery(
                position=position,
                chain=made.chain,
                recipient=made.recipient,
                asset=made.asset,
                amount=Decimal(wanted.amount),
                reference=made.reference,
            )
        )
    return found


def _check_limits(amount: int, profile: Profile) -> None:
    if amount < profile.limits.min_mint:
        raise Unprocessable("below_minimum", f"amount is below the minimum of {profile.limits.min_mint} base units")
    if amount > profile.limits.max_mint:
        raise Unprocessable("above_maximum", f"amount is above the maximum of {profile.limits.max_mint} base units")


def _tx_ref_used(existing: Purchase, client: str) -> Conflict:
    mine = existing.intent_id if existing.client == client else None
    return Conflict("tx_ref_used", "txRef belongs to an existing intent; use a new txRef", existing=mine)
