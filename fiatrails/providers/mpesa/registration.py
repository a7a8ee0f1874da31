"""Tells M-PESA where payments to the paybill are validated and confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fiatrails.controls import audit
from fiatrails.kernel.errors import Conflict, OutsideUnknown
from fiatrails.providers.mpesa.answers import Refused, Unknown
from fiatrails.providers.mpesa.config import MpesaConfig
from fiatrails.providers.mpesa.daraja import Daraja

# In production a short code is registered once. A 500 by its status, a refusal by its meaning.
_ALREADY = "500.003.1001"


@dataclass(frozen=True, slots=True)
class Registration:
    """What M-PESA took, with the token left out of the addresses: who knows it can call us."""

    shortcode: str
    confirmation: str
    validation: str
    conversation: str


def register_urls(*, client: Daraja, mpesa: MpesaConfig, actor: str, now: datetime) -> Registration:
    """Register the C2B addresses, audited. Conflict when M-PESA refuses; OutsideUnknown when nobody knows: asking again
    does no harm."""
    reply = client.register_c2b_urls()
    if isinstance(reply, Unknown) and _ALREADY in reply.why:
        raise Conflict("mpesa_registered", "M-PESA has addresses for this short code already; its support removes them")
    if isinstance(reply, Unknown) or (isinstance(reply, Refused) and reply.later):
        why = reply.why if isinstance(reply, Unknown) else reply.message
        raise OutsideUnknown("mpesa_unknown", f"M-PESA did not confirm it ({why}); run it again")
    if isinstance(reply, Refused):
        raise Conflict("mpesa_refused", f"M-PESA refused the addresses: {reply.message} ({reply.code})")
    base = f"{mpesa.callback_base_url}/<MPESA_CALLBACK_TOKEN>"
    taken = Registration(mpesa.shortcode, f"{base}/c2b/confirmation", f"{base}/c2b/validation", reply.provider_id)
    details = {"confirmation": taken.confirmation, "validation": taken.validation}
    audit.record(actor, "mpesa.register_urls", mpesa.shortcode, details, now=now)
    return taken
