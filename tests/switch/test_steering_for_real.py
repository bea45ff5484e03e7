"""A leg that is steered on a whole node: SIP, RTP and a bot's socket are real, and so is time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentstream.base.ids import LegSid
from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.events import LegTold
from agentstream.flows.legs.verbs import (
    Act,
    Dial,
    Hangup,
    Message,
    SendDigits,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopPlay,
    StopSay,
    Verb,
)
from agentstream.switch.feed import Fact
from agentstream.testing.customer import Reply, customer
from agentstream.testing.node import Node, running_node
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.scripted_bot import BotCall, ScriptedBot, scripted_bot
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.sound import as_pcm, as_ulaw, write_wav
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
ANGLES = np.arange(8_000) * 2 * np.pi / 8_000
TONE = np.sin(ANGLES * 440) * 12_000
FIRST_SAMPLE_S = 0.150  # LG-125
GAP_S = 0.040


async def speaks(call: BotCall) -> None:
    """Talk at once, for five seconds."""
    await call.until("start")
    for _ in range(5):
        await call.media(as_pcm(TONE))


@dataclass
class Street:
    """A node, a telephone that it calls, and a bot."""

    node: Node
    callee: ScriptedCallee
    phone: RtpPhone
    bot: ScriptedBot
    sounds: str
    leg_sid: LegSid = field(default=LegSid(""))
    acts: int = 0

    async def call(self, user: str = "answers") -> None:
        await self.node.place(self.callee.uri(user))
        told = await self.told("leg_answered")
        self.leg_sid = LegSid(told.leg_sid)

    async def act(self, *verbs: Verb) -> float:
        """Ask for verbs; returns when, on the loop's clock."""
        self.acts += 1
        at = asyncio.get_running_loop().time()
        request = Act(f"action-{self.acts}", self.leg_sid, verbs)
        await self.node.house.parts.switchboard.act(request)
        return at

    def tales(self) -> list[LegTold]:
        return [event for event in self.node.events if isinstance(event, LegTold)]

    def names(self) -> list[str]:
        return [tale.name for tale in self.tales() if tale.leg_sid == self.leg_sid]

    async def told(self, name: str, count: int = 1) -> LegTold:
        def found() -> list[LegTold]:
            return [tale for tale in self.tales() if tale.name == name]

        await until(lambda: len(found()) >= count)
        return found()[-1]

    async def hears(self, packets: int) -> None:
        """Wait until the telephone has heard so many packets more."""
        goal = len(self.phone.heard) + packets
        await until(lambda: len(self.phone.heard) >= goal)

    def loud_at(self, since: float) -> list[float]:
        """Return when the telephone heard something, from a time on."""
        return [at for at, sound in self.phone.heard if at >= since and is_loud(sound)]


def is_loud(sound: bytes) -> bool:
    return any((byte & 0x70) < 0x30 for byte in sound)


@asynccontextmanager
async def street(folder: Path, talk: Any = speaks, **legs: Any) -> AsyncIterator[Street]:
    """`legs` are settings of that section."""
    tone = write_wav(folder / "tone.wav", TONE, 8_000).read_bytes()
    async with (
        rtp_phone(as_ulaw(TONE)) as phone,
        scripted_callee(audio_port=phone.port) as callee,
        scripted_bot(talk) as bot,
        customer() as shop,
    ):
        shop.answers["/tone.wav"] = Reply(body=tone, content_type="audio/wav")
        trunks = {"one": {"target": f"sip:127.0.0.1:{callee.port}"}}
        sections: dict[str, Any] = {"trunks": trunks, "dial": {"trunk": "one"}, "legs": legs}
        async with running_node(folder, bot.url, pairs=4, **sections) as node:
            yield Street(node, callee, phone, bot, shop.url("/tone.wav"))
            assert await node.is_idle()
            await until(lambda: not callee.live)


async def test_a_leg_is_greeted_streamed_stopped_pressed_and_hung_up(tmp_path: Path) -> None:
    """LG-80 to LG-84, LG-120, EX-41: the recipe of the documents, event by event."""
    async with street(tmp_path) as here:
        await here.call()
        stream = StartStream(here.bot.url, format="audio/x-mulaw;rate=8000")
        await asyncio.gather(here.act(stream), here.act(StartSay(Speech("Please hold the line."))))
        await here.told("stream_started")
        await here.act(StopSay())
        await until(lambda: here.bot.call.said("media"))
        assert here.bot.call.start["media_format"]["encoding"] == "audio/x-mulaw"
        await here.act(SendDigits("12#"))
        sent = await here.told("digits_sent")
        assert dict(sent.data) == {"digits": "12#"}
        await here.act(Hangup())
        terminated = await here.told("leg_terminated")
        assert dict(terminated.data)["hangup_by"] == "local"
        await here.node.records()
        assert here.bot.call.said("stop")
        names = here.names()
        assert names[:3] == ["leg_connecting", "leg_ringing", "leg_answered"]
        assert names.index("stream_initiated") < names.index("stream_started")
        assert names[-2:] == ["stream_stopped", "leg_terminated"]
        told = names.count("say_interrupted") + names.count("say_completed")
        assert told == 1
        facts: list[Fact] = here.node.facts
        assert all(fact.account_sid == "greenleaf1" for fact in facts)


async def test_a_cached_prompt_is_heard_within_150_ms_and_stops_within_40_lg_125(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as here:
        await here.call()
        play = StartPlay(AudioFile(here.sounds), loops=0)
        await here.act(play)
        await here.told("play_started")
        await here.act(StopPlay())
        await here.told("play_interrupted")
        delays, tails = [], []
        for _ in range(5):
            begun = await here.act(play)
            await here.hears(15)
            delays.append(here.loud_at(begun)[0] - begun)
            stopped = await here.act(StopPlay())
            await here.hears(10)
            tails.append(max(here.loud_at(stopped), default=stopped) - stopped)
        assert sorted(delays)[2] < FIRST_SAMPLE_S, delays
        assert sorted(tails)[2] < GAP_S, tails
        await here.act(Hangup())
        await here.node.records()


async def test_the_bot_takes_over_from_the_greeting_without_a_hole_lg_123(tmp_path: Path) -> None:
    async with street(tmp_path) as here:
        await here.call()
        await here.act(StartPlay(AudioFile(here.sounds), loops=0))
        await here.told("play_started")
        begun = await here.act(StartStream(here.bot.url))
        await here.told("play_interrupted")
        await until(lambda: len(here.loud_at(begun)) > 100)
        heard = here.loud_at(begun)
        gaps = [after - before for before, after in pairwise(heard)]
        assert max(gaps) < GAP_S + 0.02, "a packet each 20 ms, and one that may be late"
        await here.act(Hangup())
        await here.node.records()


async def test_the_bot_waits_for_the_end_of_the_greeting_lg_123(tmp_path: Path) -> None:
    async with street(tmp_path, greeting_overlap="queue") as here:
        await here.call()
        await here.act(StartPlay(AudioFile(here.sounds), loops=2))
        await here.told("play_started")
        await here.act(StartStream(here.bot.url))
        await here.told("play_completed")
        begun = asyncio.get_running_loop().time()
        await until(lambda: len(here.loud_at(begun)) > 100)
        assert "play_interrupted" not in here.names()
        await here.act(Hangup())
        await here.node.records()


async def test_a_message_is_recorded_until_its_caller_is_silent_ex_22(tmp_path: Path) -> None:
    async with street(tmp_path) as here:
        await here.call()
        message = Message(1_000, prompt=StartPlay(AudioFile(here.sounds)))
        await here.act(StartRecording(message=message, kind="8.mp3"), Hangup())
        await here.told("recording_started")
        await here.hears(50)
        here.phone.sound = b""
        stopped = await here.told("recording_stopped")
        assert dict(stopped.data)["reason"] == "silence"
        available = await here.told("recording_available")
        duration_ms = dict(available.data)["duration_ms"]
        assert ".8.mp3" in str(dict(available.data)["url"])
        assert isinstance(duration_ms, int)
        assert 1_900 < duration_ms < 4_000
        await here.told("leg_terminated")
        names = here.names()
        assert names.index("play_completed") < names.index("recording_started")
        assert names.count("play_started") == 1, "of the beep nothing is told"
        await here.node.records()


async def test_a_second_party_is_dialled_and_talks(tmp_path: Path) -> None:
    """EX-21, EX-32: over real SIP."""
    async with street(tmp_path) as here:
        await here.call()
        await here.act(Dial(here.callee.uri("busy"), "+918040000002"))
        failed = await here.told("dial_failed")
        assert dict(failed.data)["sip_code"] == 486
        await here.act(Dial(here.callee.uri("answers2"), "+918040000002"))
        await here.told("dial_success")
        here.callee.hang_up("answers2")
        completed = await here.told("dial_completed")
        assert dict(completed.data)["status"] == "completed"
        await here.act(Hangup())
        await here.node.records()


async def test_who_was_dialled_stays_when_the_first_party_hangs_up(tmp_path: Path) -> None:
    """BR-9: over real SIP and RTP, with a sound, a bot, and a party that the second one dials."""
    async with street(tmp_path) as here:
        await here.call()
        await here.act(Dial(here.callee.uri("answers2"), "+918040000002"))
        joined = await here.told("dial_success")
        first, second = here.leg_sid, LegSid(str(dict(joined.data)["second_leg_sid"]))
        here.callee.hang_up("answers")
        terminated = await here.told("leg_terminated")
        assert terminated.leg_sid == first
        assert here.names()[-2:] == ["dial_completed", "leg_terminated"]
        here.leg_sid = second
        begun = await here.act(StartPlay(AudioFile(here.sounds), loops=0))
        await until(lambda: len(here.loud_at(begun)) > 10)
        await here.act(StartStream(here.bot.url))
        await here.told("stream_started")
        await here.act(Dial(here.callee.uri("answers3"), "+918040000002"))
        dialled = await here.told("dial_success", 2)
        third = LegSid(str(dict(dialled.data)["second_leg_sid"]))
        await here.act(Hangup())
        gone = await here.told("leg_terminated", 2)
        assert (gone.leg_sid, dict(gone.data)["hangup_by"]) == (second, "local")
        here.callee.hang_up("answers3")
        gone = await here.told("leg_terminated", 3)
        assert (gone.leg_sid, dict(gone.data)["hangup_by"]) == (third, "remote")
        [record] = await here.node.records()
        assert [leg.leg_sid for leg in record.legs] == [first, second, third]
        assert record.cause is record.legs[0].cause
        assert record.hung_up_ms < (record.legs[1].answered_ms or 0) + record.legs[1].talk_ms
