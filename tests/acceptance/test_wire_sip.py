"""Real calls over SIP and RTP to scripted bots: numbers, refusals, keys, silence, endings."""

import wave
from pathlib import Path

import numpy as np
import pytest

from agentstream.base.errors import CommandError
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_bot import BotCall, listen, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

KEYS = {"5": (770, 1_336), "#": (941, 1_477)}  # Hz, ITU-T Q.23


async def greet(call: BotCall) -> None:
    await call.until("media")
    await call.close()


def key_tones(path: Path, keys: str) -> Path:
    """Write keys as tones of 100 ms with as much silence around them."""
    at = np.arange(800) / 8_000
    parts = [np.zeros(4_000)]
    for key in keys:
        low, high = KEYS[key]
        parts += [6_000 * (np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at))]
        parts += [np.zeros(1_600)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(np.concatenate(parts).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("country_code", ["", "91"])
async def test_a_number_may_be_dialled_in_every_form(tmp_path: Path, country_code: str) -> None:
    """SIP-20, AS-70, AS-171: the bot is the first applet, no header of the provider is needed."""
    async with (
        scripted_bot(greet) as bot,
        running_node(tmp_path, bot.url, country_code=country_code) as node,
        scripted_caller() as caller,
    ):
        for user in ("+918040000002", "918040000002", "08040000002"):
            call = await caller.dial(node.target(user))
            await call.wait_ended()
        records = await node.records(3)
    assert [call.start["from"] for call in bot.calls] == ["+919876500001"] * 3
    assert [call.start["to"] for call in bot.calls] == ["+918040000002"] * 3
    national = "+918040000002" if country_code else "08040000002"
    dialled = [record.setup.to_number for record in records]
    assert dialled == ["+918040000002", "+918040000002", national]


async def test_an_unmapped_number_is_404(tmp_path: Path) -> None:
    """SIP-73."""
    async with running_node(tmp_path, "ws://127.0.0.1:1/") as node, scripted_caller() as caller:
        await node.house.parts.store.numbers.release("*")
        await node.house.parts.directory.refresh()
        with pytest.raises(CommandError, match="404"):
            await caller.dial(node.target("+918040000009"))


@pytest.mark.parametrize("detects", [False, True])
async def test_keys_are_events_and_tones_only_by_setting(tmp_path: Path, detects: bool) -> None:
    """AS-93: events are not heard; tones stay, and are keys too by `rtp.inband_dtmf`."""
    rtp = {"host": HOST, "workers": 1, "port_rest_ms": 0, "inband_dtmf": detects}
    async with (
        scripted_bot(listen) as bot,
        running_node(tmp_path / "node", bot.url, rtp=rtp) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await until(lambda: bot.calls and bot.call.said("media"), 10_000)
        await call.say(key_tones(tmp_path / "keys.wav", "5#"))
        tones = len(bot.call.audio())
        call.press("1")
        await until(lambda: bot.call.said("dtmf")[2 * detects :], 10_000)
        await call.hang_up()
        await bot.ended()
    digits = [message["dtmf"]["digit"] for message in bot.call.said("dtmf")]
    assert digits == (["5", "#", "1"] if detects else ["1"])
    assert loudest(bot.call.audio()[:tones]) > 4_000
    assert loudest(bot.call.audio()[tones + 8_000 :] or bytes(2)) < 200


def loudest(pcm: bytes) -> int:
    return int(np.max(np.abs(np.frombuffer(pcm, "<i2").astype(int))))


async def test_a_silent_bot_keeps_the_line_alive(tmp_path: Path) -> None:
    """SIP-45: the caller gets packets though the bot says nothing."""
    async with (
        scripted_bot(listen) as bot,
        running_node(tmp_path, bot.url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await until(lambda: bot.calls and len(bot.call.said("media")) >= 5, 10_000)
        await call.hang_up()
        stats = await call.closed
    assert stats.packets_received > 15
    assert stats.packets_lost == 0


async def test_packets_that_never_come_end_the_call(tmp_path: Path) -> None:
    """SIP-45: after 30 s unless set; the bot is told that the call is over."""
    rtp = {"host": HOST, "workers": 1, "port_rest_ms": 0, "packet_timeout_ms": 400}
    async with (
        scripted_bot(listen) as bot,
        running_node(tmp_path, bot.url, rtp=rtp) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await until(lambda: bot.calls and bot.call.said("media"), 10_000)
        call.leg.close()
        ended = await call.ended
        record = (await node.records())[0]
        await bot.ended()
    assert record.cause.value == "no-media"
    assert ended.by == "remote"
    assert bot.call.messages[-1]["event"] == "stop"


async def test_our_bye_says_why_in_a_reason(tmp_path: Path) -> None:
    """SIP-64: Q.850 16 when the bot has left."""
    async with (
        scripted_bot(greet) as bot,
        running_node(tmp_path, bot.url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        ended = await call.wait_ended()
        record = (await node.records())[0]
    assert (ended.by, ended.q850) == ("remote", 16)
    assert (record.status, record.ended_by.value) == ("completed", "bot")


async def test_too_many_calls_are_503(tmp_path: Path) -> None:
    """SIP-80."""
    async with (
        scripted_bot(listen) as bot,
        running_node(tmp_path, bot.url, limits={"calls": 1}) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        with pytest.raises(CommandError, match="503"):
            await caller.dial(node.target())
        await until(lambda: bot.calls, 10_000)
        await call.hang_up()
        await bot.ended()


async def test_a_node_that_stops_tells_the_bot_and_the_caller(tmp_path: Path) -> None:
    """AS-167, ST-18, SIP-80: 1001 to the bot, a BYE to the caller, 503 to new calls."""
    async with (
        scripted_bot(listen) as bot,
        running_node(tmp_path, bot.url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await until(lambda: bot.calls and bot.call.said("media"), 10_000)
        node.house.parts.switchboard.start_drain()
        with pytest.raises(CommandError, match="503"):
            await caller.dial(node.target())
        await node.house.parts.switchboard.drain(timeout_ms=0)
        await call.wait_ended()
        await bot.ended()
    assert bot.call.code == 1001
    assert bot.call.messages[-1]["stop"]["reason"] == "stopped"
