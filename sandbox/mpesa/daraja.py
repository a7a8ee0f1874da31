"""Answer the API calls of Daraja that FiatRails uses."""

import base64
import binascii
import hmac
import time
from typing import Any

from sandbox.kit.book import AlreadyDone
from sandbox.kit.messages import Reply, Request
from sandbox.mpesa import bodies
from sandbox.mpesa.customers import Customers
from sandbox.mpesa.fields import Fields
from sandbox.mpesa.records import Payment, Payout, Push, Reversal, Urls
from sandbox.mpesa.refusals import daraja_refusal, invalid
from sandbox.mpesa.world import World

_FORBIDDEN_IN_URLS = ("mpesa", "safaricom", "exec", "cmd", "sql", "query")
_ACCEPTED = "Accept the service request successfully."


class Daraja:
    """One method per endpoint. Money moves before the acknowledgement; the result follows later."""

    def __init__(self, world: World, customers: Customers) -> None:
        self._config = world.config
        self._book = world.book
        self._ids = world.ids
        self._faults = world.parts.faults
        self._courier = world.parts.courier
        self._scheduler = world.parts.scheduler
        self._tokens = world.tokens
        self._initiator = world.initiator
        self._customers = customers

    def token(self, request: Request) -> Reply:
        """Issue an access token (GET /oauth/v1/generate)."""
        if self._faults.is_on("oauthDown"):
            raise daraja_refusal(503, "503.001.01", "Service is currently unreachable")
        if request.query.get("grant_type") != "client_credentials":
            raise daraja_refusal(400, "400.008.02", "Invalid grant type passed")
        keys = _basic_keys(request.headers.get("authorization", ""))
        if keys is None:
            return Reply(401)
        expected = f"{self._config.consumer_key}:{self._config.consumer_secret}"
        if not hmac.compare_digest(keys, expected.encode()):
            return Reply(400)
        return Reply(200, self._tokens.issue())

    def stk_push(self, request: Request) -> Reply:
        """Accept a push (POST /mpesa/stkpush/v1/processrequest); its customer pays later, or not."""
        fields = Fields(request.body)
        shortcode = self._merchant(fields)
        fields.one_of("TransactionType", ("CustomerPayBillOnline", "CustomerBuyGoodsOnline"))
        payer, _receiver = fields.msisdn("PartyA"), fields.text("PartyB")
        if fields.msisdn("PhoneNumber") != payer:
            raise invalid("PhoneNumber")
        fields.text("TransactionDesc", longest=13)
        push = Push(
            checkout_id=self._ids.checkout(payer),
            merchant_id=self._ids.originator(),
            cents=fields.whole_amount("Amount"),
            msisdn=payer,
            reference=fields.text("AccountReference", longest=12),
            shortcode=shortcode,
            callback_url=fields.url("CallBackURL"),
            plan=self._customers.plan(),
            asked_at=time.time(),
        )
        self._book.add_push(push)
        self._customers.take_up(push)
        accepted = "Success. Request accepted for processing"
        return Reply(
            200,
            {
                "MerchantRequestID": push.merchant_id,
                "CheckoutRequestID": push.checkout_id,
                "ResponseCode": "0",
                "ResponseDescription": accepted,
                "CustomerMessage": accepted,
            },
        )

    def stk_query(self, request: Request) -> Reply:
        """Return the outcome of a push (POST /mpesa/stkpushquery/v1/query)."""
        fields = Fields(request.body)
        self._merchant(fields)
        found = self._book.push(fields.text("CheckoutRequestID"))
        if found is None:
            raise invalid("CheckoutRequestID")
        push, code = found
        if code is None and self._faults.text("inFlight") == "error":
            raise daraja_refusal(500, "500.001.1001", "The transaction is being processed")
        words = "The transaction is still under processing" if code is None else bodies.description(code)
        return Reply(
            200,
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successfully",
                "MerchantRequestID": push.merchant_id,
                "CheckoutRequestID": push.checkout_id,
                "ResultCode": "4999" if code is None else str(code),
                "ResultDesc": words,
            },
        )

    def register_urls(self, request: Request) -> Reply:
        """Register C2B URLs (POST /mpesa/c2b/v2/registerurl); the reply is misspelt, as the real one is."""
        fields = Fields(request.body)
        urls = Urls(
            shortcode=fields.text("ShortCode"),
            response_type=fields.one_of("ResponseType", ("Completed", "Cancelled")),
            confirmation_url=fields.url("ConfirmationURL"),
            validation_url=fields.url("ValidationURL") if fields.optional("ValidationURL") else "",
        )
        if self._config.production_urls:
            self._refuse_as_production_does(urls)
        self._book.set_urls(urls)
        reply = {"ResponseCode": "0", "ResponseDescription": "Success"}
        return Reply(200, {"OriginatorCoversationID": self._ids.originator(), **reply})

    def transaction_status(self, request: Request) -> Reply:
        """Look up money by receipt or OriginalConversationID (POST /mpesa/transactionstatus/v1/query)."""
        fields = Fields(request.body)
        fields.one_of("CommandID", ("TransactionStatusQuery",))
        key = fields.optional("TransactionID") or fields.text("OriginalConversationID")
        moved = self._book.movement(key)
        ack = self._acknowledge(self._ids.originator(), self._ids.conversation())
        code, parameters = "2032", []
        if moved is not None:
            is_reversed = self._book.reversal_of(moved.receipt) is not None
            shortcode = self._config.shortcode
            code = "0"
            parameters = bodies.status_parameters(moved, shortcode=shortcode, is_reversed=is_reversed)
        code = self._refusal_code(fields, "Initiator") or code
        self._send_result(fields, ack, code, transaction_id=self._ids.receipt(), parameters=parameters)
        return Reply(200, ack)

    def reversal(self, request: Request) -> Reply:
        """Return a whole payment, once (POST /mpesa/reversal/v1/request)."""
        fields = Fields(request.body)
        fields.one_of("CommandID", ("TransactionReversal",))
        fields.text("ReceiverParty")
        fields.one_of("RecieverIdentifierType", ("11",))
        receipt, cents = fields.text("TransactionID"), fields.amount("Amount")
        ack = self._acknowledge(self._ids.originator(), self._ids.conversation())
        code = self._refusal_code(fields, "Initiator") or self._reverse(receipt, cents, ack)
        reversal = self._book.reversal_of(receipt)
        parameters: list[dict[str, Any]] = []
        if reversal is not None and code == "0":
            parameters = bodies.reversal_parameters(reversal, shortcode=self._config.shortcode)
        own_receipt = reversal.receipt if parameters and reversal is not None else self._ids.receipt()
        self._send_result(fields, ack, code, transaction_id=own_receipt, parameters=parameters)
        return Reply(200, ack)

    def payout(self, request: Request) -> Reply:
        """Pay a customer, once for each OriginatorConversationID (POST /mpesa/b2c/v3/paymentrequest)."""
        fields = Fields(request.body)
        fields.one_of("CommandID", ("BusinessPayment", "SalaryPayment", "PromotionPayment"))
        fields.text("PartyA")
        payout = Payout(
            receipt=self._ids.receipt(),
            cents=fields.whole_amount("Amount", least=10),
            msisdn=fields.msisdn("PartyB"),
            paid_at=time.time(),
            originator_id=fields.text("OriginatorConversationID"),
            conversation_id=self._ids.conversation(),
        )
        ack = self._acknowledge(payout.originator_id, payout.conversation_id)
        code = self._refusal_code(fields, "InitiatorName") or self._pay_out(payout)
        parameters = bodies.payout_parameters(payout) if code == "0" else []
        self._send_result(fields, ack, code, transaction_id=payout.receipt, parameters=parameters)
        return Reply(200, ack)

    def _merchant(self, fields: Fields) -> str:
        shortcode, stamp = fields.text("BusinessShortCode"), fields.timestamp("Timestamp")
        if shortcode != self._config.shortcode:
            raise daraja_refusal(500, "500.001.1001", "Merchant does not exist")
        expected = base64.b64encode(f"{shortcode}{self._config.passkey}{stamp}".encode())
        if not hmac.compare_digest(fields.text("Password").encode(), expected):
            # The real code, although it is also that of a transaction in flight.
            raise daraja_refusal(500, "500.001.1001", "[MerchantValidate] - Wrong credentials")
        return shortcode

    def _refuse_as_production_does(self, urls: Urls) -> None:
        given = f"{urls.confirmation_url} {urls.validation_url}".lower()
        if any(word in given for word in _FORBIDDEN_IN_URLS):
            raise daraja_refusal(400, "400.003.02", "Bad Request - Invalid URL")
        if self._book.urls(urls.shortcode) is not None:
            raise daraja_refusal(500, "500.003.1001", "Urls are already registered")

    def _acknowledge(self, originator_id: str, conversation_id: str) -> dict[str, str]:
        return {
            "OriginatorConversationID": originator_id,
            "ConversationID": conversation_id,
            "ResponseCode": "0",
            "ResponseDescription": _ACCEPTED,
        }

    def _refusal_code(self, fields: Fields, initiator_field: str) -> str | None:
        name, credential = fields.text(initiator_field), fields.text("SecurityCredential", longest=4096)
        fields.url("ResultURL")
        fields.url("QueueTimeOutURL")
        fields.text("Remarks", longest=100)
        if not self._initiator.is_genuine(name, credential):
            return "2001"
        if self._faults.strikes("failResult"):
            return self._faults.text("failResultCode")
        return None

    def _reverse(self, receipt: str, cents: int, ack: dict[str, str]) -> str:
        payment = self._book.payment(receipt)
        if payment is None:
            return "R000002"
        if cents != payment.cents:
            return "2" if cents < payment.cents else "3"
        try:
            self._book.add_reversal(self._reversal_of(payment, ack))
        except AlreadyDone:
            return "R000001"
        return "0"

    def _reversal_of(self, payment: Payment, ack: dict[str, str]) -> Reversal:
        return Reversal(
            receipt=self._ids.receipt(),
            original_receipt=payment.receipt,
            cents=payment.cents,
            msisdn=payment.msisdn,
            reversed_at=time.time(),
            originator_id=ack["OriginatorConversationID"],
            conversation_id=ack["ConversationID"],
        )

    def _pay_out(self, payout: Payout) -> str:
        try:
            self._book.add_payout(payout)
        except AlreadyDone:
            raise daraja_refusal(500, "500.002.1001", "Duplicate OriginatorConversationID.") from None
        return "0"

    def _send_result(
        self,
        fields: Fields,
        ack: dict[str, str],
        code: str,
        *,
        transaction_id: str,
        parameters: list[dict[str, Any]],
    ) -> None:
        timed_out = self._faults.strikes("queueTimeout")
        body = bodies.result(
            # A queue timeout says nothing about the money, which moved or did not all the same.
            "1037" if timed_out else code,
            originator_id=ack["OriginatorConversationID"],
            conversation_id=ack["ConversationID"],
            transaction_id=transaction_id,
            parameters=[] if timed_out or code != "0" else parameters,
        )
        url = fields.url("QueueTimeOutURL" if timed_out else "ResultURL")
        key = ack["ConversationID"]
        self._scheduler.after(
            self._config.result_delay_s,
            lambda: self._courier.send(kind="result", key=key, url=url, body=body),
        )


def _basic_keys(header: str) -> bytes | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
