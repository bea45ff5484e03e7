"""The files of recordings, wherever they are: read, encrypted, moved, encoded, deleted.

    SID.wav ──seal──▶ SID.wav.enc        in the folder; the first only without a key
       └───────────────┴──upload──▶ S3   and out of the folder, if so wanted
                       └──encode──▶ MP3

Everything here waits for disks or networks, so it belongs into worker threads.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import AudioKind
from agentstream.store.protocols import StoreError
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_seal import SealedSource, SealKeys, is_sealed, seal
from agentstream.store.recording_source import Source, pieces
from agentstream.store.recording_storage import FolderStorage, RecordingStorage, StoredName
from agentstream.store.recording_wav import read_facts


@dataclass(frozen=True, slots=True)
class Settled:
    """A file as it will stay, and what is in it."""

    name: StoredName
    path: str
    size_bytes: int  # of the WAV
    sha256: str  # of the WAV
    channels: str  # "mono" or "stereo"
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RecordingFiles:
    """Where they are and how they are written.

    The first of `keys` encrypts new files, each can decrypt old ones; none: nothing is encrypted.
    """

    folder: FolderStorage
    mp3: Mp3Folder
    keys: SealKeys = ()
    remote: RecordingStorage | None = None
    keeps_local: bool = False  # also when they are in the remote storage

    def settle(self, sid: RecordingSid) -> Settled | None:
        """Encrypt a finished recording if that is wanted, and look into it; None: it is not here.

        It may be done again at any time, also after it was broken off.
        """
        plain, sealed = StoredName(sid, is_sealed=False), StoredName(sid, is_sealed=True)
        name = plain
        digest = hashlib.sha256()
        source = self._open_local(plain)
        if source is None or (self.keys and self.folder.path(sealed).exists()):
            # An encrypted file has its name only when it is whole.
            source, name = self._open_local(sealed) or source, sealed
        if source is None:
            return None
        with closing(source):
            facts = read_facts(source)
            content = _hashed(source, digest)
            if name is plain and self.keys:
                seal(content, self.folder.path(sealed), self.keys[0])
                name = sealed
            else:
                for _ in content:
                    pass
            size = source.size
        if name is sealed:
            self.folder.delete(plain)
        return Settled(
            name,
            self.folder.place(name),
            size,
            digest.hexdigest(),
            "stereo" if facts.channels == 2 else "mono",
            facts.duration_ms,
        )

    def upload(self, name: StoredName) -> str | None:
        """Copy a settled recording to the remote storage; returns its place, None: it is not here.

        Raises StoreError when the storage does not take it now.
        """
        remote, path = self._remote(), self.folder.path(name)
        if not path.exists():
            return None
        remote.put(name, path)
        return remote.place(name)

    def open_local(self, sid: RecordingSid) -> Source | None:
        """Open a recording's WAV if it is in the folder."""
        for sealed in (False, True):
            source = self._open_local(StoredName(sid, sealed))
            if source is not None:
                return source
        return None

    def open_remote(self, sid: RecordingSid, *, is_sealed_first: bool) -> Source | None:
        """Open a recording's WAV if it is in the remote storage."""
        for sealed in (is_sealed_first, not is_sealed_first):
            source = self._remote().open(StoredName(sid, sealed))
            if source is not None:
                return self._unsealed(source, StoredName(sid, sealed))
        return None

    def delete(self, sid: RecordingSid) -> None:
        """Remove every byte of a recording, wherever it is."""
        self.delete_local(sid)
        self.mp3.delete(sid)
        with suppress(FileNotFoundError):
            (self.folder.folder / f"{sid}.wav.part").unlink()
        if self.remote is not None:
            for sealed in (False, True):
                self.remote.delete(StoredName(sid, sealed))

    def delete_local(self, sid: RecordingSid) -> None:
        """Remove a recording from the folder."""
        for sealed in (False, True):
            self.folder.delete(StoredName(sid, sealed))

    def clear_left_over(self) -> None:
        """Remove what a crash left half written; only for a start, before anything is written."""
        self.folder.clear_left_over()
        self.mp3.clear_left_over()

    def local_names(self) -> list[StoredName]:
        """Return what lies in the folder, finished."""
        try:
            return sorted(self.folder.names())
        except OSError as error:
            raise StoreError(f"recordings: {self.folder.folder}: {error.strerror}") from error

    def written_at(self, name: StoredName) -> datetime:
        """Return when a file of the folder was last written."""
        return datetime.fromtimestamp(self.folder.path(name).stat().st_mtime, UTC)

    def encode(
        self,
        sid: RecordingSid,
        wav: Source,
        is_wanted: Callable[[], bool],
        kind: AudioKind = "mp3",
    ) -> None:
        """Make an MP3 of a recording."""
        self.mp3.make(sid, wav, is_wanted, kind)

    def _open_local(self, name: StoredName) -> Source | None:
        source = self.folder.open(name)
        return None if source is None else self._unsealed(source, name)

    def _unsealed(self, source: Source, name: StoredName) -> Source:
        try:
            if not is_sealed(source.read(0, 8)):
                return source
            return SealedSource(source, self.keys, str(name))
        except BaseException:
            source.close()
            raise

    def _remote(self) -> RecordingStorage:
        assert self.remote is not None, "there is a remote storage"
        return self.remote


def _hashed(source: Source, digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces(source):
        digest.update(piece)
        yield piece
