"""The audio half of a telephone: µ-law over RTP, for tests whose SIP comes from elsewhere.

It speaks to whoever sends to it first, one packet each 20 ms, and keeps what it hears with its
time. Its port goes into the SDP of a sipp scenario.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from agentstream.testing.srtp import SrtpEnd

FRAME_BYTES = 160
FRAME_S = 0.02
OTHERS_LIMIT = 10_000
SILENCE = b"\xff" * FRAME_BYTES


@dataclass
class RtpPhone(asyncio.DatagramProtocol):
    """Speaks `sound` (µ-law) over and over, silence when there is none."""

    sound: bytes = b""
    heard: list[tuple[float, bytes]] = field(default_factory=list)  # loop time, payload
    others: list[tuple[int, bytes]] = field(default_factory=list)  # of other payload types
    srtp: SrtpEnd | None = None  # what is said and heard is encrypted
    audio_type: int = 0  # the payload type that it speaks and hears
    _peer: tuple[str, int] | None = None
    _transport: asyncio.DatagramTransport | None = None
    _sent: int = 0
    _timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def gaps_ms(self, least_ms: int) -> list[int]:
        """Return the pauses of at least this length between two packets heard."""
        times = [at for at, _ in self.heard]
        gaps = (round((after - before) * 1000) for before, after in pairwise(times))
        return [gap_ms for gap_ms in gaps if gap_ms >= least_ms]

    def loud_packets(self) -> int:
        """Return how many packets had a sample above 1/8 of full scale."""
        return sum(any((byte & 0x70) < 0x30 for byte in sound) for _, sound in self.heard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hear a packet; the first one begins the conversation."""
        data = data if self.srtp is None else self.srtp.open(data) or b""
        if len(data) <= 12 or data[1] & 0x7F != self.audio_type:
            if len(data) > 12 and len(self.others) < OTHERS_LIMIT:
                self.others.append((data[1] & 0x7F, data[12:]))
            return
        loop = asyncio.get_running_loop()
        self.heard.append((loop.time(), data[12:]))
        if self._peer is None:
            self._peer = addr
            self._speak(loop.time())

    def speak_to(self, peer: tuple[str, int]) -> None:
        """Speak first, to an address that was told elsewhere."""
        self._peer = peer
        self._speak(asyncio.get_running_loop().time())

    def stop(self) -> None:
        """Say and hear no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def _speak(self, at: float) -> None:
        assert self._transport is not None
        begin = self._sent * FRAME_BYTES % max(1, len(self.sound))
        payload = self.sound[begin : begin + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")
        number = self._sent & 0xFFFF
        header = struct.pack("!BBHII", 0x80, self.audio_type, number, self._sent * FRAME_BYTES, 7)
        packet = header + payload
        self._transport.sendto(self.srtp.seal(packet) if self.srtp else packet, self._peer)
        self._sent += 1
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(at + FRAME_S, self._speak, at + FRAME_S)


@asynccontextmanager
async def rtp_phone(sound: bytes = b"", host: str = "127.0.0.1") -> AsyncIterator[RtpPhone]:
    """Listen while the block runs."""
    loop = asyncio.get_running_loop()
    _, phone = await loop.create_datagram_endpoint(lambda: RtpPhone(sound), local_addr=(host, 0))
    try:
        yield phone
    finally:
        phone.stop()
