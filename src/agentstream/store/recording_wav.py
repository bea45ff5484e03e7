"""What a WAV file says of itself: channels, rate, and where its samples are."""

import struct
from dataclasses import dataclass

from agentstream.store.protocols import StoreError
from agentstream.store.recording_source import Source

_PARTS_LIMIT = 32


class WavError(StoreError):
    """A recording is no WAV file of 16-bit samples."""


@dataclass(frozen=True, slots=True)
class WavFacts:
    """The format of a file of 16-bit samples and the place of its samples, in bytes."""

    channels: int
    rate_hz: int
    start: int
    size: int  # whole frames; what the file holds, whatever its header says

    @property
    def duration_ms(self) -> int:
        """How long it plays."""
        return self.size * 1000 // (2 * self.channels * self.rate_hz)


def read_facts(source: Source) -> WavFacts:
    """Read a file's header; raises WavError."""
    head = source.read(0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise WavError("the recording is no WAV file")
    place, layout = 12, (0, 0)
    for _ in range(_PARTS_LIMIT):
        name, size = struct.unpack("<4sI", source.read(place, 8).ljust(8, b"\0"))
        place += 8
        if name == b"fmt ":
            layout = _layout(source.read(place, 16))
        elif name == b"data" and layout[0]:
            channels, rate_hz = layout
            held = min(size, source.size - place) if size else source.size - place
            return WavFacts(channels, rate_hz, place, held - held % (2 * channels))
        place += size + size % 2
    raise WavError("the recording has no samples")


def _layout(body: bytes) -> tuple[int, int]:
    if len(body) < 16:
        raise WavError("the recording's header is cut off")
    kind, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body)
    if kind not in {1, 0xFFFE} or bits != 16 or channels not in {1, 2} or not rate_hz:
        raise WavError(f"{channels} channels of {bits} bits at {rate_hz} Hz are no recording")
    return channels, rate_hz
