"""The node places a call to baresip, which rings, answers, talks with a bot, or declines."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.flows.direct import DirectBot, bot
from agentstream.testing.node import Node, running_node
from agentstream.testing.peers import Baresip, running_baresip
from agentstream.testing.ports import media_range
from agentstream.testing.scripted_bot import ScriptedBot, scripted_bot
from agentstream.testing.sound import Samples, from_pcm, likeness, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
RATE_HZ = 8_000


@asynccontextmanager
async def street(folder: Path, source: Samples) -> AsyncIterator[tuple[Node, Baresip, ScriptedBot]]:
    # The phone would hang up at the end of its file.
    sound = with_silence(source, RATE_HZ, 20_000)
    spoken = write_wav(folder / "source.wav", sound, RATE_HZ)
    async with (
        running_baresip(folder / "phone", spoken, rtp_ports=media_range(10)) as phone,
        scripted_bot() as robot,
        running_node(folder / "node", robot.url) as node,
    ):
        yield node, phone, robot


async def test_it_answers_talks_with_the_bot_and_hangs_up(tmp_path: Path) -> None:
    source = speech(RATE_HZ)
    async with street(tmp_path, source) as (node, phone, robot):
        await node.place(phone.uri, follow=bot(DirectBot(url=robot.url, preconnects=True)))
        await phone.until("CALL_INCOMING")
        await until(lambda: node.saw("StreamHeld"))
        await phone.order("accept")
        heard_bytes = 2 * source.size
        await until(lambda: len(robot.call.audio()) > heard_bytes, 20_000)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
        await robot.ended()
    assert (record.status, record.ended_by) == ("completed", Party.CALLEE)
    assert record.rang_ms is not None
    assert robot.call.said("stop")[0]["stop"]["reason"] == "callended"
    heard = likeness(source, from_pcm(robot.call.audio()), RATE_HZ)
    assert heard.good_share > 0.8, heard


async def test_it_declines(tmp_path: Path) -> None:
    source = speech(RATE_HZ)
    async with street(tmp_path, source) as (node, phone, robot):
        await node.place(phone.uri, follow=bot(DirectBot(url=robot.url)))
        await phone.until("CALL_INCOMING")
        await phone.order("hangup")
        (record,) = await node.records()
        assert await node.is_idle()
    assert (record.status, record.cause, record.ended_by) == ("busy", Cause.BUSY, Party.CALLEE)
    assert not robot.calls
