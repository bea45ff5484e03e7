"""Peers that answer from elsewhere, or live in a browser: small peers written by hand."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.sip.signaling import Dial
from agentstream.testing.answering import SDP, Answering

pytestmark = pytest.mark.integration
HOST = "127.0.0.1"
OFFER = SDP.format(host=HOST, version=1)


@asynccontextmanager
async def engine(transport: TransportName) -> AsyncIterator[tuple[SipEngine, Answering, int]]:
    running = SipEngine(SipConfig((Listener(transport, HOST, 0),)))
    product = Answering(running, rings=True)
    await running.start()
    try:
        async with asyncio.timeout(10):
            yield running, product, running.addresses[0][2]
        assert "bugs" not in running.counters
    finally:
        await running.stop(200)


class Elsewhere(asyncio.DatagramProtocol):
    """A socket of a peer with many addresses."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, tuple[str, int]]] = asyncio.Queue()
        self.socket: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.socket = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait((data.decode(), addr))

    def say(self, text: str, to: tuple[str, int]) -> None:
        assert self.socket is not None
        self.socket.sendto(text.encode(), to)

    @property
    def port(self) -> int:
        assert self.socket is not None
        port: int = self.socket.get_extra_info("sockname")[1]
        return port


@asynccontextmanager
async def at(host: str) -> AsyncIterator[Elsewhere]:
    peer = Elsewhere()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: peer, local_addr=(host, 0))
    try:
        yield peer
    finally:
        transport.close()


def lines_of(message: str, *names: str) -> str:
    kept = [line for line in message.split("\r\n") if line.partition(":")[0] in names]
    return "".join(f"{line}\r\n" for line in kept)


def answer(request: str, status: str, extra: str = "", body: str = "") -> str:
    """Answer a request with the tag "theirs"."""
    copied = lines_of(request, "Via", "From", "Call-ID", "CSeq", "Record-Route")
    to = lines_of(request, "To").rstrip()
    to = to if ";tag=" in to else f"{to};tag=theirs"
    return f"SIP/2.0 {status}\r\n{copied}{to}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"


async def test_answers_and_requests_may_come_from_other_addresses_than_the_one_called() -> None:
    """PN-22: a load balancer takes the INVITE, and one behind it does all the rest."""
    async with (
        engine("udp") as (caller, told, port),
        at(HOST) as balancer,
        at("127.0.0.2") as media,
        at("127.0.0.3") as third,
    ):
        target = f"sip:+1@{HOST}:{balancer.port}"
        ref = caller.place(Dial(target, f"sip:ann@{HOST}", OFFER))
        invite, ours = await balancer.heard.get()
        contact = f"Contact: <sip:b@127.0.0.2:{media.port}>\r\nContent-Type: application/sdp\r\n"
        media.say(answer(invite, "180 Ringing"), ours)
        media.say(answer(invite, "200 OK", contact, OFFER), ours)
        ack, _ = await media.heard.get()
        assert ack.startswith(f"ACK sip:b@127.0.0.2:{media.port} ")
        await told.told("Accepted", 1)
        dialog = lines_of(ack, "Call-ID")
        swapped = f"From: {lines_of(ack, 'To')[4:]}To: {lines_of(ack, 'From')[6:]}"
        third.say(
            f"BYE sip:a@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:{third.port};"
            f"branch=z9hG4bKx;rport\r\nMax-Forwards: 70\r\n{swapped}{dialog}"
            "CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            (HOST, port),
        )
        assert (await third.heard.get())[0].startswith("SIP/2.0 200")
        await told.told("Ended", 1)
        assert (told.ended[0].ref, told.ended[0].by) == (ref, "remote")


async def heard(socket: ClientConnection, start: str) -> str:
    """Return the next message that begins so."""
    while True:
        message = await socket.recv(decode=True)
        if message.startswith(start):
            return message


@pytest.mark.parametrize("ends", ["they", "we"])
async def test_a_client_in_a_browser_calls_and_either_side_ends_it(ends: str) -> None:
    """RFC 7118 section 8: its Via and Contact name hosts that do not exist."""
    async with engine("ws") as (callee, product, port):
        address = f"ws://{HOST}:{port}"
        async with connect(address, subprotocols=[Subprotocol("sip")]) as socket:
            shared = (
                "Max-Forwards: 70\r\nFrom: <sip:ann@web.example>;tag=a1\r\nCall-ID: c1\r\n"
                "Contact: <sip:x7@df7jal23ls0d.invalid;transport=ws>\r\n"
            )
            via = "Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK"
            await socket.send(
                f"INVITE sip:1000@sip.example SIP/2.0\r\n{via}1\r\n{shared}"
                "To: <sip:1000@sip.example>\r\nCSeq: 1 INVITE\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n{OFFER}"
            )
            accepted = await heard(socket, "SIP/2.0 200")
            assert f"Contact: <sip:{HOST}:{port};transport=ws>" in accepted
            to = lines_of(accepted, "To")
            await socket.send(
                f"ACK sip:{HOST}:{port};transport=ws SIP/2.0\r\n{via}2\r\n{shared}{to}"
                "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
            )
            await product.told("Confirmed", 1)
            if ends == "they":
                await socket.send(
                    f"BYE sip:{HOST}:{port};transport=ws SIP/2.0\r\n{via}3\r\n{shared}{to}"
                    "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
                )
                await heard(socket, "SIP/2.0 200")
            else:
                callee.hang_up(product.refs[0])
                bye = await heard(socket, "BYE ")
                assert bye.startswith("BYE sip:x7@df7jal23ls0d.invalid;transport=ws ")
                assert re.search(rf"Via: SIP/2.0/WS {HOST}:{port};branch=[^;]+\r\n", bye)
                copied = lines_of(bye, "Via", "From", "To", "Call-ID", "CSeq")
                await socket.send(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n")
            await product.told("Ended", 1)
            assert product.ended[0].by == ("remote" if ends == "they" else "local")
