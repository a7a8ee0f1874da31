"""Client of Safaricom's Daraja API. Source: providers.md. Calls the configured host only and follows no redirects."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from fiatrails.kernel import exchange
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import BadInput, Misconfigured
from fiatrails.kernel.money import Money, format_minor
from fiatrails.providers.mpesa import answers, fields
from fiatrails.providers.mpesa.answers import Accepted, Answer, Refused, Unknown
from fiatrails.providers.mpesa.config import MpesaConfig, mpesa_config

_MAX_ANSWER_BYTES = 64 * 1024
# A token that has this long to live is fetched anew, so that it cannot run out on the way.
_TOKEN_MARGIN = timedelta(seconds=60)
_FORBIDDEN_IN_URLS = ("mpesa", "safaricom", "exec", "cmd", "sql", "query")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# The connection was never made, so nothing was sent: the only transport errors that decide something.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Daraja:
    """One pool of connections and one access token; safe to share between threads."""

    def __init__(self, config: Config, *, clock: Clock, transport: httpx.BaseTransport | None = None) -> None:
        self._mpesa = mpesa_config(config)
        self._clock = clock
        self._production = config.env not in ("local", "test")
        require_safe_url(mpesa_config(config).base_url, production=self._production)
        self._timeout_s = config.profile.timeouts.provider_ms / 1000
        self._http = exchange.client(
            base_url=mpesa_config(config).base_url,
            timeout_s=self._timeout_s,
            transport=transport,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
        )
        self._lock = threading.Lock()
        self._token = SecretStr("")
        self._token_until: datetime | None = None

    def __repr__(self) -> str:
        return f"Daraja({urlsplit(self._mpesa.base_url).hostname!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def stk_push(
        self, *, amount: Money, phone: str, account_reference: str, description: str, callback_path: str
    ) -> Accepted | Refused | Unknown:
        """Ask the payer's phone for `amount`, which must be whole shillings. Accepted is not paid."""
        timestamp = local_timestamp(self._clock.now())
        body = {
            "BusinessShortCode": self._mpesa.shortcode,
            "Password": push_password(self._mpesa, timestamp),
            "Timestamp": timestamp,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": whole_shillings(amount),
            "PartyA": phone,
            "PartyB": self._mpesa.shortcode,
            "PhoneNumber": phone,
            "CallBackURL": self._callback(callback_path),
            "AccountReference": account_reference[:12],
            "TransactionDesc": description[:13],
        }
        reply = self._post("/mpesa/stkpush/v1/processrequest", body)
        if not isinstance(reply, tuple):
            return reply
        return answers.read_acknowledgement(*reply, "CheckoutRequestID")

    def stk_query(self, *, checkout_id: str) -> Answer | Refused | Unknown:
        """Ask what became of a push."""
        timestamp = local_timestamp(self._clock.now())
        body = {
            "BusinessShortCode": self._mpesa.shortcode,
            "Password": push_password(self._mpesa, timestamp),
            "Timestamp": timestamp,
            "CheckoutRequestID": checkout_id,
        }
        reply = self._post("/mpesa/stkpushquery/v1/query", body)
        return answers.read_push_status(*reply) if isinstance(reply, tuple) else reply

    def transaction_status(self, *, receipt: str, reference: str) -> Accepted | Refused | Unknown:
        """Ask for the state of a payment; the answer comes to the result address of `reference`."""
        body = {
            "Initiator": self._mpesa.initiator_name,
            "SecurityCredential": self._mpesa.security_credential.get_secret_value(),
            "CommandID": "TransactionStatusQuery",
            "TransactionID": receipt,
            "PartyA": self._mpesa.shortcode,
            "IdentifierType": "4",
            "Remarks": "status",
            "Occasion": "",
            **self._result_urls(reference),
        }
        return self._acknowledged("/mpesa/transactionstatus/v1/query", body)

    def reversal(self, *, receipt: str, amount: Money, reference: str) -> Accepted | Refused | Unknown:
        """Ask for a payment to be sent back; the answer comes to the result address of `reference`."""
        body = {
            "Initiator": self._mpesa.initiator_name,
            "SecurityCredential": self._mpesa.security_credential.get_secret_value(),
            "CommandID": "TransactionReversal",
            "TransactionID": receipt,
            "Amount": _shillings(amount),
            "ReceiverParty": self._mpesa.shortcode,
            # The provider's spelling.
            "RecieverIdentifierType": "11",
            "Remarks": "refund",
            "Occasion": "",
            **self._result_urls(reference),
        }
        return self._acknowledged("/mpesa/reversal/v1/request", body)

    def register_c2b_urls(self, *, response_type: str = "Cancelled") -> Accepted | Refused | Unknown:
        """Tell M-PESA where to validate and confirm payments to the paybill. `Cancelled`: a payment is refused when we
        cannot be asked, so nothing is taken that nobody would record."""
        base = self._mpesa.callback_base_url
        if self._production and any(word in base.lower() for word in _FORBIDDEN_IN_URLS):
            raise Misconfigured(
                "mpesa_callbacks",
                f"M-PESA refuses addresses that contain {', '.join(_FORBIDDEN_IN_URLS)}; "
                "give MPESA_CALLBACK_BASE_URL a path without them",
            )
        body = {
            "ShortCode": self._mpesa.shortcode,
            "ResponseType": response_type,
            "ConfirmationURL": self._callback("c2b/confirmation"),
            "ValidationURL": self._callback("c2b/validation"),
        }
        reply = self._post("/mpesa/c2b/v2/registerurl", body)
        return answers.read_registration(*reply) if isinstance(reply, tuple) else reply

    def _acknowledged(self, path: str, body: Mapping[str, object]) -> Accepted | Refused | Unknown:
        reply = self._post(path, body)
        return answers.read_acknowledgement(*reply, "ConversationID") if isinstance(reply, tuple) else reply

    def _callback(self, path: str) -> str:
        token = self._mpesa.callback_token.get_secret_value()
        if not token or not self._mpesa.callback_base_url:
            raise Misconfigured(
                "mpesa_callbacks", "set MPESA_CALLBACK_BASE_URL and MPESA_CALLBACK_TOKEN before calling M-PESA"
            )
        return f"{self._mpesa.callback_base_url}/{token}/{path}"

    def _result_urls(self, reference: str) -> dict[str, str]:
        return {
            "ResultURL": self._callback(f"result/{reference}"),
            "QueueTimeOutURL": self._callback(f"timeout/{reference}"),
        }

    def _post(self, path: str, body: Mapping[str, object]) -> tuple[int, bytes] | Refused | Unknown:
        token = self._access_token()
        if isinstance(token, Refused):
            return token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        try:
            status, content = self._exchange("POST", path, headers=headers, json=dict(body))
        except _NOT_SENT as error:
            return Refused("unreachable", f"no connection: {type(error).__name__}", later=True)
        except httpx.HTTPError as error:
            return Unknown(type(error).__name__)
        if status in (401, 404):
            self._forget(token)
        return status, content

    def _access_token(self) -> SecretStr | Refused:
        """Return the cached token or a new one. Without one nothing was sent, hence a refusal and never an unknown."""
        with self._lock:
            if self._token_until is not None and self._clock.now() < self._token_until:
                return self._token
            return self._fetch_token()

    def _fetch_token(self) -> SecretStr | Refused:
        mpesa = self._mpesa
        auth = httpx.BasicAuth(mpesa.consumer_key, mpesa.consumer_secret.get_secret_value())
        try:
            path = "/oauth/v1/generate?grant_type=client_credentials"
            status, content = self._exchange("GET", path, auth=auth)
        except httpx.HTTPError as error:
            return Refused("oauth", f"no access token: {type(error).__name__}", later=True)
        try:
            body = fields.json_object(content) if status == 200 else {}
        except BadInput:
            body = {}
        token, seconds = fields.words(body.get("access_token"), 4096), fields.words(body.get("expires_in"), 9)
        if not token or not seconds.isdigit():
            return Refused("oauth", f"no access token: HTTP {status}; check the consumer key", later=True)
        self._token = SecretStr(token)
        self._token_until = self._clock.now() + timedelta(seconds=int(seconds)) - _TOKEN_MARGIN
        return self._token

    def _forget(self, token: SecretStr) -> None:
        with self._lock:
            if self._token == token:
                self._token_until = None

    def _exchange(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        """Return status and body."""
        reply = exchange.exchange(
            self._http, method, path, seconds=self._timeout_s, max_bytes=_MAX_ANSWER_BYTES, **options
        )
        return reply.status, reply.content


def local_timestamp(moment: datetime) -> str:
    """Return YYYYMMDDHHmmss in East Africa Time."""
    return moment.astimezone(fields.EAT).strftime("%Y%m%d%H%M%S")


def push_password(mpesa: MpesaConfig, timestamp: str) -> str:
    """base64(short code + passkey + timestamp)."""
    text = f"{mpesa.shortcode}{mpesa.passkey.get_secret_value()}{timestamp}"
    return base64.b64encode(text.encode()).decode("ascii")


def whole_shillings(amount: Money) -> int:
    """Return the whole shillings that M-PESA moves; BadInput for anything else, so that nothing is ever rounded."""
    if amount.currency != "KES" or amount.minor % 100 or amount.minor == 0:
        raise BadInput("not_whole_shillings", "M-PESA moves whole Kenyan shillings only")
    return amount.minor // 100


def _shillings(amount: Money) -> int | str:
    """For a reversal, which must name the whole payment to the cent: less or more is refused."""
    return format_minor(amount.minor, amount.currency) if amount.minor % 100 else whole_shillings(amount)


def require_safe_url(url: str, *, production: bool) -> None:
    """Refuse a base URL that would send credentials in the clear off this machine; it comes from the configuration
    alone."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    local = parts.scheme == "http" and (not production or parts.hostname in _LOOPBACK)
    if not parts.hostname or parts.username or parts.query or not (secure or local):
        raise Misconfigured("mpesa_base_url", "MPESA_BASE_URL must be https://host, as Safaricom gives it")
