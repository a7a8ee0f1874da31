"""What a call to Daraja can come back with: one of four, and only one of them says that it did not happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiatrails.kernel.errors import BadInput
from fiatrails.providers.mpesa import codes, fields
from fiatrails.providers.mpesa.codes import PushStatus

# Nothing was done, the same request may be sent again later: throttled, or our access token had run out.
_NOT_TAKEN = {codes.SPIKE_ARREST, "401", "429", "400.003.01", "404.001.03", "401.002.01"}
# "I have this one already" is not a refusal: the first copy may be under way.
_DUPLICATES = {"500.002.1001", "15"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken for processing. Nothing is paid or reversed yet. `provider_id`: CheckoutRequestID or ConversationID."""

    provider_id: str
    originator_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a push came to, on being asked."""

    status: PushStatus
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not done. `later`: the same request may be sent again."""

    code: str
    message: str
    later: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have happened."""

    why: str


def read_acknowledgement(status: int, content: bytes, id_field: str) -> Accepted | Refused | Unknown:
    """Return what the answer to a push, a status query or a reversal says."""
    body = _body(content)
    refusal = _refusal(status, body)
    if refusal is not None:
        return refusal
    code = _code(body.get("ResponseCode"))
    if status != 200 or code == "":
        return Unknown(f"HTTP {status} without a response code")
    if code != "0":
        message = fields.words(body.get("ResponseDescription"))
        return Unknown(f"duplicate: {message}") if code in _DUPLICATES else Refused(code, message)
    provider_id = fields.words(body.get(id_field), 80)
    if not provider_id:
        return Unknown(f"accepted without {id_field}")
    # One reply misspells its own field.
    originator = (
        body.get("OriginatorConversationID") or body.get("OriginatorCoversationID") or body.get("MerchantRequestID")
    )
    return Accepted(provider_id, fields.words(originator, 80))


def read_push_status(status: int, content: bytes) -> Answer | Refused | Unknown:
    """Return what the answer to a query about a push says."""
    body = _body(content)
    if _code(body.get("errorCode")) == codes.PENDING_ERROR:
        return Answer(PushStatus.PENDING, codes.PENDING_ERROR, fields.words(body.get("errorMessage")))
    refusal = _refusal(status, body)
    if refusal is not None:
        return refusal
    code = _code(body.get("ResultCode"))
    if status != 200 or code == "":
        return Unknown(f"HTTP {status} without a result code")
    return Answer(codes.push_status(code), code, fields.words(body.get("ResultDesc")))


def read_registration(status: int, content: bytes) -> Accepted | Refused | Unknown:
    """Return what the answer to registering the C2B addresses says; its own field is misspelt."""
    answer = read_acknowledgement(status, content, "OriginatorCoversationID")
    if isinstance(answer, Unknown):
        return read_acknowledgement(status, content, "OriginatorConversationID")
    return answer


def _refusal(status: int, body: Mapping[str, Any]) -> Refused | Unknown | None:
    """How a reply that is not a success is to be taken. A server error decides nothing, except where the gateway
    itself says that it turned the request away."""
    code = _code(body.get("errorCode"))
    message = fields.words(body.get("errorMessage")) or f"HTTP {status}"
    if code in _NOT_TAKEN or str(status) in _NOT_TAKEN:
        return Refused(code or str(status), message, later=True)
    if code in _DUPLICATES:
        return Unknown(f"duplicate: {message}")
    if 400 <= status < 500 and status != 408:
        return Refused(code or str(status), message)
    if status != 200 or code:
        return Unknown(f"HTTP {status} {code}".strip())
    return None


def _body(content: bytes) -> Mapping[str, Any]:
    try:
        return fields.json_object(content)
    except BadInput:
        return {}


def _code(value: object) -> str:
    try:
        return fields.code(value)
    except BadInput:
        return ""
