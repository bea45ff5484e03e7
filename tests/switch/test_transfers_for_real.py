"""Transfers over real sockets: a peer as LiveKit is refers, and audio goes where it should."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.transfer_words import TransferFinished
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.raw_sip import RawSip, header, raw_sip
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
LOUD = bytes([0x00, 0x80] * 4_000)  # µ-law at full scale
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""
BOT = """
name: any
start: talk
applets:
  talk: {type: greeting, text: "hello", loops: 0, next: bye}
  bye: {type: hangup}
"""


@dataclass
class House:
    """A node, a peer that calls it, two people whom it may call, and everybody's audio."""

    node: Node
    peer: RawSip
    ann: RtpPhone  # the peer's audio
    bob: ScriptedCallee
    bobs: RtpPhone
    carol: ScriptedCallee
    carols: RtpPhone

    def finished(self) -> TransferFinished:
        (event,) = self.node.saw("TransferFinished")
        assert isinstance(event, TransferFinished)
        return event

    async def talk(self) -> None:
        """Let the peer call, and talk with Bob."""
        await self.node.flow(CONNECT % self.bob.uri("answers"))
        await self.peer.call("1000", self.ann.port)
        await hear_each_other(self.ann, self.bobs)


async def hear_each_other(*phones: RtpPhone) -> None:
    """Wait until each hears somebody loud from now on."""
    before = [phone.loud_packets() for phone in phones]

    def all_hear() -> bool:
        now = [phone.loud_packets() for phone in phones]
        return all(after > count + 5 for after, count in zip(now, before, strict=True))

    await until(all_hear)


@asynccontextmanager
async def house(
    folder: Path, refer: str = "allow", who: str = "answers", closed_to_all_but: str = ""
) -> AsyncIterator[House]:
    async with (
        rtp_phone(LOUD) as ann,
        rtp_phone(LOUD) as bobs,
        rtp_phone(LOUD) as carols,
        raw_sip(at=closed_to_all_but or HOST) as peer,
        scripted_callee(audio_port=bobs.port) as bob,
        scripted_callee(lambda user: who, audio_port=carols.port) as carol,
    ):
        trunk: dict[str, object] = {"target": f"sip:{peer.host}:{peer.port}", "refer": refer}
        sections: dict[str, Any] = {"trunks": {"livekit": trunk}}
        if closed_to_all_but:
            trunk["sources"] = [closed_to_all_but]
            listeners = f"udp://{HOST}:0"
            sections["sip"] = {"listeners": listeners, "unknown_callers": "refuse"}
        async with running_node(folder, "ws://unused/", pairs=6, **sections) as node:
            host, _, port = node.address().rpartition(":")
            peer.node = (host, int(port))
            yield House(node, peer, ann, bob, bobs, carol, carols)


async def refer(house: House, target: str = "") -> int:
    """Refer Bob to Carol."""
    return house.peer.say("REFER", f"Refer-To: <{target or house.carol.uri('carol')}>")


async def told(house: House) -> tuple[str, str]:
    """Return the event and the body of the next NOTIFY."""
    notify = await house.peer.until("NOTIFY")
    return header(notify, "Event"), notify.partition("\r\n\r\n")[2]


async def goes_on(there: House) -> None:
    """Check that Bob and Carol talk, and that nothing is left once she hangs up."""
    await until(lambda: there.node.saw("LegGone"))
    await hear_each_other(there.bobs, there.carols)
    assert (there.finished().outcome, there.finished().status) == ("bridged", 200)
    there.carol.hang_up("carol")
    (record,) = await there.node.records()
    assert record.ended_by is Party.CALLEE
    await until(lambda: not there.bob.live)
    assert await there.node.is_idle()


async def test_livekit_refers_and_the_others_talk_on(tmp_path: Path) -> None:
    """PN-10, SIP-61, SIP-62: REFER, 202, NOTIFY 100 and 200, then our BYE."""
    async with house(tmp_path) as there:
        await there.talk()
        event = f"refer;id={await refer(there)}"
        await there.peer.until("SIP/2.0 202")
        assert await told(there) == (event, "SIP/2.0 100 Trying\r\n")
        said = await told(there)
        if said == (event, "SIP/2.0 180 Ringing\r\n"):
            said = await told(there)
        assert said == (event, "SIP/2.0 200 OK\r\n")
        await there.peer.until("BYE")
        await goes_on(there)


async def test_livekit_may_hang_up_while_the_target_rings(tmp_path: Path) -> None:
    """SIP-62: the other party never loses the call by that BYE."""
    async with house(tmp_path, who="rings") as there:
        await there.talk()
        await refer(there)
        await there.peer.until("SIP/2.0 202")
        await told(there)
        assert (await told(there))[1] == "SIP/2.0 180 Ringing\r\n"
        there.peer.say("BYE")
        await there.peer.until("SIP/2.0 200")
        await until(lambda: there.node.saw("LegGone"))
        (ref,) = there.carol.refs("carol")
        there.carol.engine.answer(ref, there.carol.sdp())
        await goes_on(there)


async def test_a_target_that_is_busy_leaves_the_call_as_it_was(tmp_path: Path) -> None:
    """SIP-62: 486 is told, and audio goes on both ways."""
    async with house(tmp_path, who="busy") as there:
        await there.talk()
        await refer(there)
        await there.peer.until("SIP/2.0 202")
        assert (await told(there))[1] == "SIP/2.0 100 Trying\r\n"
        assert (await told(there))[1] == "SIP/2.0 486 Busy Here\r\n"
        await hear_each_other(there.ann, there.bobs)
        assert (there.finished().outcome, there.finished().status) == ("failed", 486)
        there.peer.say("BYE")
        (record,) = await there.node.records()
        assert record.ended_by is Party.CALLER
        assert await there.node.is_idle()


async def test_a_trunk_that_allows_none_refuses(tmp_path: Path) -> None:
    """SIP-61: deny is 403, and it is the default."""
    async with house(tmp_path, "deny") as there:
        await there.talk()
        await refer(there)
        await there.peer.until("SIP/2.0 403")
        await hear_each_other(there.ann, there.bobs)
        assert there.finished().outcome == "refused"
        there.peer.say("BYE")
        await there.node.records()
        assert await there.node.is_idle()


async def test_the_telephone_network_is_for_those_who_may(tmp_path: Path) -> None:
    """SIP-63: the second switch."""
    async with house(tmp_path) as there:
        await there.talk()
        for target in ("tel:+14155550100", "sip:+14155550100@127.0.0.1"):
            await refer(there, target)
            await there.peer.until("SIP/2.0 403")
        there.peer.say("BYE")
        await there.node.records()


async def test_a_caller_who_hears_a_flow_talks_with_the_target_instead(tmp_path: Path) -> None:
    """Nobody else is there to be transferred: what the flow does ends, and the two talk."""
    async with house(tmp_path) as there:
        await there.node.flow(BOT)
        await there.peer.call("1000", there.ann.port)
        await until(lambda: len(there.ann.heard) > 5)
        await refer(there)
        await there.peer.until("SIP/2.0 202")
        await hear_each_other(there.ann, there.carols)
        there.carol.hang_up("carol")
        await there.peer.until("BYE")
        (record,) = await there.node.records()
        assert record.ended_by is Party.CALLEE
        assert await there.node.is_idle()


REFERS = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], refer: true, next: bye}
  bye: {type: hangup}
"""


async def test_a_flow_hands_its_caller_back_to_its_own_side_op_1(tmp_path: Path) -> None:
    """SIP-61: REFER, 202, NOTIFY 200 of theirs, then our BYE; nobody is dialled from here."""
    async with house(tmp_path) as there:
        await there.node.flow(REFERS % there.carol.uri("carol"))
        there.peer.status = 202
        await there.peer.call("1000", there.ann.port)
        refer = await there.peer.until("REFER")
        assert header(refer, "Refer-To") == f"<{there.carol.uri('carol')}>"
        there.peer.status = 200
        number = header(refer, "CSeq").partition(" ")[0]
        told = f"Event: refer;id={number}\r\nSubscription-State: terminated\r\n"
        body = "SIP/2.0 200 OK\r\n"
        there.peer.say("NOTIFY", f"{told}Content-Type: message/sipfrag", body)
        await there.peer.until("BYE")
        (record,) = await there.node.records()
        assert (record.cause, there.finished().outcome) == (Cause.NORMAL, "referred")
        assert not there.carol.calls
        assert await there.node.is_idle()


async def test_a_flow_dials_where_the_callers_side_will_not_op_1(tmp_path: Path) -> None:
    """PN-1: LiveKit answers REFER 405; the two are bridged here."""
    async with house(tmp_path) as there:
        await there.node.flow(REFERS % there.carol.uri("carol"))
        there.peer.status = 405
        await there.peer.call("1000", there.ann.port)
        await there.peer.until("REFER")
        await hear_each_other(there.ann, there.carols)
        assert there.finished().outcome == "refused"
        there.peer.say("BYE")
        await there.node.records()
        assert await there.node.is_idle()


async def test_a_trunk_without_transfers_is_asked_for_none(tmp_path: Path) -> None:
    async with house(tmp_path, "deny") as there:
        await there.node.flow(REFERS % there.carol.uri("carol"))
        await there.peer.call("1000", there.ann.port)
        await hear_each_other(there.ann, there.carols)
        assert not there.node.saw("TransferFinished")
        there.peer.say("BYE")
        await there.node.records()
        assert await there.node.is_idle()


def dialog_of(ok: str) -> str:
    """Return how the call that was answered so is named in a Refer-To."""
    tag = header(ok, "To").partition(";tag=")[2]
    return f"{header(ok, 'Call-ID')}%3Bto-tag%3D{tag}%3Bfrom-tag%3Draw"


@pytest.mark.parametrize("closed_to_all_but", ["", "127.0.0.2"], ids=["open", "closed"])
async def test_an_attended_transfer_joins_the_two_others(
    tmp_path: Path, closed_to_all_but: str
) -> None:
    """RFC 5589: the peer has asked Carol first, by a second call, and lets go of both.

    Where strangers are refused, our own INVITE to ourselves is no stranger's.
    """
    async with (
        house(tmp_path, closed_to_all_but=closed_to_all_but) as there,
        raw_sip(there.node.address(), at=there.peer.host) as desk,
        rtp_phone(LOUD) as desks,
    ):
        await there.talk()
        await there.node.flow(CONNECT % there.carol.uri("answers"))
        ok = await desk.call("1001", desks.port)
        await hear_each_other(desks, there.carols)
        number = there.peer.say("REFER", f"Refer-To: <sip:1001@127.0.0.1?Replaces={dialog_of(ok)}>")
        await there.peer.until("SIP/2.0 202")
        said = [await told(there) for _ in range(2)]
        assert said[-1] == (f"refer;id={number}", "SIP/2.0 200 OK\r\n")
        await there.peer.until("BYE")
        await desk.until("BYE")
        await hear_each_other(there.bobs, there.carols)
        there.bob.hang_up("answers")
        records = await there.node.records(2)
        assert all(record.cause is Cause.NORMAL for record in records)
        assert await there.node.is_idle()


async def test_who_may_not_call_may_not_take_the_place_of_a_leg(tmp_path: Path) -> None:
    """The gate opens for our own INVITE, and for no other that names a dialog of ours."""
    async with (
        house(tmp_path, closed_to_all_but="127.0.0.2") as there,
        raw_sip(there.node.address()) as thief,
    ):
        await there.node.flow(CONNECT % there.bob.uri("answers"))
        ok = await there.peer.call("1000", there.ann.port)
        await hear_each_other(there.ann, there.bobs)
        dialog = dialog_of(ok).replace("%3B", ";").replace("%3D", "=")
        thief.start("1000", there.carols.port, f"Require: replaces\r\nReplaces: {dialog}")
        await thief.until("SIP/2.0 403")
        await hear_each_other(there.ann, there.bobs)
        there.peer.say("BYE")
        await there.node.records()
        assert await there.node.is_idle()


async def test_another_phone_may_take_the_place_of_a_leg(tmp_path: Path) -> None:
    """RFC 3891: an INVITE with Replaces, answered 200; the old leg has our BYE."""
    async with (
        house(tmp_path) as there,
        raw_sip(there.node.address()) as desk,
        rtp_phone(LOUD) as desks,
    ):
        await there.node.flow(CONNECT % there.bob.uri("answers"))
        ok = await there.peer.call("1000", there.ann.port)
        await hear_each_other(there.ann, there.bobs)
        dialog = dialog_of(ok).replace("%3B", ";").replace("%3D", "=")
        await desk.call("1000", desks.port, f"Require: replaces\r\nReplaces: {dialog}")
        await there.peer.until("BYE")
        await hear_each_other(desks, there.bobs)
        desk.say("BYE")
        (record,) = await there.node.records()
        assert record.ended_by is Party.CALLER
        assert await there.node.is_idle()


async def test_nobody_takes_the_place_of_a_leg_whose_trunk_allows_none(tmp_path: Path) -> None:
    """RFC 3891 section 3: 603."""
    async with house(tmp_path, "deny") as there, raw_sip(there.node.address()) as desk:
        await there.node.flow(CONNECT % there.bob.uri("answers"))
        ok = await there.peer.call("1000", there.ann.port)
        await hear_each_other(there.ann, there.bobs)
        dialog = dialog_of(ok).replace("%3B", ";").replace("%3D", "=")
        desk.start("1000", there.carols.port, f"Replaces: {dialog}")
        await desk.until("SIP/2.0 603")
        there.peer.say("BYE")
        await there.node.records()
        assert await there.node.is_idle()
