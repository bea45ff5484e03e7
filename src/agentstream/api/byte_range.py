"""The Range header: which bytes of something a client wants (RFC 9110, section 14)."""

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """A part of something, in bytes; `length` is at least 1."""

    start: int
    length: int


class Unsatisfiable(Exception):  # noqa: N818  (what it is called in RFC 9110)
    """The wanted part begins behind the end."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the wanted part, or None for everything; raises Unsatisfiable.

    What cannot be read, and several parts at once, ask for everything: so RFC 9110 allows.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:  # the last so many
        length = min(int(found[2]), size)
        if not length:
            raise Unsatisfiable
        return ByteRange(size - length, length)
    start = int(found[1])
    end = int(found[2]) if found[2] else size - 1
    if found[2] and end < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(end, size - 1) - start + 1)
