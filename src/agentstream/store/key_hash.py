"""API tokens at rest: a keyed hash, so that a stolen database alone opens nothing."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

from agentstream.base.errors import ConfigError
from agentstream.base.ids import Tokens

_SECRET_BYTES = 32


def load_secret(path: Path, tokens: Tokens) -> bytes:
    """Read the server's secret, or make it (mode 0600) at the first run.

    Raises ConfigError when the file is readable by others, is too short, or cannot be made.
    """
    try:
        if not path.exists():
            make_file(path, tokens)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(f"{path} is readable by others (mode {mode:04o}): chmod 600 it")
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise ConfigError(f"secret file {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"secret file {path} must be hexadecimal text") from error
    if len(secret) < _SECRET_BYTES:
        raise ConfigError(f"secret file {path} must hold at least {_SECRET_BYTES} bytes")
    return secret


def token_hash(secret: bytes, token: str) -> str:
    """HMAC-SHA256 of a token, as 64 hex characters."""
    return hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()


def operator_token(secret: bytes) -> str:
    """Return the token by which whoever can read this server's secret may ask for every account."""
    return token_hash(secret, "operator of this server")


def link_key(secret: bytes) -> bytes:
    """Return the key that signs links to recordings."""
    return hmac.new(secret, b"links to recordings", hashlib.sha256).digest()


def is_token(secret: bytes, token: str, hashed: str) -> bool:
    """Whether the token has this hash; takes the same time wherever the two differ."""
    return hmac.compare_digest(token_hash(secret, token), hashed)


def make_file(path: Path, tokens: Tokens) -> None:
    """Make a file (mode 0600) of 64 hex characters that nobody can guess; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{tokens.hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(tokens.hex(_SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces: when two processes make it at once, both then read the first one's.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
