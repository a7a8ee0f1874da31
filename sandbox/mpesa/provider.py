"""Describe M-PESA to the kit: its routes, its errors, and what it takes up after a restart."""

from collections.abc import Callable, Mapping

from sandbox.kit.messages import Refusal, Request
from sandbox.kit.provider import Provider
from sandbox.kit.router import Routes
from sandbox.mpesa.control import Control
from sandbox.mpesa.customers import Customers
from sandbox.mpesa.daraja import Daraja
from sandbox.mpesa.gateway import Gateway
from sandbox.mpesa.refusals import daraja_refusal, spike_arrest
from sandbox.mpesa.tokens import require_token
from sandbox.mpesa.world import World


class Mpesa(Provider):
    """One M-PESA: its API, its customers and its gateway."""

    def __init__(self, world: World) -> None:
        self._shortcode = world.config.shortcode
        self._book = world.book
        self._tokens = world.tokens
        self._customers = Customers(world)
        self._gateway = Gateway(world)
        self._daraja = Daraja(world, self._customers)
        self._control = Control(world, self._customers, self._gateway)

    def routes(self) -> Routes:
        """Return the API of Daraja."""
        return {
            ("GET", "/oauth/v1/generate"): self._daraja.token,
            ("POST", "/mpesa/stkpush/v1/processrequest"): self._daraja.stk_push,
            ("POST", "/mpesa/stkpushquery/v1/query"): self._daraja.stk_query,
            ("POST", "/mpesa/c2b/v2/registerurl"): self._daraja.register_urls,
            ("POST", "/mpesa/transactionstatus/v1/query"): self._daraja.transaction_status,
            ("POST", "/mpesa/reversal/v1/request"): self._daraja.reversal,
            ("POST", "/mpesa/b2c/v3/paymentrequest"): self._daraja.payout,
        }

    def controls(self) -> Routes:
        """Return the endpoints for the book, the customers and the gateway."""
        return {
            ("GET", "/_sandbox/book"): self._control.book,
            ("GET", "/_sandbox/public-key"): self._control.public_key,
            ("POST", "/_sandbox/revoke-tokens"): self._control.revoke_tokens,
            ("POST", "/_sandbox/stk"): self._control.stk,
            ("POST", "/_sandbox/stk-answer"): self._control.stk_answer,
            ("POST", "/_sandbox/pay"): self._control.pay,
            ("POST", "/_sandbox/gateway-pay"): self._control.gateway_pay,
        }

    def no_route(self, request: Request, methods: list[str]) -> Refusal:
        """Return Daraja's error for an unknown path or method."""
        if methods:
            return daraja_refusal(405, "405.001", f"{request.method} Method Not Allowed")
        return daraja_refusal(404, "404.001.01", "Resource not found")

    def authorize(self, request: Request) -> None:
        """Refuse a request without a valid token, unless it asks for one."""
        if not request.path.startswith("/oauth/"):
            require_token(self._tokens, request)

    def errors(self) -> Mapping[str, Callable[[], Refusal]]:
        """Return the spike arrest."""
        return {"spikeArrest": spike_arrest}

    def about(self) -> Mapping[str, str]:
        """Return the pay bill number."""
        return {"shortcode": self._shortcode}

    def resume(self) -> None:
        """Let the customers of open pushes answer, and resend the notices that nobody accepted."""
        for push in self._book.open_pushes():
            self._customers.take_up(push)
        self._gateway.resume()
