"""Keys across two legs of a node, over real sockets: RFC 4733 with two numbers, and INFO."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid
from agentstream.sip.reports import InfoReceived
from agentstream.testing.key_phone import KeyPhone, key_phone
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.raw_sip import RawSip, raw_sip
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
LOUD = bytes([0x00, 0x80] * 4_000)
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 {events}\r\na=rtpmap:{events} telephone-event/8000\r\n"
    "a=fmtp:{events} 0-15\r\na=ptime:{ptime}\r\n"
)


@dataclass
class Talk:
    """A caller with RFC 4733 under its own number, and a callee behind an account's trunk."""

    node: Node
    caller: RawSip
    ann: KeyPhone
    callee: ScriptedCallee
    bob: KeyPhone

    @property
    def infos(self) -> list[str]:
        """The bodies of what the callee was told by INFO."""
        return [one.body for one in self.callee.reports if isinstance(one, InfoReceived)]


@asynccontextmanager
async def talk(
    folder: Path, dtmf: str = "auto", *, events: int = 96, ptime: int = 20, takes: bool = True
) -> AsyncIterator[Talk]:
    """Let them talk; `takes`: the callee's answer has telephone-event."""
    async with (
        key_phone(events, LOUD) as ann,
        key_phone(101, LOUD) as bob,
        raw_sip() as caller,
        scripted_callee(lambda _: "answers", audio_port=bob.port) as callee,
        running_node(folder, "ws://unused/", pairs=4) as node,
    ):
        if not takes:
            whole = callee.sdp()
            lines = [line for line in whole.splitlines() if "101" not in line or "m=" in line]
            plain = "\r\n".join(lines).replace("AVP 0 101", "AVP 0") + "\r\n"
            callee.sdp = lambda *_, **__: plain  # type: ignore[method-assign]
        parts = node.house.parts
        maker = await TrunkMaker(parts.store, AccountSid("greenleaf1")).make()
        await maker.destination(f"sip:{HOST}:{callee.port}")
        await maker.settings({"as_dtmf": dtmf})
        await parts.directory.refresh()
        await node.flow(CONNECT % f"sip:{TRUNK_SID}")
        host, _, port = node.address().rpartition(":")
        caller.node = (host, int(port))
        offer = OFFER.format(host=HOST, port=ann.port, events=events, ptime=ptime)
        await caller.call("1000", ann.port, sdp=offer)
        await until(lambda: ann.loud_packets() > 5 and bob.loud_packets() > 5)
        yield Talk(node, caller, ann, callee, bob)
        caller.say("BYE")
        await node.records()
        assert await node.is_idle()


@pytest.mark.parametrize(("events", "ptime"), [(96, 20), (101, 30), (120, 60)])
async def test_a_key_has_each_sides_own_number_whatever_its_packet_time_sip_41(
    tmp_path: Path, events: int, ptime: int
) -> None:
    """RFC 4733 across a bridge: the payload type is renumbered, the key comes once."""
    async with talk(tmp_path, events=events, ptime=ptime) as there:
        there.ann.press("5")
        await until(lambda: there.bob.keys)
        there.bob.press("#")
        await until(lambda: there.ann.keys)
        assert there.bob.keys == [(101, "5")]
        assert there.ann.keys == [(events, "#")]
        assert there.infos == []


async def test_keys_to_a_trunk_that_wants_info_go_as_info_tr_72(tmp_path: Path) -> None:
    """as_dtmf = info: keys of the caller, and back those that come by INFO or as events."""
    async with talk(tmp_path, "info") as there:
        there.ann.press("5")
        await until(lambda: there.infos)
        assert there.infos[0].startswith("Signal=5\r\nDuration=")
        assert there.bob.keys == []
        (ref,) = there.callee.live
        there.callee.engine.send_info(ref, "application/dtmf-relay", "Signal=9\r\nDuration=100")
        await until(lambda: there.ann.keys)
        there.bob.press("#")
        await until(lambda: len(there.ann.keys) == 2)
        assert there.ann.keys == [(96, "9"), (96, "#")]


async def test_auto_is_info_for_who_takes_no_events_but_allows_it_tr_72(tmp_path: Path) -> None:
    async with talk(tmp_path, takes=False) as there:
        there.ann.press("7")
        await until(lambda: there.infos)
        assert there.infos[0].startswith("Signal=7\r\n")


async def test_rfc4733_is_tones_for_who_takes_no_events_tr_72(tmp_path: Path) -> None:
    async with talk(tmp_path, "rfc4733", takes=False) as there:
        there.ann.press("7")
        await until(lambda: len(there.node.saw("DigitReceived")) == 1)
        assert there.infos == []
        assert there.bob.keys == []
