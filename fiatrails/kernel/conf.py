"""Typed access to what `fiatrails.config` put into Django's settings; lower layers must not import `config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from pydantic import SecretStr

from fiatrails.kernel.profile import Profile


@dataclass(frozen=True, slots=True)
class SignerConfig:
    """Encrypted keystores (v3 JSON) of the executor lanes and of the compliance officer, and where the password is."""

    keystores: tuple[Path, ...]
    officer_keystore: Path | None
    password_file: Path | None


@dataclass(frozen=True, slots=True)
class GeoConfig:
    """`restricted`: only the profile's allowed countries are served. `database`: a MaxMind-format file; None: the data
    that ships with geoip2fast."""

    restricted: bool = False
    database: Path | None = None


@dataclass(frozen=True, slots=True)
class ScreeningConfig:
    """`enabled`: nobody is minted for before being screened against the sanctions lists. The lists are fetched from
    `list_urls` (nowhere without one), and only `list_files` of them when any are named."""

    enabled: bool = False
    list_urls: tuple[str, ...] = ()
    list_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the environment and the deployment profile decide. `providers`: what each provider's own
    `config.py` made of its variables, by the provider's name."""

    env: str
    profile: Profile
    deployments_path: Path
    providers: Mapping[str, object]
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
    geo: GeoConfig = GeoConfig()
    screening: ScreeningConfig = ScreeningConfig()

    @property
    def live(self) -> bool:
        """Whether real money may be behind it: anywhere but `local` and `test`."""
        return self.env not in ("local", "test")


def config() -> Config:
    """Return the process's configuration."""
    return settings.FIATRAILS


def profile() -> Profile:
    """Return the deployment profile."""
    return config().profile
