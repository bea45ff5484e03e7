"""An RTP phone with keys: presses them as RFC 4733 events, and keeps those that it hears.

async with key_phone(96, ptime_ms=30) as phone:
    phone.press("5")          once it speaks
    phone.keys                what it heard: (payload type, "7"), once for each key
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agentstream.testing.ports import HOST
from agentstream.testing.rtp_phone import RtpPhone

KEYS = "0123456789*#ABCD"
_END = 0x80


@dataclass
class KeyPhone(RtpPhone):
    """See above; `payload_type` is what its own events have."""

    payload_type: int = 101
    packets: list[tuple[int, bytes]] = field(default_factory=list)  # payload type, payload
    _told: set[tuple[int, int]] = field(default_factory=set)
    keys: list[tuple[int, str]] = field(default_factory=list)
    _event_sequence: int = 30_000

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep events, and hear the rest."""
        kind = data[1] & 0x7F if len(data) > 12 else 0
        is_event = kind >= 96 and len(data) == 16
        if not is_event:
            super().datagram_received(data, addr)
            return
        event, flags = data[12], data[13]
        (timestamp,) = struct.unpack("!I", data[4:8])
        if flags & _END and (kind, timestamp) not in self._told and event < len(KEYS):
            self._told.add((kind, timestamp))
            self.keys.append((kind, KEYS[event]))

    def press(self, digit: str) -> None:
        """Press a key for 100 ms: five packets, and the last one twice more."""
        assert self._peer is not None, "it knows nobody yet"
        assert self._transport is not None
        timestamp = self._sent * 160 + 1
        for step in (1, 2, 3, 4, 5, 5, 5):
            is_first, is_last = step == 1, step == 5
            kind = self.payload_type | (0x80 if is_first else 0)
            head = struct.pack("!BBHII", 0x80, kind, self._event_sequence, timestamp, 7)
            self._event_sequence += 1
            flags = (_END if is_last else 0) | 10
            body = struct.pack("!BBH", KEYS.index(digit), flags, step * 160)
            self._transport.sendto(head + body, self._peer)


@asynccontextmanager
async def key_phone(payload_type: int = 101, sound: bytes = b"") -> AsyncIterator[KeyPhone]:
    """Listen while the block runs."""
    loop = asyncio.get_running_loop()
    _, phone = await loop.create_datagram_endpoint(
        lambda: KeyPhone(sound, payload_type=payload_type), local_addr=(HOST, 0)
    )
    try:
        yield phone
    finally:
        phone.stop()
