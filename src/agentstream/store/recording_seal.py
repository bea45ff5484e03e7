"""Recordings at rest, encrypted: AES-256-GCM in chunks, so that any part can be read alone.

 0  magic "ASREC" 0 0 1            8 bytes
 8  key id                         8   SHA-256 of the key, its first bytes
16  chunk size, big endian         4   bytes of plain text in each chunk but the last
20  zero                           4
24  salt                          32   random, for each file
56  chunk 0 │ tag   chunk 1 │ tag   ...   each followed by its tag of 16 bytes

The key of a file is HKDF-SHA256(key, salt, "agentstream recording"). The nonce of a chunk is its
number in 11 bytes, big endian, and one byte that is 1 for the last chunk only, so that a file that
was cut off, or whose chunks changed places, is found out. The header is each chunk's associated
data.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agentstream.base.errors import ConfigError
from agentstream.store.protocols import StoreError
from agentstream.store.recording_source import Source

MAGIC = b"ASREC\x00\x00\x01"
CHUNK = 65_536
_CHUNK_LIMIT = 16_777_216
_HEADER = struct.Struct(">8s8sI4x32s")
_TAG = 16
_KEY_BYTES = 32
_KEYS_LIMIT = 16
_MAKE_ONE = "openssl rand -hex 32"


class SealError(StoreError):
    """An encrypted recording cannot be read: another key, or it was damaged."""


@dataclass(frozen=True, slots=True)
class SealKey:
    """One key; `key_id` names it in files and says nothing about it."""

    key: bytes

    def __repr__(self) -> str:
        return f"SealKey({self.key_id.hex()})"

    @property
    def key_id(self) -> bytes:
        """Return the key's name."""
        return hashlib.sha256(self.key).digest()[:8]


SealKeys = Sequence[SealKey]  # the first one encrypts, each can decrypt


def load_keys(path: Path) -> tuple[SealKey, ...]:
    """Read a key file: one key of 64 hex characters for each line, the newest first.

    Raises ConfigError when it is not there, is readable by others, or holds something else.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_text("ascii").split()
    except OSError as error:
        hint = f"; make one: {_MAKE_ONE}" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"encryption_key_file {path}: {error.strerror}{hint}") from error
    except ValueError:
        lines = [""]
    if mode & 0o077:
        raise ConfigError(f"{path} is readable by others (mode {mode:04o}): chmod 600 it")
    try:
        keys = tuple(SealKey(bytes.fromhex(line)) for line in lines)
    except ValueError:
        keys = ()
    is_good = all(len(key.key) == _KEY_BYTES for key in keys) and 0 < len(keys) <= _KEYS_LIMIT
    if not is_good:
        raise ConfigError(
            f"encryption_key_file {path} must hold 1 to {_KEYS_LIMIT} lines of 64 hexadecimal "
            f"characters; make one: {_MAKE_ONE}"
        )
    return keys


class SealWriter:
    """Encrypts what is written to it; nothing is whole before `finish`."""

    def __init__(self, file: BinaryIO, key: SealKey, chunk: int = CHUNK) -> None:
        salt = os.urandom(32)
        self._file = file
        self._header = _HEADER.pack(MAGIC, key.key_id, chunk, salt)
        self._cipher = _cipher(key, salt)
        self._chunk = chunk
        self._number = 0
        self._waiting = bytearray()
        file.write(self._header)

    def write(self, plain: bytes | bytearray) -> None:
        """Add plain bytes."""
        self._waiting += plain
        while len(self._waiting) > self._chunk:  # the last chunk is kept: only `finish` knows it
            self._seal(bytes(self._waiting[: self._chunk]), is_last=False)
            del self._waiting[: self._chunk]

    def finish(self) -> None:
        """Write the last chunk."""
        self._seal(bytes(self._waiting), is_last=True)
        self._waiting.clear()

    def _seal(self, plain: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last=is_last)
        self._file.write(self._cipher.encrypt(nonce, plain, self._header))
        self._number += 1


class SealedSource:
    """The plain bytes of an encrypted file; its last chunk is checked before anything is read."""

    def __init__(self, sealed: Source, keys: SealKeys, name: str) -> None:
        """Read the header; raises SealError that names the file."""
        self._sealed = sealed
        self._name = name
        self._header = sealed.read(0, _HEADER.size)
        key, self._chunk, salt = _read_header(self._header, keys, name)
        self._cipher = _cipher(key, salt)
        body = sealed.size - _HEADER.size
        self._chunks = max(1, -(-body // (self._chunk + _TAG)))
        self._size = body - self._chunks * _TAG
        self._kept: tuple[int, bytes] = (-1, b"")
        if self._size < 0:
            raise SealError(f"{name} is damaged: it was cut off")
        self._open(self._chunks - 1, self._chunks - 1)

    @property
    def size(self) -> int:
        """Return the length of the plain bytes."""
        return self._size

    def read(self, start: int, length: int) -> bytes:
        """Return plain bytes; raises SealError when one of their chunks was damaged."""
        end = min(start + length, self._size)
        if start >= end:
            return b""
        first, last = start // self._chunk, (end - 1) // self._chunk
        plain = self._open(first, last)
        return plain[start - first * self._chunk : end - first * self._chunk]

    def close(self) -> None:
        """Let go of it; more calls change nothing."""
        self._sealed.close()

    def _open(self, first: int, last: int) -> bytes:
        """Read some chunks at once, as each reading may be a request to another machine."""
        plain = []
        if self._kept[0] == first:  # parts are often read one after the other
            plain.append(self._kept[1])
            first += 1
        stride = self._chunk + _TAG
        if first <= last:
            place, size = _HEADER.size + first * stride, (last - first + 1) * stride
            sealed = self._sealed.read(place, size)
            for number in range(first, last + 1):
                at = (number - first) * stride
                plain.append(self._decrypted(number, sealed[at : at + stride]))
            self._kept = (last, plain[-1])
        return b"".join(plain)

    def _decrypted(self, number: int, sealed: bytes) -> bytes:
        nonce = _nonce(number, is_last=number == self._chunks - 1)
        try:
            return self._cipher.decrypt(nonce, sealed, self._header)
        except (InvalidTag, ValueError):
            raise SealError(f"{self._name} is damaged: chunk {number} was changed") from None


def is_sealed(beginning: bytes) -> bool:
    """Whether a file that begins so is an encrypted one."""
    return beginning[:5] == MAGIC[:5]


def seal(plain: Iterable[bytes], sealed: Path, key: SealKey) -> None:
    """Write an encrypted file under its name at once and whole; raises OSError."""
    fresh = sealed.with_name(f".{sealed.name}.tmp")
    with fresh.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        writer = SealWriter(file, key)
        for piece in plain:
            writer.write(piece)
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(sealed)


def _read_header(header: bytes, keys: SealKeys, name: str) -> tuple[SealKey, int, bytes]:
    if len(header) < _HEADER.size or header[:8] != MAGIC:
        raise SealError(f"{name} is no encrypted recording of this version")
    _, key_id, chunk, salt = _HEADER.unpack(header)
    key = next((key for key in keys if key.key_id == key_id), None)
    if key is None:
        raise SealError(f"{name} was encrypted with the key {key_id.hex()}, which is not here")
    if not 0 < chunk <= _CHUNK_LIMIT:
        raise SealError(f"{name} is damaged: chunks of {chunk} bytes")
    return key, chunk, salt


def _cipher(key: SealKey, salt: bytes) -> AESGCM:
    derived = HKDF(SHA256(), _KEY_BYTES, salt, b"agentstream recording").derive(key.key)
    return AESGCM(derived)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
