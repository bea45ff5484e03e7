"""Texts that only this house may read, in rows: passwords that must be shown again to a peer.

"sealed1:" base64(nonce of 12 bytes │ AES-256-GCM of the text │ tag of 16 bytes)

The key is HKDF-SHA256(the server's secret, "agentstream secret texts"); where a text belongs is its
associated data, so that one cannot be moved to another row.
"""

import os
from base64 import b64decode, b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX: Final = "sealed1:"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


def is_sealed(stored: str) -> bool:
    """Tell whether a text in a row was sealed."""
    return stored.startswith(PREFIX)


class SecretTexts:
    """Seals and opens texts with a key of its own, made of the server's secret."""

    def __init__(self, secret: bytes) -> None:
        key = HKDF(SHA256(), _KEY_BYTES, None, b"agentstream secret texts").derive(secret)
        self._cipher = AESGCM(key)

    def seal(self, text: str, place: str) -> str:
        """Return a text for a row; `place` is where it belongs."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())
        return PREFIX + b64encode(sealed).decode()

    def open(self, stored: str, place: str) -> str | None:
        """Return the text; None where it is another place's, damaged, or of another secret."""
        if not is_sealed(stored):
            return None
        try:
            sealed = b64decode(stored.removeprefix(PREFIX), validate=True)
            nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, body, place.encode()).decode()
        except (ValueError, InvalidTag):
            return None
