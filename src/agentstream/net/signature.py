"""Signs requests as Standard Webhooks does, so that a server knows ours from a stranger's (OP-4).

webhook-id, webhook-timestamp, webhook-signature: "v1," + BASE64(HMAC-SHA256(key, signed))
                               signed = webhook-id "." webhook-timestamp "." content

The content is the body; of a request that has none it is the path with the query, as on its first
line: that is where such a request says everything.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from agentstream.base.errors import ConfigError

PREFIX: Final = "whsec_"
_KEY_BYTES: Final = (24, 64)  # the specification's


def signing_key(secret: str) -> bytes:
    """Return the key of a secret; raises ConfigError, without the secret, for anything else."""
    least, most = _KEY_BYTES
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not least <= len(key) <= most:
        raise ConfigError(f"write it as {PREFIX} and {least} to {most} bytes in base64")
    return key


def signature_headers(
    keys: Sequence[bytes], message_id: str, timestamp_s: int, content: bytes
) -> dict[str, str]:
    """Return the three headers; with several keys any of them verifies it."""
    signed = f"{message_id}.{timestamp_s}.".encode() + content
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{each.decode()}" for each in signatures),
    }
