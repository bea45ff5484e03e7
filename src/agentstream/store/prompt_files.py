"""The folder of prompts: sounds named by their content, kept while there is space for them."""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path

import structlog

from agentstream.base.errors import PeerError
from agentstream.store.protocols import StoreError

_ROOM = 0.9  # an eviction goes on until this share of the space is used
_log = structlog.get_logger("prompts")


class SoundError(PeerError):
    """What was fetched is no sound that we can play."""


class PromptFiles:
    """Sounds by hash in one folder, `max_bytes` at most; the one unused longest goes first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._used_bytes: int | None = None  # None: not counted yet
        self._counting = asyncio.Lock()

    def path(self, key: str, suffix: str) -> Path:
        """Return where the sound with this key is, or will be."""
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}{suffix}"

    def temporary(self) -> Path:
        """Return a name of its own to write to, before `keep_file` gives it its real one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f".{secrets.token_hex(8)}.part"

    def is_there(self, path: Path) -> bool:
        """Whether the sound is there; it then counts as used just now."""
        try:
            os.utime(path)
        except OSError:
            return False
        return True

    async def keep_file(self, fresh: Path, path: Path) -> Path:
        """Give a finished file its name, at once and whole; makes room if need be."""
        try:
            size = await asyncio.to_thread(_rename, fresh, path)
        except OSError as error:
            raise StoreError(f"prompt folder {self._folder}: {error.strerror}") from error
        async with self._counting:
            if self._used_bytes is None or self._used_bytes + size > self._max_bytes:
                self._used_bytes = await asyncio.to_thread(self._make_room, path)
            else:
                self._used_bytes += size
        return path

    async def keep(self, url: str, content_type: str, body: bytes) -> Path:
        """Keep a sound that was fetched; raises SoundError when it is none (AP-14), StoreError."""
        suffix = sound_suffix(body)
        kind = content_type.partition(";")[0].strip().lower()
        if suffix is None or kind.startswith(("text/", "image/", "video/")):
            what = kind or "no content type"
            raise SoundError(f"{url}: not a WAV, MP3 or OGG sound ({what}, {len(body)} bytes)")
        path = self._folder / f"{hashlib.sha256(body).hexdigest()}{suffix}"
        if self.is_there(path):
            return path
        try:
            fresh = self.temporary()
            await asyncio.to_thread(fresh.write_bytes, body)
        except OSError as error:
            raise StoreError(f"prompt folder {self._folder}: {error.strerror}") from error
        return await self.keep_file(fresh, path)

    def _make_room(self, kept: Path) -> int:
        found = []
        for entry in os.scandir(self._folder):
            if entry.is_file() and not entry.name.startswith("."):
                status = entry.stat()
                found.append((status.st_mtime_ns, status.st_size, entry.path))
        used = sum(size for _, size, _ in found)
        if used <= self._max_bytes:
            return used
        # A sound that plays now stays readable to whoever has it open.
        for _, size, name in sorted(found):
            if used <= self._max_bytes * _ROOM:
                break
            if name != str(kept):
                Path(name).unlink(missing_ok=True)
                used -= size
        _log.info("prompts_evicted", used_bytes=used)
        return used


def sound_suffix(body: bytes) -> str | None:
    """Tell a sound by its first bytes: ".wav", ".ogg", ".mp3", or None."""
    if body[:4] == b"RIFF" and body[8:12] == b"WAVE":
        return ".wav"
    if body[:4] == b"OggS":
        return ".ogg"
    # An MPEG frame begins with eleven set bits; ID3 tags may stand before it.
    is_mpeg = len(body) > 1 and body[0] == 0xFF and body[1] & 0xE0 == 0xE0
    return ".mp3" if is_mpeg or body[:3] == b"ID3" else None


def _rename(fresh: Path, path: Path) -> int:
    size = fresh.stat().st_size
    fresh.replace(path)
    return size
