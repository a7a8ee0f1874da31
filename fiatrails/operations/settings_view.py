"""The effective configuration, for people: what is set and to what, secrets only as set or not set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from pydantic import SecretStr

from fiatrails.kernel.conf import Config, GeoConfig, ScreeningConfig, config
from fiatrails.providers.mpesa.config import MpesaConfig, mpesa_config

SET, NOT_SET = "set", "not set"


def effective() -> dict[str, dict[str, object]]:
    """Return sections of names and values. URLs are shown without credentials, path and query: providers put keys
    there."""
    current = config()
    return {
        "deployment": _deployment(current),
        "profile": _profile(current),
        "database": _database(settings.DATABASES["default"]),
        "mpesa": _mpesa(mpesa_config(current)),
        "geo": _geo(current.geo),
        "screening": _screening(current.screening),
        "signers": {
            "executors": [str(path) for path in current.signers.keystores],
            "officer": _path(current.signers.officer_keystore),
            "passwordFile": _path(current.signers.password_file),
        },
        "secrets": {
            "DJANGO_SECRET_KEY": redacted(SecretStr(settings.SECRET_KEY)),
            "clientSecrets": [name for name, _ in current.client_secrets],
            "clearanceKey": redacted(current.clearance_key),
        },
    }


def redacted(secret: SecretStr) -> str:
    """Return whether there is a secret; never a part of it."""
    return SET if secret.get_secret_value() else NOT_SET


def without_credentials(url: str) -> str:
    """`https://user:key@rpc.example/v2/key?token=x` -> `https://rpc.example/...`."""
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    hidden = bool(parts.path.strip("/") or parts.query)
    return f"{parts.scheme}://{host}{'/...' if hidden else ''}"


def _deployment(current: Config) -> dict[str, object]:
    return {
        "environment": current.env,
        "settings": settings.SETTINGS_MODULE,
        "deployments": str(current.deployments_path),
        "dispatch": current.dispatch,
        "redis": without_credentials(current.redis_url) if current.redis_url else NOT_SET,
        "dlqDir": _path(current.dlq_dir),
        "nonceOverride": current.nonce_override,
        "metrics": f"{current.metrics_host}:{current.metrics_port}" if current.metrics_port else NOT_SET,
        "trustedProxies": list(settings.TRUSTED_PROXIES),
        "logJson": current.log_json,
        "admin": settings.ADMIN_ENABLED,
    }


def _profile(current: Config) -> dict[str, object]:
    shown: dict[str, object] = current.profile.model_dump(mode="json", by_alias=True)
    shown["rpcUrls"] = [without_credentials(url) for url in current.profile.rpc_urls]
    shown["hmacSalt"] = redacted(SecretStr(current.profile.hmac_salt))
    return shown


def _database(entry: Mapping[str, Any]) -> dict[str, object]:
    return {
        "name": entry["NAME"],
        "user": entry["USER"] or None,
        "host": entry["HOST"] or None,
        "port": entry["PORT"] or None,
        "password": redacted(SecretStr(entry["PASSWORD"] or "")),
    }


def _mpesa(mpesa: MpesaConfig) -> dict[str, object]:
    return {
        "baseUrl": without_credentials(mpesa.base_url) if mpesa.base_url else NOT_SET,
        "callbackBaseUrl": without_credentials(mpesa.callback_base_url) if mpesa.callback_base_url else NOT_SET,
        "shortcode": mpesa.shortcode or NOT_SET,
        "initiatorName": mpesa.initiator_name or NOT_SET,
        "allowedSources": list(mpesa.allowed_sources),
        "gatewaySecrets": [name for name, _ in mpesa.gateway_secrets],
        "consumerKey": redacted(SecretStr(mpesa.consumer_key)),
        "consumerSecret": redacted(mpesa.consumer_secret),
        "passkey": redacted(mpesa.passkey),
        "securityCredential": redacted(mpesa.security_credential),
        "callbackToken": redacted(mpesa.callback_token),
    }


def _geo(geo: GeoConfig) -> dict[str, object]:
    """Which countries: `geo` of the profile."""
    return {"restricted": geo.restricted, "database": str(geo.database) if geo.database else "bundled data"}


def _screening(screening: ScreeningConfig) -> dict[str, object]:
    return {
        "enabled": screening.enabled,
        "listUrls": [without_credentials(url) for url in screening.list_urls],
        "listFiles": list(screening.list_files),
    }


def _path(path: Path | None) -> str:
    return str(path) if path is not None else NOT_SET
