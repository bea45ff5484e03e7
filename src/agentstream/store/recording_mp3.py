"""Recordings as MP3: encoded by LAME when first asked for, and kept while there is space.

WAV ─▶ pieces of a second or two ─▶ LAME ─▶ SID.mp3 (or SID.mp3.enc) in the folder

Everything here waits for disks or takes the processor, so it belongs into worker threads; LAME lets
other threads run meanwhile.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import lameenc
import structlog

from agentstream.calls.commands import AudioKind
from agentstream.store.protocols import StoreError
from agentstream.store.recording_seal import SealedSource, SealKeys, seal
from agentstream.store.recording_source import FileSource, Source
from agentstream.store.recording_storage import clear_left_over
from agentstream.store.recording_wav import read_facts

READ_BYTES = 1_048_576  # of samples at once: each may be a request to another machine
PIECE_BYTES = 65_536  # of samples between two looks whether the MP3 is still wanted
KBPS: Final[Mapping[AudioKind, int]] = MappingProxyType({"8.mp3": 8, "32.mp3": 32})  # a channel
_QUALITY = 5  # LAME's scale: 2 the best, 7 the fastest
_ROOM = 0.9  # making room goes on until this share of the space is used
_log = structlog.get_logger("recordings")


class Mp3Folder:
    """MP3 files by recording in one folder, `max_bytes` at most; the one unused longest goes first.

    It may be emptied at any time. With keys the files are encrypted like the recordings.
    """

    def __init__(self, folder: Path, max_bytes: int, kbps: int, keys: SealKeys = ()) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._kbps = kbps
        self._keys = keys

    @property
    def kbps(self) -> int:
        """Return the bit rate of each channel."""
        return self._kbps

    def open(self, sid: str, kind: AudioKind = "mp3") -> Source | None:
        """Open an MP3 that is there; it then counts as used just now."""
        path = self._path(sid, kind)
        try:
            os.utime(path)
            file = FileSource(path)
        except FileNotFoundError:
            return None
        return SealedSource(file, self._keys, path.name) if self._keys else file

    def make(
        self, sid: str, wav: Source, is_wanted: Callable[[], bool], kind: AudioKind = "mp3"
    ) -> None:
        """Encode a recording, give the file its name at once and whole, and make room for it.

        Raises StoreError when `is_wanted` becomes false, or the recording cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path, kbps = self._path(sid, kind), KBPS.get(kind, self._kbps)
        if self._keys:
            seal(encoded(wav, kbps, is_wanted), path, self._keys[0])
        else:
            fresh = path.with_name(f".{path.name}.tmp")
            with fresh.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                for piece in encoded(wav, kbps, is_wanted):
                    file.write(piece)
            fresh.replace(path)
        self._make_room(path)

    def clear_left_over(self) -> None:
        """Remove what a crash left half written; only for a start."""
        if self._folder.is_dir():
            clear_left_over(self._folder)

    def delete(self, sid: str) -> None:
        """Forget the MP3 files of a recording, if they are there."""
        for kind in ("mp3", *KBPS):
            for suffix in ("", ".enc"):
                (self._folder / f"{sid}.{kind}{suffix}").unlink(missing_ok=True)

    def _path(self, sid: str, kind: AudioKind) -> Path:
        return self._folder / f"{sid}.{kind}{'.enc' if self._keys else ''}"

    def _make_room(self, kept: Path) -> None:
        found = []
        for entry in os.scandir(self._folder):
            if not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # another thread makes room too, or deletes
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
        used = sum(size for _, size, _ in found)
        if used <= self._max_bytes:
            return
        # A file that is being sent now stays readable to whoever has it open.
        for _, size, name in sorted(found):
            if used <= self._max_bytes * _ROOM:
                break
            if name != str(kept):
                Path(name).unlink(missing_ok=True)
                used -= size
        _log.info("mp3_evicted", used_bytes=used)


def encoded(
    wav: Source, kbps: int, is_wanted: Callable[[], bool] = lambda: True
) -> Iterator[bytes]:
    """Encode a WAV's samples at a constant `kbps` for each channel, piece by piece."""
    facts = read_facts(wav)
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(facts.channels)
    encoder.set_in_sample_rate(facts.rate_hz)
    encoder.set_out_sample_rate(facts.rate_hz)
    encoder.set_bit_rate(kbps * facts.channels)
    encoder.set_quality(_QUALITY)
    place, end = facts.start, facts.start + facts.size
    if place == end:  # LAME makes no file of nothing; one silent sample is one
        yield bytes(encoder.encode(bytes(2 * facts.channels)))
    while place < end:
        samples = wav.read(place, min(READ_BYTES, end - place))
        if not samples:
            break
        place += len(samples)
        for at in range(0, len(samples), PIECE_BYTES):
            if not is_wanted():
                raise StoreError("the MP3 is not wanted any more")
            yield bytes(encoder.encode(samples[at : at + PIECE_BYTES]))
    yield bytes(encoder.flush())
