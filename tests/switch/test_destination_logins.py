"""Destinations of trunks that ask for a login (PN-2), over real sockets."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from agentstream.base.ids import AccountSid
from agentstream.calls.causes import Cause
from agentstream.sip.digest import parse_challenge
from agentstream.testing.answering import SDP
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.raw_sip import ECHOED, header
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
CHALLENGE = 'Digest realm="livekit", nonce="{nonce}", algorithm=MD5'  # no qop (PN-2)


class LiveKit(asyncio.DatagramProtocol):
    """Takes a call from one user: 407 with MD5 and without qop, kept by Call-ID, as PN-2 has it."""

    def __init__(self, user: str, password: str) -> None:
        self.invites: list[str] = []
        self.said: list[int] = []
        self._user, self._password = user, password
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        if text.startswith("INVITE"):
            self.invites.append(text)
            self._invited(text, addr)
        elif not text.startswith("ACK"):
            self._answer(text, addr, 200)

    def _invited(self, text: str, addr: tuple[str, int]) -> None:
        shown = header(text, "Proxy-Authorization")
        nonce = hashlib.md5(header(text, "Call-ID").encode()).hexdigest()  # noqa: S324  (no secret)
        if not shown:
            self._answer(text, addr, 407, f"Proxy-Authenticate: {CHALLENGE.format(nonce=nonce)}")
        elif not self._is_right(shown, nonce):
            self._answer(text, addr, 401)
        else:
            sdp = SDP.format(host=HOST, version=1)
            more = f"Contact: <sip:{HOST}:{self.port}>\r\nContent-Type: application/sdp"
            self._answer(text, addr, 200, more, sdp)

    def _is_right(self, shown: str, nonce: str) -> bool:
        pairs = dict(re.findall(r'(\w+)="?([^",]*)"?', shown))
        ha1 = _md5(f"{self._user}:livekit:{self._password}")
        ha2 = _md5(f"INVITE:{pairs['uri']}")
        return pairs["response"] == _md5(f"{ha1}:{nonce}:{ha2}") and "qop" not in pairs

    def _answer(
        self, text: str, addr: tuple[str, int], status: int, more: str = "", body: str = ""
    ) -> None:
        self.said.append(status)
        echoed = {name: header(text, name) for name in ECHOED}
        echoed["To"] += "" if ";tag=" in echoed["To"] else ";tag=lk"
        lines = [f"SIP/2.0 {status} Whatever", *(f"{k}: {v}" for k, v in echoed.items())]
        lines += [more] if more else []
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        assert self._transport is not None
        self._transport.sendto((head + body).encode(), addr)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  (digest of RFC 2617)


@asynccontextmanager
async def called(folder: Path, **settings: str) -> AsyncIterator[tuple[Node, LiveKit]]:
    """Let a node call a trunk whose destination wants the user `us`."""
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(
        lambda: LiveKit("us", "s3cret"), local_addr=(HOST, 0)
    )
    try:
        async with running_node(folder, "ws://unused/", pairs=4) as node:
            parts = node.house.parts
            maker = await TrunkMaker(parts.store, AccountSid("greenleaf1")).make()
            await maker.destination(f"sip:{HOST}:{peer.port}")
            await maker.settings(settings)
            await parts.directory.refresh()
            await node.place(f"sip:{TRUNK_SID}")
            yield node, peer
    finally:
        transport.close()


async def test_a_destination_that_asks_for_a_login_gets_the_trunks_pn_2(tmp_path: Path) -> None:
    """The same Call-ID again, with Proxy-Authorization, once."""
    login = {"as_destination_user": "us", "as_destination_password": "s3cret"}
    async with called(tmp_path, **login) as (node, peer):
        await until(lambda: peer.said == [407, 200])
        first, second = peer.invites
        assert header(first, "Call-ID") == header(second, "Call-ID")
        assert parse_challenge(header(second, "Proxy-Authorization")) is not None
        assert "s3cret" not in "".join(peer.invites)
        assert "s3cret" not in repr(node.facts)


async def test_a_wrong_password_ends_it_after_one_try_pn_2(tmp_path: Path) -> None:
    """LiveKit says 401 without a challenge, and no more is tried."""
    login = {"as_destination_user": "us", "as_destination_password": "wrong"}
    async with called(tmp_path, **login) as (node, peer):
        (record,) = await node.records()
        assert record.cause is not Cause.NORMAL
        assert peer.said == [407, 401]


async def test_a_trunk_without_a_login_answers_no_challenge(tmp_path: Path) -> None:
    async with called(tmp_path) as (node, peer):
        (record,) = await node.records()
        assert record.cause is not Cause.NORMAL
        assert peer.said == [407]


async def test_what_a_trunk_is_sent_says_what_we_can_sip_11(tmp_path: Path) -> None:
    """Allow lists the usual methods with REFER; replaces is supported."""
    async with called(tmp_path) as (_, peer):
        await until(lambda: bool(peer.invites))
        allow = header(peer.invites[0], "Allow").split(", ")
        assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REFER", "NOTIFY", "INFO"} <= set(
            allow
        )
        assert "replaces" in header(peer.invites[0], "Supported").split(", ")
