"""A SIP peer without a SIP stack: it sends lines as a test writes them, and keeps what comes.

async with raw_sip(node.address()) as peer:
    ok = await peer.call("1000", audio_port=phone.port)     INVITE, 200, ACK
    peer.say("REFER", "Refer-To: <sip:carol@c.example>")    in the dialog, its number counted up
    await peer.until("SIP/2.0 202")
    notify = await peer.until("NOTIFY")                     what comes is answered 200 by itself
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from agentstream.testing.ports import HOST
from agentstream.testing.waiting import until

SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
)
ECHOED = ("Via", "From", "To", "Call-ID", "CSeq")


@dataclass
class RawSip(asyncio.DatagramProtocol):
    """One call of one peer over UDP."""

    node: tuple[str, int]
    heard: list[str] = field(default_factory=list)  # not yet taken
    status: int = 200  # what its requests are answered
    sender: str = ""  # of From, as "user@host"; empty: agent at its own address
    host: str = HOST  # where it listens
    _transport: asyncio.DatagramTransport | None = None
    _cseq: int = 0
    _to: str = ""
    _target: str = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep a message; a request is answered at once."""
        del addr
        text = data.decode()
        if text.startswith("SIP/2.0"):
            self.heard.append(text)
            return
        if text not in self.heard and not text.startswith("ACK"):
            self.heard.append(text)
        if not text.startswith("ACK"):
            lines = "\r\n".join(f"{name}: {header(text, name)}" for name in ECHOED)
            self._send(f"SIP/2.0 {self.status} Whatever\r\n{lines}\r\n")

    async def until(self, start: str, timeout_ms: int = 5_000) -> str:
        """Wait for a message that begins so; take it."""
        await until(lambda: any(text.startswith(start) for text in self.heard), timeout_ms)
        found = next(text for text in self.heard if text.startswith(start))
        self.heard.remove(found)
        return found

    async def call(self, user: str, audio_port: int, more: str = "", sdp: str = SDP) -> str:
        """Call a number and acknowledge the answer, which is returned."""
        self.start(user, audio_port, more, sdp)
        ok = await self.until("SIP/2.0 200")
        self._to = header(ok, "To")
        self._target = header(ok, "Contact").strip("<>")
        self.say("ACK")
        return ok

    def start(self, user: str, audio_port: int, more: str = "", sdp: str = SDP) -> None:
        """Call a number; `sdp` is what it offers."""
        host, port = self.node
        self._target = f"sip:{user}@{host}:{port}"
        self._to = f"<sip:{user}@{host}>"
        body = sdp.format(host=HOST, port=audio_port)
        self.say("INVITE", f"Content-Type: application/sdp\r\n{more}".strip(), body)

    def acknowledge(self, refusal: str) -> None:
        """Acknowledge a refusal of the INVITE: a part of its transaction (RFC 3261 17.1.1.3)."""
        asked, self._to = self._to, header(refusal, "To")
        self.say("ACK", branch=f"z9hG4bKINVITE{self._cseq}")
        self._to = asked

    def say(self, method: str, more: str = "", body: str = "", branch: str = "") -> int:
        """Send a request; returns its number."""
        if method != "ACK":
            self._cseq += 1
        branch = branch or f"z9hG4bK{method}{self._cseq}"
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.sender or f'agent@{self.host}:{self.port}'}>;tag=raw",
            f"To: {self._to}",
            f"Call-ID: raw-{self.port}",
            f"CSeq: {self._cseq} {method}",
            f"Contact: <sip:agent@{self.host}:{self.port}>",
            *([more] if more else []),
        ]
        self._send("\r\n".join(lines) + "\r\n", body)
        return self._cseq

    def stop(self) -> None:
        """Say and hear no more."""
        if self._transport is not None:
            self._transport.close()

    def _send(self, head: str, body: str = "") -> None:
        assert self._transport is not None
        text = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        self._transport.sendto(text.encode(), self.node)


def header(text: str, name: str) -> str:
    """Return the first header of this name, "" when there is none."""
    found = re.search(rf"^{name}: *(.*?)\r$", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


@asynccontextmanager
async def raw_sip(address: str = "127.0.0.1:5060", at: str = HOST) -> AsyncIterator[RawSip]:
    """Listen while the block runs, at a loopback address; `node` may be set later."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(
        lambda: RawSip((host, int(port)), host=at), local_addr=(at, 0)
    )
    try:
        yield peer
    finally:
        peer.stop()
