"""Client secrets at rest: HMAC needs them in clear, so they are encrypted and not hashed."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from pydantic import SecretStr

from fiatrails.kernel.errors import Misconfigured

_PURPOSE = b"fiatrails api client secrets v1"


def seal(secret: SecretStr) -> bytes:
    """Encrypt a secret under a key derived from DJANGO_SECRET_KEY."""
    return _cipher().encrypt(secret.get_secret_value().encode())


def unseal(sealed: bytes) -> SecretStr:
    """Decrypt a secret; Misconfigured when DJANGO_SECRET_KEY was replaced without keeping the old one as a fallback."""
    try:
        return SecretStr(_cipher().decrypt(sealed).decode())
    except InvalidToken:
        raise Misconfigured(
            "secrets_unreadable",
            "API secrets were sealed under another DJANGO_SECRET_KEY; restore it or issue new ones",
        ) from None


def _cipher() -> MultiFernet:
    return _cipher_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _cipher_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    raw = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(raw)
