"""The node calls baresip: it rings, answers, is cancelled, declines, hangs up; nothing is left."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Command, Dial, DialSpec, HangUpLeg
from agentstream.calls.events import CallStarted, Event, LegGone, MediaBegan
from agentstream.calls.record import CallRecord
from agentstream.server.caller import PlacedCall
from agentstream.switch.feed import Note
from agentstream.testing.peers import Baresip, running_baresip
from agentstream.testing.ports import media_range
from agentstream.testing.scene import Scene, scene
from agentstream.testing.sound import speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
AGENT = LegSid("agent")
PAD_MS = 20_000  # silence after the sentence: the phone would hang up at the end of its file


@dataclass
class Exchange:
    """A node with a caller who talks to a bot, and a phone."""

    night: Scene
    phone: Baresip
    call: PlacedCall

    async def ask(self, wish: Command) -> None:
        started = next(one for one in self.night.node.events if isinstance(one, CallStarted))
        await self.night.node.house.parts.switchboard.ask(started.call_sid, wish)

    async def dial(self, ring_ms: int = 20_000) -> None:
        await self.ask(Dial(AGENT, DialSpec(self.phone.uri, ring_ms=ring_ms)))
        await self.phone.until("CALL_INCOMING")

    async def talks(self) -> None:
        """Dial, and let the phone answer; its voice arrives."""
        await self.dial()
        await self.phone.order("accept")
        await until(lambda: self.night.node.saw("LegUp"))
        await until(lambda: any(leg_of(one) == AGENT for one in self.night.node.saw("MediaBegan")))

    async def gone(self) -> LegGone:
        await until(lambda: self.night.node.saw("LegGone"))
        (event,) = self.night.node.saw("LegGone")
        assert isinstance(event, LegGone)
        return event

    async def ends(self) -> CallRecord:
        """End the call; nothing is left of anybody."""
        await self.call.hang_up()
        record = await self.night.record()
        await self.phone.until("CALL_CLOSED")
        assert await self.night.node.is_idle()
        assert [leg.leg_sid for leg in record.legs][1:] == [AGENT]
        assert record.legs[1].ended_ms is not None
        return record


def leg_of(event: Event | Note) -> str:
    return event.leg_sid if isinstance(event, MediaBegan) else ""


@asynccontextmanager
async def exchange(folder: Path) -> AsyncIterator[Exchange]:
    spoken = write_wav(folder / "source.wav", with_silence(speech(8_000), 8_000, PAD_MS), 8_000)
    async with (
        running_baresip(folder / "phone", spoken, rtp_ports=media_range(10)) as phone,
        scene(folder) as night,
    ):
        yield Exchange(night, phone, await night.talk())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(tmp_path) as opened:
        yield opened


async def test_it_answers_is_heard_and_hangs_up(house: Exchange) -> None:
    await house.talks()
    await house.phone.order("hangup")
    gone = await house.gone()
    assert (gone.cause, gone.party) == (Cause.NORMAL, Party.CALLEE)
    assert gone.talk_ms > 0
    leg = (await house.ends()).legs[1]
    assert (leg.had_media, leg.talk_ms, leg.destination) == (True, gone.talk_ms, house.phone.uri)


async def test_it_rings_and_is_cancelled(house: Exchange) -> None:
    await house.dial()
    await house.ask(HangUpLeg(AGENT))
    assert (await house.gone()).cause is Cause.CANCELED
    assert (await house.ends()).legs[1].answered_ms is None


async def test_it_rings_too_long(house: Exchange) -> None:
    await house.dial(ring_ms=500)
    gone = await house.gone()
    assert (gone.cause, gone.party) == (Cause.NO_ANSWER, Party.SYSTEM)
    await house.ends()


async def test_it_declines(house: Exchange) -> None:
    await house.dial()
    await house.phone.order("hangup")
    gone = await house.gone()
    assert (gone.cause, gone.party) == (Cause.BUSY, Party.CALLEE)
    await house.ends()


async def test_it_holds_and_resumes_and_stays(house: Exchange) -> None:
    await house.talks()
    await house.phone.order("hold")
    await house.phone.order("resume")
    await house.phone.press("5")
    await until(lambda: house.night.node.saw("DigitReceived"))
    assert not house.night.node.saw("LegGone")
    assert (await house.ends()).legs[1].cause is Cause.NORMAL


async def test_the_caller_goes_while_it_rings(house: Exchange) -> None:
    await house.dial()
    assert (await house.ends()).legs[1].cause is Cause.CANCELED
