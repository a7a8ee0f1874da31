"""Describe how one M-PESA is set up."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Config:
    """What M-PESA alone is given at its start; secrets never show in a repr."""

    callback_url: str
    shortcode: str
    consumer_key: str
    initiator: str
    consumer_secret: str = field(repr=False)
    passkey: str = field(repr=False)
    initiator_credential: str = field(repr=False)
    gateway_secret: bytes | None = field(repr=False)
    token_s: float
    answer_delay_s: float
    result_delay_s: float
    resend_schedule_s: tuple[float, ...]
    production_urls: bool
