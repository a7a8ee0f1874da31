"""Puts the parts of a simulator together."""

from sandbox.mpesa.config import Config
from sandbox.mpesa.control import Control
from sandbox.mpesa.customers import Customers
from sandbox.mpesa.daraja import Daraja
from sandbox.mpesa.gateway import Gateway
from sandbox.mpesa.server import Dispatcher, Routes, Server
from sandbox.mpesa.world import World


class Simulator:
    """One M-PESA: its book is read at the start, and what was under way is taken up again."""

    def __init__(self, config: Config) -> None:
        self._world = World.open(config)
        self._customers = Customers(self._world)
        self._gateway = Gateway(self._world)
        daraja = Daraja(self._world, self._customers)
        control = Control(self._world, self._customers, self._gateway)
        dispatcher = Dispatcher(_routes(daraja, control), self._world.faults, self._world.tokens)
        self._server = Server((config.host, config.port), dispatcher)

    def run(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._world.scheduler.start()
        for push in self._world.book.open_pushes():
            self._customers.take_up(push)
        self._gateway.resume()
        self._server.serve_forever(poll_interval=0.05)
        self._server.server_close()

    def stop(self) -> None:
        """End `run`; the journal already holds everything that matters."""
        self._server.shutdown()


def _routes(daraja: Daraja, control: Control) -> Routes:
    return {
        ("GET", "/oauth/v1/generate"): daraja.token,
        ("POST", "/mpesa/stkpush/v1/processrequest"): daraja.stk_push,
        ("POST", "/mpesa/stkpushquery/v1/query"): daraja.stk_query,
        ("POST", "/mpesa/c2b/v2/registerurl"): daraja.register_urls,
        ("POST", "/mpesa/transactionstatus/v1/query"): daraja.transaction_status,
        ("POST", "/mpesa/reversal/v1/request"): daraja.reversal,
        ("POST", "/mpesa/b2c/v3/paymentrequest"): daraja.payout,
        ("GET", "/_sandbox/health"): control.health,
        ("GET", "/_sandbox/book"): control.book,
        ("GET", "/_sandbox/deliveries"): control.deliveries,
        ("GET", "/_sandbox/public-key"): control.public_key,
        ("GET", "/_sandbox/faults"): control.show_faults,
        ("POST", "/_sandbox/faults"): control.set_faults,
        ("DELETE", "/_sandbox/faults"): control.clear_faults,
        ("POST", "/_sandbox/revoke-tokens"): control.revoke_tokens,
        ("POST", "/_sandbox/stk"): control.stk,
        ("POST", "/_sandbox/stk-answer"): control.stk_answer,
        ("POST", "/_sandbox/pay"): control.pay,
        ("POST", "/_sandbox/gateway-pay"): control.gateway_pay,
    }
