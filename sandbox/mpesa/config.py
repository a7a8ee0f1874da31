"""How one simulator is set up."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """Everything given at start; secrets never show in a repr."""

    host: str
    port: int
    callback_url: str
    state_dir: Path
    seed: str
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
