"""Environment and deployment profile -> one typed `Config`. The environment wins over the profile."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from fiatrails.kernel.conf import Config, GeoConfig, ScreeningConfig, SignerConfig
from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.profile import Profile
from fiatrails.kernel.variables import listed, named_keys
from fiatrails.providers.mpesa.config import MpesaEnvironment

MIN_SECRET_CHARS = 32
PLACEHOLDERS = ("changeme", "change-me", "placeholder", "example", "secret", "password", "todo")

# A peer that vanished is noticed within seconds: probes on a connection that is idle, a limit for bytes under way.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class Environment(MpesaEnvironment):
    """Every environment variable the product reads; each provider brings its own. Secrets are never printed."""

    # An empty variable is an unset one: `${HMAC_SECRET_NEW:-}` must not make the empty string a valid key.
    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, env_ignore_empty=True)

    fiatrails_env: str = "local"
    fiatrails_profile: Path | None = None
    fiatrails_deployments: Path = Path("deployments.json")
    fiatrails_dispatch: str = "pg"
    fiatrails_log_json: bool = True
    django_secret_key: SecretStr = SecretStr("local-only-not-a-secret-do-not-use-elsewhere")
    django_secret_key_fallbacks: SecretStr = SecretStr("")
    allowed_hosts: str = "*"
    trusted_proxies: str = ""
    database_url: SecretStr = SecretStr("postgresql:///fiatrails")
    database_direct_url: SecretStr | None = None
    rpc_url: str | None = None
    chain_id: int | None = None
    hmac_secret: SecretStr | None = None
    hmac_secret_new: SecretStr | None = None
    signer_keystore: str = ""
    signer_keystore_password_file: Path | None = None
    officer_keystore: Path | None = None
    redis_url: str | None = None
    dlq_dir: Path | None = None
    nonce_override: int | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    geo_restriction_enabled: bool = False
    geo_allowed_countries: str = ""
    geoip_database: Path | None = None
    ofac_screening_enabled: bool = False
    ofac_list_urls: str = ""
    ofac_list_files: str = ""
    admin_enabled: bool = False
    admin_origins: str = ""


def load_profile(path: Path | None, env: Environment) -> Profile:
    """Read the profile file and apply the environment's overrides; Misconfigured names the file and the field."""
    raw: dict[str, Any] = {}
    try:
        if path is not None:
            raw = json.loads(path.read_text(encoding="utf-8"))
        if env.rpc_url:
            raw["rpcUrls"] = [url.strip() for url in env.rpc_url.split(",") if url.strip()]
        if env.chain_id is not None:
            raw["chainId"] = env.chain_id
        if listed(env.geo_allowed_countries) and isinstance(raw.setdefault("geo", {}), dict):
            raw["geo"]["allowedCountries"] = listed(env.geo_allowed_countries)
        return Profile.model_validate(raw)
    except OSError as error:
        raise Misconfigured(
            "profile_unreadable", f"cannot read {path}: {error.strerror}; set FIATRAILS_PROFILE"
        ) from None
    except json.JSONDecodeError as error:
        raise Misconfigured("profile_malformed", f"{path} is not JSON: line {error.lineno}") from None
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Misconfigured("profile_invalid", f"{path or 'profile'}: {fields}") from None


def load_config(env: Environment) -> Config:
    """Build the process's configuration; refuse placeholder secrets outside local and test."""
    if env.fiatrails_env not in ("local", "test"):
        _refuse_placeholders(env)
    return Config(
        env=env.fiatrails_env,
        profile=load_profile(env.fiatrails_profile, env),
        deployments_path=env.fiatrails_deployments,
        providers={"mpesa": env.mpesa()},
        signers=SignerConfig(
            keystores=tuple(Path(p.strip()) for p in env.signer_keystore.split(",") if p.strip()),
            officer_keystore=env.officer_keystore,
            password_file=env.signer_keystore_password_file,
        ),
        client_secrets=named_keys(env.hmac_secret, env.hmac_secret_new),
        clearance_key=env.django_secret_key,
        redis_url=env.redis_url,
        dispatch=env.fiatrails_dispatch,
        dlq_dir=env.dlq_dir,
        nonce_override=env.nonce_override,
        metrics_host=env.metrics_host,
        metrics_port=env.metrics_port,
        log_json=env.fiatrails_log_json,
        geo=GeoConfig(restricted=env.geo_restriction_enabled, database=env.geoip_database),
        screening=ScreeningConfig(
            enabled=env.ofac_screening_enabled,
            list_urls=tuple(listed(env.ofac_list_urls)),
            list_files=tuple(listed(env.ofac_list_files)),
        ),
    )


def secret_key_fallbacks(env: Environment) -> list[str]:
    """Return the former values of DJANGO_SECRET_KEY, which still open what was sealed under them."""
    return listed(env.django_secret_key_fallbacks.get_secret_value())


def trusted_proxies(env: Environment) -> tuple[str, ...]:
    """Return the networks of our own proxies. Misconfigured for anything else: a typing error must not make
    X-Forwarded-For fail with every request, or count when it should not."""
    for network in listed(env.trusted_proxies):
        try:
            ip_network(network)
        except ValueError:
            raise Misconfigured(
                "trusted_proxies", f"TRUSTED_PROXIES: {network!r} is no address or network such as 10.0.0.0/8"
            ) from None
    return tuple(listed(env.trusted_proxies))


def admin_origins(env: Environment) -> list[str]:
    """Return where people open `/admin/` when a proxy of ours speaks TLS: what a browser says a form comes from.
    Misconfigured for anything else, which would refuse every form."""
    for origin in listed(env.admin_origins):
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise Misconfigured(
                "admin_origins", f"ADMIN_ORIGINS: {origin!r} is no origin such as https://rail.example, without a path"
            )
    return listed(env.admin_origins)


def _refuse_placeholders(env: Environment) -> None:
    required = ("django_secret_key", "hmac_secret", *env.required_secrets)
    optional = ("hmac_secret_new", *env.optional_secrets)
    for name in (*required, *(name for name in optional if getattr(env, name) is not None)):
        secret = getattr(env, name)
        text = secret.get_secret_value() if secret is not None else ""
        if len(text) < MIN_SECRET_CHARS or any(word in text.lower() for word in PLACEHOLDERS):
            raise Misconfigured(
                "placeholder_secret",
                f"{name.upper()} is missing, shorter than {MIN_SECRET_CHARS} characters or a placeholder; "
                "set it from `openssl rand -hex 32` before starting outside local",
            )


def database_settings(url: str, *, variable: str = "DATABASE_URL", pooled: bool = False) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?host=/socket/dir&sslmode=require` -> a Django DATABASES entry;
    `pooled` when a pooler in transaction mode answers there."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise Misconfigured("database_url", f"{variable} must start with postgresql://")
    query = {name: unquote(value) for name, value in (p.split("=", 1) for p in parts.query.split("&") if "=" in p)}
    if "options" in query:
        raise Misconfigured("database_url", f"{variable}: take `options` out; limits are set with each transaction")
    return {
        "ENGINE": "fiatrails.engine.postgres",
        "NAME": unquote(parts.path.lstrip("/")) or "fiatrails",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or query.pop("port", "")),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"connect_timeout": 5, "application_name": "fiatrails", "pooled": pooled, **_KEEPALIVE, **query},
    }


def databases(env: Environment) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES. With another DATABASE_DIRECT_URL, DATABASE_URL is that of a pooler in transaction
    mode."""
    url, direct = env.database_url, env.database_direct_url
    return {"default": database_settings(url.get_secret_value(), pooled=direct is not None and direct != url)}


def direct_database(env: Environment) -> dict[str, Any] | None:
    """Return where the server itself answers, for what needs a session of its own; None where DATABASE_URL does."""
    if env.database_direct_url is None:
        return None
    return database_settings(env.database_direct_url.get_secret_value(), variable="DATABASE_DIRECT_URL")
