"""Where recordings are kept: what a storage can do, and the one that is a folder.

Everything here waits for disks or networks, so it belongs into worker threads. A recording is
`SID.wav`, or `SID.wav.enc` when it is encrypted.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from agentstream.base.ids import RecordingSid
from agentstream.store.recording_source import FileSource, Source

_SID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NAME = re.compile(r"([0-9A-Za-z_-]{1,64})\.wav(\.enc)?")
_LEFT_OVER = re.compile(r"\.[0-9A-Za-z_.-]+\.tmp")


class StoredName(NamedTuple):
    """The name of a file in a storage."""

    sid: RecordingSid
    is_sealed: bool

    def __str__(self) -> str:
        return f"{self.sid}.wav{'.enc' if self.is_sealed else ''}"


class RecordingStorage(Protocol):
    """One place for recordings; each method raises StoreError or OSError if it is out of reach."""

    @property
    def kind(self) -> str:
        """Return what rows call it: "folder" or "s3"."""

    def place(self, name: StoredName) -> str:
        """Return where a file is, for people."""

    def put(self, name: StoredName, path: Path) -> None:
        """Keep a copy of a file, whole or not at all; one of that name is replaced."""

    def open(self, name: StoredName) -> Source | None:
        """Open a file, or return None when it is not there."""

    def delete(self, name: StoredName) -> None:
        """Forget a file, if it is there."""

    def names(self) -> Iterator[StoredName]:
        """Return every file."""


class FolderStorage:
    """A folder of this machine."""

    kind = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: StoredName) -> Path:
        """Return where a file is, or will be."""
        return self.folder / str(name)

    def place(self, name: StoredName) -> str:
        """Return where a file is, for people."""
        return str(self.path(name))

    def put(self, name: StoredName, path: Path) -> None:
        """Keep a copy of a file, whole or not at all; one of that name is replaced."""
        target = self.path(name)
        fresh = target.with_name(f".{target.name}.tmp")
        source = FileSource(path)
        try:
            with fresh.open("wb") as file:
                place = 0
                while piece := source.read(place, 1_048_576):
                    file.write(piece)
                    place += len(piece)
        finally:
            source.close()
        fresh.replace(target)

    def open(self, name: StoredName) -> Source | None:
        """Open a file, or return None when it is not there."""
        try:
            return FileSource(self.path(name))
        except FileNotFoundError:
            return None

    def delete(self, name: StoredName) -> None:
        """Forget a file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[StoredName]:
        """Return every recording of the folder."""
        for path in self.folder.iterdir():
            found = _NAME.fullmatch(path.name)
            if found:
                yield StoredName(RecordingSid(found[1]), bool(found[2]))

    def clear_left_over(self) -> None:
        """Remove what a crash left half written; only for a start, before anything is written."""
        clear_left_over(self.folder)


def clear_left_over(folder: Path) -> None:
    """Remove files that were never given their names."""
    for path in folder.iterdir():
        if _LEFT_OVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def is_sid(text: str) -> bool:
    """Whether a text that a client sent can be part of a file's name."""
    return bool(_SID.fullmatch(text))
