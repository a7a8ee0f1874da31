"""The variables that the parts of a local stack are started with."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import ValidationError

from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.profile import CountryProfile, Profile
from fiatrails.local.anvil import LOCAL_CHAIN_ID
from fiatrails.local.parts import local_url
from fiatrails.local.ports import LOOPBACK
from fiatrails.local.state import StateDir, generated_secrets
from fiatrails.local.toolchain import PROJECT_ROOT

_SHORTCODE = "174379"
_INITIATOR = "testapi"


def initial_environment(state: StateDir, *, ports: Mapping[str, int], stored: Mapping[str, str]) -> dict[str, str]:
    """Return everything that is known before a part runs; secrets that exist are kept."""
    created = generated_secrets(stored)
    profile = PROJECT_ROOT / "seed.json"
    return {
        **created,
        **({"FIATRAILS_PROFILE": str(profile)} if profile.exists() else {}),
        "FIATRAILS_ENV": "local",
        "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.local",
        "FIATRAILS_STATE_DIR": str(state.root),
        "FIATRAILS_LOCAL_PORTS": json.dumps(dict(ports)),
        "FIATRAILS_DEPLOYMENTS": str(state.deployments),
        "RPC_URL": local_url(ports, "anvil"),
        "CHAIN_ID": str(LOCAL_CHAIN_ID),
        "PORT": str(ports["api"]),
        "OFAC_SCREENING_ENABLED": "true",
        "ADMIN_ENABLED": "true",
        "SIGNER_KEYSTORE": str(state.keystore("executor")),
        "OFFICER_KEYSTORE": str(state.keystore("officer")),
        "SIGNER_KEYSTORE_PASSWORD_FILE": str(state.password_file),
        "PROMETHEUS_MULTIPROC_DIR": str(state.metrics),
        "MPESA_BASE_URL": local_url(ports, "mpesa"),
        "MPESA_SHORTCODE": _SHORTCODE,
        "MPESA_INITIATOR_NAME": _INITIATOR,
        "MPESA_CALLBACK_BASE_URL": local_url(ports, "api", "/callbacks/till"),
        "MPESA_ALLOWED_SOURCES": LOOPBACK,
        **_sandbox(created),
    }


def profile_countries(path: str | None) -> tuple[CountryProfile, ...]:
    """Read the countries of the deployment profile, as the API and the worker will read them."""
    if path is None:
        return Profile().countries  # type: ignore[call-arg]
    try:
        return Profile.model_validate_json(Path(path).read_bytes()).countries
    except ValidationError as error:
        raise Misconfigured(
            "profile_invalid", f"{path}: {error.error_count()} errors; see `fiatrails doctor`"
        ) from None


def security_credential(sandbox_url: str, password: str) -> str:
    """Return the initiator's password, encrypted as Daraja wants it, with the simulator's certificate."""
    answer = httpx.get(f"{sandbox_url}/_sandbox/public-key", timeout=5.0, trust_env=False)
    key = load_pem_public_key(answer.raise_for_status().json()["pem"].encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("the M-PESA sandbox offers no RSA key")
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


def _sandbox(created: Mapping[str, str]) -> dict[str, str]:
    """Return the simulator's side of the shared secrets."""
    return {
        "MPESA_SANDBOX_GATEWAY_SECRET": created["MPESA_GATEWAY_SECRET"],
        "MPESA_SANDBOX_CONSUMER_KEY": created["MPESA_CONSUMER_KEY"],
        "MPESA_SANDBOX_CONSUMER_SECRET": created["MPESA_CONSUMER_SECRET"],
        "MPESA_SANDBOX_PASSKEY": created["MPESA_PASSKEY"],
        "MPESA_SANDBOX_INITIATOR": _INITIATOR,
    }
