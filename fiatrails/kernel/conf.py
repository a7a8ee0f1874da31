"""Typed access to what `fiatrails.config` put into Django's settings; lower layers must not import `config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from pydantic import SecretStr

from fiatrails.kernel.profile import Profile


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


@dataclass(frozen=True, slots=True)
class SignerConfig:
    """Encrypted keystores (v3 JSON) of the executor lanes and of the compliance officer, and where the password is."""

    keystores: tuple[Path, ...]
    officer_keystore: Path | None
    password_file: Path | None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the environment and the deployment profile decide."""

    env: str
    profile: Profile
    deployments_path: Path
    mpesa: MpesaConfig
    signers: SignerConfig
    client_secrets: tuple[tuple[str, SecretStr], ...]
    clearance_key: SecretStr
    redis_url: str | None
    dispatch: str
    dlq_dir: Path | None
    nonce_override: int | None
    metrics_host: str
    metrics_port: int | None
    log_json: bool


def config() -> Config:
    """The process's configuration."""
    return settings.FIATRAILS


def profile() -> Profile:
    """The deployment profile."""
    return config().profile
