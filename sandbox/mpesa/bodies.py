"""Build the bodies that M-PESA sends, from the book."""

from typing import Any

from sandbox.mpesa.ids import compact, from_epoch
from sandbox.mpesa.money import shillings
from sandbox.mpesa.records import Payment, Payout, Push, Reversal

DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "26": "System busy. The service request is rejected.",
    "1019": "Transaction has expired",
    "1025": "An error occurred while sending a push request",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2032": "The transaction receipt number does not exist.",
    "9999": "Error while sending a push request",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}


def description(code: int | str) -> str:
    """Return the text of a result code; it is for people, not for programs."""
    return DESCRIPTIONS.get(str(code), "The service request failed.")


def stk_callback(push: Push, code: int, payment: Payment | None) -> dict[str, Any]:
    """Return the STK callback; a failed push carries no metadata."""
    callback: dict[str, Any] = {
        "MerchantRequestID": push.merchant_id,
        "CheckoutRequestID": push.checkout_id,
        "ResultCode": code,
        "ResultDesc": description(code),
    }
    if payment is not None:
        items: list[dict[str, Any]] = [
            {"Name": "Amount", "Value": payment.cents / 100},
            {"Name": "MpesaReceiptNumber", "Value": payment.receipt},
            {"Name": "Balance"},
            {"Name": "TransactionDate", "Value": int(compact(from_epoch(payment.paid_at)))},
            {"Name": "PhoneNumber", "Value": int(payment.msisdn)},
        ]
        callback["CallbackMetadata"] = {"Item": items}
    return {"Body": {"stkCallback": callback}}


def c2b_body(payment: Payment, *, org_balance_cents: int | None) -> dict[str, Any]:
    """Return the C2B body; a validation does not know the balance yet."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": payment.receipt,
        "TransTime": compact(from_epoch(payment.paid_at)),
        "TransAmount": shillings(payment.cents),
        "BusinessShortCode": payment.shortcode,
        "BillRefNumber": payment.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "" if org_balance_cents is None else shillings(org_balance_cents),
        "ThirdPartyTransID": "",
        "MSISDN": masked(payment.msisdn),
        "FirstName": payment.names[0],
        "MiddleName": payment.names[1],
        "LastName": payment.names[2],
    }


def masked(msisdn: str) -> str:
    """Return a number with its middle hidden, as C2B callbacks do."""
    return f"{msisdn[:4]} ***** {msisdn[-3:]}"


def result(
    code: str,
    *,
    originator_id: str,
    conversation_id: str,
    transaction_id: str,
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return an asynchronous result. The lone ReferenceItem is an object, as in the real ones."""
    body: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdecimal() else code,
        "ResultDesc": description(code),
        "OriginatorConversationID": originator_id,
        "ConversationID": conversation_id,
        "TransactionID": transaction_id,
        "ReferenceData": {"ReferenceItem": {"Key": "Occasion"}},
    }
    if parameters:
        body["ResultParameters"] = {"ResultParameter": parameters}
    return {"Result": body}


def status_parameters(moved: Payment | Reversal | Payout, *, shortcode: str, is_reversed: bool) -> list[dict[str, Any]]:
    """Return what a transaction status query reveals about money that moved."""
    moment = int(compact(from_epoch(moved.reversed_at if isinstance(moved, Reversal) else moved.paid_at)))
    customer, organisation = f"{masked(moved.msisdn)} - JANE", f"{shortcode} - SANDBOX"
    incoming = isinstance(moved, Payment)
    return _pairs(
        ReceiptNo=moved.receipt,
        Amount=moved.cents / 100,
        TransactionStatus="Reversed" if is_reversed else "Completed",
        ReasonType="Pay Bill Online" if incoming else "Business to Customer",
        TransactionReason=None,
        InitiatedTime=moment,
        FinalisedTime=moment,
        DebitPartyName=customer if incoming else organisation,
        CreditPartyName=organisation if incoming else customer,
        DebitPartyCharges=None,
    )


def reversal_parameters(reversal: Reversal, *, shortcode: str) -> list[dict[str, Any]]:
    """Return the parameters of a successful reversal."""
    return _pairs(
        Amount=reversal.cents / 100,
        OriginalTransactionID=reversal.original_receipt,
        TransCompletedTime=int(compact(from_epoch(reversal.reversed_at))),
        Charge=0.0,
        CreditPartyPublicName=f"{masked(reversal.msisdn)} - JANE",
        DebitPartyPublicName=f"{shortcode} - SANDBOX",
    )


def payout_parameters(payout: Payout) -> list[dict[str, Any]]:
    """Return the parameters of a successful B2C payment."""
    return _pairs(
        TransactionReceipt=payout.receipt,
        TransactionAmount=payout.cents // 100,
        ReceiverPartyPublicName=f"{payout.msisdn} - JANE",
        TransactionCompletedDateTime=from_epoch(payout.paid_at).strftime("%d.%m.%Y %H:%M:%S"),
        B2CRecipientIsRegisteredCustomer="Y",
        B2CChargesPaidAccountAvailableFunds=0.0,
    )


def _pairs(**values: Any) -> list[dict[str, Any]]:
    # A parameter without a value has no Value key at all in the real ones.
    return [{"Key": key} if value is None else {"Key": key, "Value": value} for key, value in values.items()]
