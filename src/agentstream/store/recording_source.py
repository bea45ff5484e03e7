"""A file that can be read anywhere in it, wherever it is: a folder, S3, an encrypted file.

Everything here waits for disks or networks, so it belongs into worker threads.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

PIECE = 262_144  # bytes read at once


class Source(Protocol):
    """An open file of a known size."""

    @property
    def size(self) -> int:
        """Return its length in bytes."""

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from `start` on, fewer only at the end; raises StoreError, OSError."""

    def close(self) -> None:
        """Let go of it; more calls change nothing."""


class FileSource:
    """A file of a folder. It can be read on when its name is gone."""

    def __init__(self, path: Path) -> None:
        """Open it; raises FileNotFoundError and other OSErrors."""
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return self._size

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from `start` on, fewer only at the end."""
        return os.pread(self._descriptor, min(length, max(0, self._size - start)), start)

    def close(self) -> None:
        """Let go of it; more calls change nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # A client that leaves before its answer begins leaves nobody behind who closes the file.
        self.close()


def pieces(source: Source, start: int = 0) -> Iterator[bytes]:
    """Read to the end, piece by piece."""
    while start < source.size:
        piece = source.read(start, PIECE)
        if not piece:
            return
        yield piece
        start += len(piece)
