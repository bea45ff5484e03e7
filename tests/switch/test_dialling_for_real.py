"""The node dials over real SIP: every way in which a dialled leg can go, and nothing is left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Command, Dial, DialSpec, HangUpLeg
from agentstream.calls.events import CallStarted, Event, LegDialled, LegGone, LegRinging, LegUp
from agentstream.calls.record import CallRecord
from agentstream.server.caller import PlacedCall
from agentstream.switch.feed import Note
from agentstream.testing.scene import Scene, scene
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
AGENT = LegSid("agent")
Kind = TypeVar("Kind", bound=Event | Note)


@dataclass
class Exchange:
    """A node with a caller who talks to a bot, and somebody who can be dialled."""

    night: Scene
    callee: ScriptedCallee
    call: PlacedCall

    async def ask(self, *wishes: Command) -> None:
        board = self.night.node.house.parts.switchboard
        call_sid = CallSid(self.saw(CallStarted)[-1].call_sid)
        for wish in wishes:
            await board.ask(call_sid, wish)

    async def dial(self, user: str, leg_sid: LegSid = AGENT, ring_ms: int = 20_000) -> None:
        await self.ask(Dial(leg_sid, DialSpec(self.callee.uri(user), ring_ms=ring_ms)))

    def saw(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.night.node.events if isinstance(event, kind)]

    async def until_saw(self, kind: type[Kind], count: int = 1) -> Kind:
        await until(lambda: len(self.saw(kind)) >= count)
        return self.saw(kind)[-1]

    async def caller_goes(self) -> CallRecord:
        """Let the caller hang up; nothing of anybody is left, and the record knows them all."""
        await self.call.hang_up()
        record = await self.night.record()
        assert record.ended_by is Party.CALLER
        await self.nobody_is_left()
        assert len(record.legs) == 1 + len(self.saw(LegDialled))
        assert len(self.saw(LegGone)) == len(self.saw(LegDialled))
        for leg, gone in zip(record.legs[1:], self.saw(LegGone), strict=False):
            assert leg.ended_ms is not None
            assert gone.talk_ms <= record.duration_ms
        return record

    async def nobody_is_left(self) -> None:
        await until(lambda: not self.callee.live)
        assert await self.night.node.is_idle()
        assert self.callee.engine.counters["calls_now"] == 0


@asynccontextmanager
async def exchange(folder: Path, pairs: int = 4) -> AsyncIterator[Exchange]:
    async with scripted_callee() as callee:
        trunk = {"target": f"sip:127.0.0.1:{callee.port}", "headers": {"X-Trunk": "one"}}
        trunks, dial = {"one": trunk}, {"trunk": "one"}
        async with scene(folder, pairs=pairs, trunks=trunks, dial=dial) as night:
            yield Exchange(night, callee, await night.talk())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(tmp_path) as opened:
        yield opened


async def test_a_callee_who_answers_and_hangs_up_ends_alone(house: Exchange) -> None:
    await house.dial("answers")
    await house.until_saw(LegUp)
    assert not house.saw(LegRinging)[0].has_early_media
    house.callee.hang_up("answers")
    gone = await house.until_saw(LegGone)
    assert (gone.cause, gone.party) == (Cause.NORMAL, Party.CALLEE)
    record = await house.caller_goes()
    leg = record.legs[1]
    assert (leg.direction, leg.destination) == ("outbound", house.callee.uri("answers"))
    assert leg.answered_ms is not None
    assert leg.rang_ms is not None
    assert leg.rang_ms <= leg.answered_ms
    assert (leg.cause, leg.ended_by, leg.talk_ms) == (Cause.NORMAL, Party.CALLEE, gone.talk_ms)


async def test_a_number_goes_out_by_the_trunk(house: Exchange) -> None:
    await house.ask(Dial(AGENT, DialSpec("+918040000009", headers=(("X-Ticket", "42"),))))
    await house.until_saw(LegUp)
    (invited,) = house.callee.calls.values()
    assert invited.request_uri == f"sip:+918040000009@127.0.0.1:{house.callee.port}"
    assert invited.from_uri.startswith("sip:1000@127.0.0.1")  # AP-47: the number that was called
    assert {("X-Trunk", "one"), ("X-Ticket", "42")} <= set(invited.headers)
    await house.caller_goes()


@pytest.mark.parametrize(
    ("user", "cause"),
    [("busy", Cause.BUSY), ("declines", Cause.REJECTED), ("unknown", Cause.NOT_FOUND)],
)
async def test_a_callee_who_refuses_says_why(house: Exchange, user: str, cause: Cause) -> None:
    await house.dial(user)
    gone = await house.until_saw(LegGone)
    assert (gone.cause, gone.party, gone.talk_ms) == (cause, Party.CALLEE, 0)
    assert (await house.caller_goes()).legs[1].cause is cause


async def test_a_callee_who_does_not_answer_in_time_is_cancelled(house: Exchange) -> None:
    await house.dial("rings", ring_ms=200)
    gone = await house.until_saw(LegGone)
    assert (gone.cause, gone.party) == (Cause.NO_ANSWER, Party.SYSTEM)
    await until(lambda: not house.callee.live)
    (ended,) = house.callee.ended.values()
    assert (ended.by, ended.status) == ("remote", 487)
    await house.caller_goes()


async def test_ten_ring_at_once_one_answers_and_nine_are_cancelled(tmp_path: Path) -> None:
    async with exchange(tmp_path, pairs=12) as house:
        parties = [LegSid(f"party-{number}") for number in range(10)]
        for leg_sid in parties[:9]:
            await house.dial(f"rings-{leg_sid}", leg_sid)
        await house.until_saw(LegRinging, 9)
        await house.dial("answers", parties[9])
        await house.until_saw(LegUp)
        await house.ask(*(HangUpLeg(leg_sid) for leg_sid in parties[:9]))
        await house.until_saw(LegGone, 9)
        assert {gone.cause for gone in house.saw(LegGone)} == {Cause.CANCELED}
        await until(lambda: len(house.callee.live) == 1)
        assert {ended.status for ended in house.callee.ended.values()} == {487}
        assert house.callee.live == set(house.callee.refs("answers"))
        await until(lambda: house.night.node.house.parts.media.free_ports() == 10)
        record = await house.caller_goes()
        assert [leg.cause for leg in record.legs[1:10]] == [Cause.CANCELED] * 9
        assert record.legs[10].answered_ms is not None


async def test_a_caller_who_goes_while_it_rings_cancels_the_callee(house: Exchange) -> None:
    await house.dial("rings")
    await house.until_saw(LegRinging)
    record = await house.caller_goes()
    (ended,) = house.callee.ended.values()
    assert (ended.by, ended.status) == ("remote", 487)
    assert record.legs[1].cause is Cause.CANCELED
    assert house.saw(LegGone)[0].party is Party.CALLER


async def test_a_caller_who_goes_before_it_rings_leaves_nothing(house: Exchange) -> None:
    await house.dial("rings")
    await house.caller_goes()


async def test_a_caller_who_goes_ends_the_callee_who_talks(house: Exchange) -> None:
    await house.dial("answers")
    await house.until_saw(LegUp)
    record = await house.caller_goes()
    (ended,) = house.callee.ended.values()
    assert (ended.by, ended.q850) == ("remote", 16)
    assert record.legs[1].answered_ms is not None


async def test_early_media_is_told(house: Exchange) -> None:
    await house.dial("early")
    ringing = await house.until_saw(LegRinging)
    assert ringing.has_early_media
    await house.ask(HangUpLeg(AGENT))
    assert (await house.until_saw(LegGone)).cause is Cause.CANCELED
    await house.caller_goes()


async def test_a_callee_who_holds_and_resumes_stays(house: Exchange) -> None:
    await house.dial("answers")
    await house.until_saw(LegUp)
    (ref,) = house.callee.refs("answers")

    async def changes_to(direction: str, mirrored: str) -> None:
        before = house.callee.answers
        house.callee.engine.update_media(ref, house.callee.sdp(2 + len(before), direction))
        await until(lambda: len(house.callee.answers) > len(before))
        assert f"a={mirrored}" in house.callee.answers[-1]

    await changes_to("sendonly", "recvonly")
    await changes_to("sendrecv", "sendrecv")
    assert not house.saw(LegGone)
    await house.caller_goes()


async def test_where_nobody_listens_the_leg_ends_with_the_reason(house: Exchange) -> None:
    await house.ask(Dial(AGENT, DialSpec("sip:ann@127.0.0.1:1;transport=tcp")))
    gone = await house.until_saw(LegGone)
    assert (gone.cause, gone.party) == (Cause.SIGNALLING_LOST, Party.NETWORK)
    await house.caller_goes()
