"""M-PESA's own configuration: its environment variables, and what the product makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from fiatrails.kernel.conf import Config, config
from fiatrails.kernel.variables import listed, named_keys

# Source: providers.md; Safaricom's published callback addresses.
SAFARICOM_SOURCES = ",".join(
    [f"196.201.214.{n}" for n in (200, 206, 207, 208)]
    + [f"196.201.213.{n}" for n in (44, 114)]
    + [f"196.201.212.{n}" for n in (69, 74, 127, 128, 129, 132, 136, 138)]
)


@dataclass(frozen=True, slots=True)
class MpesaConfig:
    """Keys of the M-PESA integration. `gateway_secrets` are (key name, secret), several during a rotation."""

    gateway_secrets: tuple[tuple[str, SecretStr], ...]
    base_url: str
    consumer_key: str
    consumer_secret: SecretStr
    shortcode: str
    passkey: SecretStr
    initiator_name: str
    security_credential: SecretStr
    callback_token: SecretStr
    callback_base_url: str
    allowed_sources: tuple[str, ...]


class MpesaEnvironment(BaseSettings):
    """The environment variables of M-PESA."""

    required_secrets: ClassVar[tuple[str, ...]] = ("mpesa_gateway_secret",)
    optional_secrets: ClassVar[tuple[str, ...]] = ("mpesa_gateway_secret_new",)

    mpesa_gateway_secret: SecretStr | None = None
    mpesa_gateway_secret_new: SecretStr | None = None
    mpesa_base_url: str = ""
    mpesa_consumer_key: str = ""
    mpesa_consumer_secret: SecretStr = SecretStr("")
    mpesa_shortcode: str = ""
    mpesa_passkey: SecretStr = SecretStr("")
    mpesa_initiator_name: str = ""
    mpesa_security_credential: SecretStr = SecretStr("")
    mpesa_callback_token: SecretStr = SecretStr("")
    mpesa_callback_base_url: str = ""
    mpesa_allowed_sources: str = SAFARICOM_SOURCES

    def mpesa(self) -> MpesaConfig:
        """Return the configuration that the variables make."""
        return MpesaConfig(
            gateway_secrets=named_keys(self.mpesa_gateway_secret, self.mpesa_gateway_secret_new),
            base_url=self.mpesa_base_url.rstrip("/"),
            consumer_key=self.mpesa_consumer_key,
            consumer_secret=self.mpesa_consumer_secret,
            shortcode=self.mpesa_shortcode,
            passkey=self.mpesa_passkey,
            initiator_name=self.mpesa_initiator_name,
            security_credential=self.mpesa_security_credential,
            callback_token=self.mpesa_callback_token,
            callback_base_url=self.mpesa_callback_base_url.rstrip("/"),
            allowed_sources=tuple(listed(self.mpesa_allowed_sources)),
        )


def mpesa_config(of: Config | None = None) -> MpesaConfig:
    """Return M-PESA's part of a configuration, of the process's own unless one is given."""
    return cast(MpesaConfig, (of or config()).providers["mpesa"])
