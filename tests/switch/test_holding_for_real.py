"""Over real SIP: what is said while a recording is paused, and while a party is on hold."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agentstream.base.ids import CallSid, PromptId
from agentstream.calls.commands import Command, Hold, PauseRecording, ResumeRecording, Unhold
from agentstream.calls.events import CallStarted, PromptFinished
from agentstream.calls.record import CallRecord
from agentstream.server.callee import Manners
from agentstream.server.caller import PlacedCall
from agentstream.testing.node import Node, running_node, scripted_caller, scripted_phone
from agentstream.testing.sound import Samples, read_wav, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
RATE_HZ = 8_000
WINDOW = 800  # 100 ms
FLOW = """
name: person
start: person
applets:
  person: {type: connect, numbers: ["sip:ann@%s"], record: true, next: bye}
  bye: {type: hangup}
"""


@dataclass
class Talk:
    """A caller and an agent who hear each other, and what both will have heard."""

    folder: Path
    node: Node
    caller: PlacedCall
    agent: PlacedCall

    @property
    def heard_by_caller(self) -> Samples:
        return read_wav(self.folder / "caller.wav", 0)

    @property
    def heard_by_agent(self) -> Samples:
        return read_wav(self.folder / "agent.wav", 0)

    async def ask(self, wish: Command) -> None:
        [started] = self.node.saw("CallStarted")
        assert isinstance(started, CallStarted)
        board = self.node.house.parts.switchboard
        await board.ask(CallSid(started.call_sid), wish)

    def tone(self, pitch_hz: int) -> Path:
        """Return half a second of a tone and some silence."""
        beat = np.sin(np.arange(RATE_HZ // 2) * 2 * np.pi * pitch_hz / RATE_HZ) * 8_000
        path = self.folder / f"{pitch_hz}.wav"
        return write_wav(path, with_silence(beat, RATE_HZ, 400), RATE_HZ)

    async def over(self) -> CallRecord:
        """Let the caller go; everything is written."""
        await self.caller.hang_up()
        [record] = await self.node.records()
        await self.agent.wait_ended()
        for name in ("caller.wav", "agent.wav"):
            await until((self.folder / name).exists)
        return record


@asynccontextmanager
async def talk(folder: Path) -> AsyncIterator[Talk]:
    manners = Manners(record_to=folder / "agent.wav")
    async with (
        scripted_phone(manners) as (phone, address),
        running_node(folder / "node", "ws://unused/") as node,
        scripted_caller() as caller,
    ):
        await node.flow(FLOW % address)
        call = await caller.dial(node.target(), record_to=folder / "caller.wav")
        agent = await phone.called()
        await until(lambda: node.saw("LegsBridged"))
        yield Talk(folder, node, call, agent)


def beats(samples: Samples, pitch_hz: int) -> int:
    """Return how many windows of 100 ms have a tone of this pitch and loudness."""
    count = samples.size // WINDOW
    turn = np.exp(-2j * np.pi * pitch_hz * np.arange(WINDOW) / RATE_HZ)
    size = np.abs(samples[: count * WINDOW].reshape(count, WINDOW) @ turn) / WINDOW * 2
    return int((size > 4_000).sum())


async def test_what_is_said_while_the_recording_is_paused_is_not_in_it_v3_10(
    tmp_path: Path,
) -> None:
    async with talk(tmp_path) as both:
        await both.caller.say(both.tone(440))
        await both.ask(PauseRecording())
        await both.caller.say(both.tone(1_000))
        await both.ask(ResumeRecording())
        await both.caller.say(both.tone(700))
        record = await both.over()
    kept = read_wav(Path(record.recordings[0].path))
    for pitch_hz, is_kept in ((440, True), (1_000, False), (700, True)):
        assert beats(both.heard_by_agent, pitch_hz) >= 3, pitch_hz
        assert (beats(kept, pitch_hz) >= 3) is is_kept, pitch_hz
        assert is_kept or not beats(kept, pitch_hz)
    paused = both.heard_by_agent.size - kept.size
    assert paused > 0.8 * RATE_HZ  # it is absent, not silent


async def test_a_held_caller_hears_music_and_nobody_until_the_agent_is_back(
    tmp_path: Path,
) -> None:
    async with talk(tmp_path) as both:
        await both.caller.say(both.tone(440))
        await both.ask(Hold(PromptId("music")))
        await until(lambda: both.node.saw("PromptBegan"))
        await both.caller.say(both.tone(1_000))
        await both.agent.say(both.tone(1_200))
        await both.ask(Unhold())
        await until(lambda: music_ended(both.node))
        await both.caller.say(both.tone(700))
        await both.agent.say(both.tone(800))
        await both.over()
    assert [beats(both.heard_by_agent, one) >= 3 for one in (440, 1_000, 700)] == [
        *(True, False, True),
    ]
    assert beats(both.heard_by_agent, 1_000) == 0
    assert beats(both.heard_by_caller, 1_200) == 0
    assert beats(both.heard_by_caller, 800) >= 3
    before, after = first(both.heard_by_caller, 262), last(both.heard_by_caller, 800)
    assert before < after  # the first note of the music, and the agent afterwards


async def test_a_held_caller_whose_agent_goes_is_no_longer_held(tmp_path: Path) -> None:
    async with talk(tmp_path) as both:
        await both.ask(Hold(PromptId("music")))
        await until(lambda: both.node.saw("PromptBegan"))
        await both.agent.hang_up()
        await both.caller.wait_ended()
        [record] = await both.node.records()
        assert music_ended(both.node)
        assert await both.node.is_idle()
    assert record.cause.value == "normal"


def music_ended(node: Node) -> bool:
    ended = [one for one in node.saw("PromptFinished") if isinstance(one, PromptFinished)]
    return any(one.prompt_id == "music" for one in ended)


def first(samples: Samples, pitch_hz: int) -> int:
    return next(at for at in windows(samples) if beats_softly(samples, at, pitch_hz))


def last(samples: Samples, pitch_hz: int) -> int:
    return next(at for at in reversed(windows(samples)) if beats_softly(samples, at, pitch_hz))


def windows(samples: Samples) -> range:
    return range(0, samples.size - WINDOW, WINDOW)


def beats_softly(samples: Samples, at: int, pitch_hz: int) -> bool:
    turn = np.exp(-2j * np.pi * pitch_hz * np.arange(WINDOW) / RATE_HZ)
    return bool(abs(samples[at : at + WINDOW] @ turn) / WINDOW * 2 > 800)
