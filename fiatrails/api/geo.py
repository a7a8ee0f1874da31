"""Requests from countries that are not served here are refused before anything else looks at them."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network

import structlog
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from fiatrails.api.errors import GeoRestricted, error_response
from fiatrails.compliance.geo.countries import locate
from fiatrails.compliance.geo.gate import rules_in_force, source_in_force
from fiatrails.compliance.geo.policy import GeoVerdict, decide
from fiatrails.kernel.client_address import client_ip, network_of
from fiatrails.kernel.conf import profile
from fiatrails.kernel.metrics import geo_refusals
from fiatrails.kernel.networks import Address

log = structlog.get_logger(__name__)
# Open for everybody: what watches us, what describes us, and what providers tell us. A provider's money has moved
# already, wherever its servers are, so what it says is stored. Everything else is restricted, also what is added later.
_EXEMPT = re.compile(
    r"/(?:health/|(?:api/v1/)?(?:health|metrics|callbacks/.+)|api/webhooks/.+|(?:static|admin)(?:/.*)?"
    r"|api/v1/(?:schema|docs)/?)",
    re.ASCII | re.DOTALL,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class GeoRestriction:
    """403 `geo_restricted` by the country of the client's address; headers in which a client names its own country are
    not looked at. Not in the way of any request while nothing is restricted: it takes itself out at the start."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        rules = rules_in_force()
        if rules is None:
            raise MiddlewareNotUsed
        self._rules = rules
        self._countries = source_in_force()
        self._exempt_networks = tuple(ip_network(network) for network in profile().geo.exemptions)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _EXEMPT.fullmatch(request.path_info):
            return self._get_response(request)
        address = client_ip(request)
        if address is not None and any(address in network for network in self._exempt_networks):
            return self._get_response(request)
        verdict = decide(ip_country=locate(address, self._countries), rules=self._rules)
        return self._get_response(request) if verdict.allowed else _refuse(request, address, verdict)


def _refuse(request: HttpRequest, address: Address | None, verdict: GeoVerdict) -> HttpResponse:
    """Log and answer a refusal. The log line has a bounded size and nothing in it that the client wrote: not the path
    (tokens stand there), no header; of the address its network, which tells where from and not who."""
    geo_refusals.labels(code=verdict.code).inc()
    log.warning(
        "geo.refused", code=verdict.code, country=verdict.country, network=network_of(address), method=_method(request)
    )
    return error_response("geo_restricted", verdict.reason, 403, shape=GeoRestricted, country=verdict.country)


def _method(request: HttpRequest) -> str:
    return str(request.method) if request.method in _METHODS else "other"
