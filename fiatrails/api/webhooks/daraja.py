"""Daraja's native callbacks, under a prefix that carries the unguessable token.

Safaricom signs nothing. A caller has to come from an allowed address and know the token; without either it gets the
answer of an address that does not exist. What it then says is stored, and credited only after the provider confirmed
it. Native callbacks are stored in degraded mode too: nothing is known of the provider sending them again.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache, wraps
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from fiatrails.api.bodies import raw_body
from fiatrails.api.clock import CLOCK
from fiatrails.api.errors import not_found
from fiatrails.api.plain import json_response, require_method
from fiatrails.controls.modes import ModeName, in_force
from fiatrails.kernel import metrics
from fiatrails.kernel.client_address import client_address
from fiatrails.kernel.errors import FiatRailsError, Unavailable
from fiatrails.providers.core.inbox import Recorded
from fiatrails.providers.mpesa import callbacks, confirmations
from fiatrails.providers.mpesa.config import mpesa_config
from fiatrails.providers.mpesa.requests import settle_result
from fiatrails.purchases.payments.counting import PURCHASES

log = structlog.get_logger(__name__)
ACCEPTED = {"ResultCode": "0", "ResultDesc": "Accepted"}
_REJECTIONS = {
    "C2B00012": "Invalid Account Number",
    "C2B00013": "Invalid Amount",
    "C2B00015": "Invalid Shortcode",
}
_METRIC_LABELS = {
    Recorded.NEW: "accepted",
    Recorded.SEEN: "duplicate",
    Recorded.RECEIPT_SEEN: "duplicate",
    Recorded.CONFLICT: "conflict",
}
_SERVER_ERROR = 500
View = Callable[..., HttpResponse]
# (raw body, reference from the address) -> the word for the metrics, or the code of a rejection.
Handler = Callable[[bytes, str], str]


def _callback(source: str) -> Callable[[Handler], View]:
    """Wrap a handler into the view of a callback: check sender and size, make one domain call, answer Daraja after
    COMMIT."""
    for word in ("accepted", "duplicate", "conflict", "rejected", "failed"):
        metrics.callbacks.labels(source, word)

    def decorate(handle: Handler) -> View:
        post_only = require_method("POST")(_answer_view(source, handle))

        @csrf_exempt
        @wraps(handle)
        def view(request: HttpRequest, token: str, reference: str = "") -> HttpResponse:
            if not _is_known(request, token):
                return not_found(request, Http404())
            return post_only(request, reference)

        return view

    return decorate


def _answer_view(source: str, handle: Handler) -> View:
    def answer(request: HttpRequest, reference: str) -> HttpResponse:
        try:
            word = _handle(request, reference, handle)
        except FiatRailsError as error:
            metrics.callbacks.labels(source, "failed" if error.status >= _SERVER_ERROR else "rejected").inc()
            raise
        metrics.callbacks.labels(source, "rejected" if word in _REJECTIONS else word).inc()
        if word in _REJECTIONS:
            return json_response({"ResultCode": word, "ResultDesc": _REJECTIONS[word]})
        return json_response(ACCEPTED)

    return answer


def _handle(request: HttpRequest, reference: str, handle: Handler) -> str:
    raw = raw_body(request)
    if ModeName.READ_ONLY in in_force(now=CLOCK.now()):
        raise Unavailable("read_only", "writes are switched off for now; send it again later", retry_after=60)
    return handle(raw, reference)


@_callback("mpesa_stk")
def stk(raw: bytes, reference: str) -> str:
    """Record what became of a push."""
    callback = callbacks.parse_stk(raw)
    return _METRIC_LABELS[
        confirmations.record_stk(callback=callback, reference=reference, purchases=PURCHASES, now=CLOCK.now()).status
    ]


@_callback("mpesa_c2b_validation")
def c2b_validation(raw: bytes, _reference: str) -> str:
    """Say whether a payment to the paybill may be made: two reads and an answer, far below the eight seconds given."""
    return confirmations.validate_c2b(payment=callbacks.parse_c2b(raw), purchases=PURCHASES) or "accepted"


@_callback("mpesa_c2b")
def c2b_confirmation(raw: bytes, _reference: str) -> str:
    """Record that a payment to the paybill was made."""
    return _METRIC_LABELS[
        confirmations.record_c2b(payment=callbacks.parse_c2b(raw), purchases=PURCHASES, now=CLOCK.now()).status
    ]


@_callback("mpesa_result")
def result(raw: bytes, reference: str) -> str:
    """Settle a status query or a reversal by its result. An unknown reference gets Daraja's usual answer: it would only
    be sent again, and tells a guesser nothing."""
    known = settle_result(reference=reference, parsed=callbacks.parse_result(raw), now=CLOCK.now())
    return "accepted" if known else "duplicate"


@_callback("mpesa_timeout")
def timeout(raw: bytes, reference: str) -> str:
    """Record that a request waited too long in M-PESA's queue; that is no failure."""
    known = settle_result(reference=reference, parsed=callbacks.parse_timeout(raw), now=CLOCK.now())
    return "accepted" if known else "duplicate"


def _is_known(request: HttpRequest, token: str) -> bool:
    """Whether the source is allowed and the token right; both are always looked at, so time tells nothing."""
    mpesa = mpesa_config()
    expected = mpesa.callback_token.get_secret_value()
    right = hmac.compare_digest(token.encode(), expected.encode()) and expected != ""
    allowed = _is_allowed(client_address(request), mpesa.allowed_sources)
    if not (right and allowed):
        log.warning("callback.refused", token_right=right, source_allowed=allowed)
    return right and allowed


def _is_allowed(source: str, allowed: tuple[str, ...]) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(allowed))


@lru_cache(maxsize=8)
def _networks(allowed: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the allowed networks. A malformed entry stops every callback: better than letting one in by mistake."""
    return tuple(ip_network(entry, strict=False) for entry in allowed)


urlpatterns = [
    path("stk", stk),
    path("stk/<str:reference>", stk),
    path("c2b/validation", c2b_validation),
    path("c2b/confirmation", c2b_confirmation),
    path("result/<str:reference>", result),
    path("timeout/<str:reference>", timeout),
]
