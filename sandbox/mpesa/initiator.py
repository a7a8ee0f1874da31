"""Check the SecurityCredential of an operator, with the key pair that encrypts it."""

import base64
import hmac
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class Initiator:
    """The operator named in status, reversal and B2C requests."""

    def __init__(self, name: str, credential: str, key_file: Path) -> None:
        self._name = name
        self._credential = credential.encode()
        self._key_file = key_file
        self._lock = threading.Lock()
        self._loaded: RSAPrivateKey | None = None

    def is_genuine(self, name: str, security_credential: str) -> bool:
        """Return whether the SecurityCredential decrypts to the password of the operator named."""
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            sealed = base64.b64decode(security_credential, validate=True)
            opened = self._key().decrypt(sealed, padding.PKCS1v15())
        except ValueError:
            return False
        return name == self._name and hmac.compare_digest(opened, self._credential)

    def public_key_pem(self) -> str:
        """Return the public key that callers encrypt with."""
        from cryptography.hazmat.primitives import serialization

        public = self._key().public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return public.public_bytes(serialization.Encoding.PEM, form).decode()

    def _key(self) -> "RSAPrivateKey":
        # Made when first asked for: it takes longer than the whole rest of the start, and so does the import.
        with self._lock:
            self._loaded = self._loaded or _load_or_make(self._key_file)
            return self._loaded


def _load_or_make(key_file: Path) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{key_file} holds no RSA key")
        return key
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made
