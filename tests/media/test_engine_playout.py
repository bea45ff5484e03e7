"""What a bot says, on the line: joined, marked, cleared, bounded."""

import asyncio
import base64
import json
from typing import Any

import pytest

from agentstream import _media

Socket = Any


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "mark": {"name": name}})


CLEAR = '{"event":"clear","stream_sid":"s1"}'


async def listen_to(socket: Socket, bot: Any) -> None:
    async for text in socket:
        bot.heard.append(json.loads(text))


async def test_payloads_of_any_size_are_joined_bit_exactly(rig: Any) -> None:
    """AS-154: message borders have no audible effect, odd bytes wait for their other half."""
    sizes = [2, 319, 320, 640, 3200, 4096, 12_801]
    said = rig.mulaw_noise(sum(sizes) // 2)
    pcm = rig.pcm_of(said)

    async def talk(socket: Socket, bot: Any) -> None:
        at = 0
        for size in sizes:
            await socket.send(rig.media(pcm[at : at + size]))
            at += size
        await listen_to(socket, bot)

    phone, _, _ = await rig.call(talk)
    await rig.until_true(lambda: said in phone.payload)


async def test_a_payload_of_one_sample_is_heard(rig: Any) -> None:
    """AS-154: the end of an utterance is completed with silence."""

    async def talk(socket: Socket, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10")))
        await listen_to(socket, bot)

    phone, _, _ = await rig.call(talk)
    await rig.until_true(lambda: b"\x10" + b"\xff" * 159 in phone.payload)


async def test_marks_come_back_in_order_when_their_bytes_were_heard(rig: Any) -> None:
    """AS-127: at once in an empty queue, else after everything before them."""

    async def talk(socket: Socket, bot: Any) -> None:
        await socket.send(mark("first"))
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 800)))
        await socket.send(mark('a "quoted"\n name'))
        await socket.send(rig.media(rig.pcm_of(b"\x20" * 161)))
        await socket.send(mark("last"))
        await socket.send(mark("last"))
        await listen_to(socket, bot)

    _, _, bot = await rig.call(talk)
    await rig.until_true(lambda: len(bot.said("mark")) == 4)
    names = [message["mark"]["name"] for message in bot.said("mark")]
    assert names == ["first", 'a "quoted"\n name', "last", "last"]
    played = [event.played_ms for event in rig.all(_media.MarkPlayed)]
    assert played == [0, 100, 120, 120]
    numbers = [int(m["sequence_number"]) for m in bot.heard if "sequence_number" in m]
    assert numbers == list(range(1, len(numbers) + 1)), "AS-60: one counter, no gap"


async def test_a_clear_silences_the_line_within_a_frame_and_returns_the_marks(rig: Any) -> None:
    """AS-126, AS-128: nothing old on the next frame; pending marks are echoed in order."""

    async def talk(socket: Socket, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 16_000)))
        await socket.send(mark("unheard"))
        await asyncio.sleep(0.2)
        await socket.send(CLEAR)
        await socket.send(mark("after"))
        await listen_to(socket, bot)

    phone, leg, _ = await rig.call(talk)
    cleared = await rig.until(_media.Cleared)
    await rig.until(_media.MarkPlayed, lambda event: event.name == "after")
    assert 1600 < cleared.dropped_ms < 2000
    marks = [(event.name, event.cleared) for event in rig.all(_media.MarkPlayed)]
    assert marks == [("unheard", True), ("after", False)]
    heard = phone.payload.count(b"\x10" * 160) * 20
    assert heard <= cleared.played_ms + 20
    await rig.until_true(lambda: phone.payload.endswith(b"\xff" * 480))
    leg.close()
    closed = await rig.until(_media.StreamClosed)
    assert closed.stats.clears == 1
    assert 0 < closed.stats.clear_to_silence_max_ms <= 25


async def test_marks_may_be_dropped_by_a_clear(rig: Any) -> None:
    """AS-128: the other design, by setting."""

    async def talk(socket: Socket, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 16_000)))
        await socket.send(mark("unheard"))
        await socket.send(CLEAR)
        await socket.send(mark("after"))
        await listen_to(socket, bot)

    _, _, bot = await rig.call(talk, marks_on_clear="drop")
    await rig.until_true(lambda: bot.said("mark") != [])
    assert [message["mark"]["name"] for message in bot.said("mark")] == ["after"]


async def test_an_utterance_is_announced_once(rig: Any) -> None:
    async def talk(socket: Socket, bot: Any) -> None:
        for _ in range(4):
            await socket.send(rig.media(rig.pcm_of(b"\x10" * 320)))
            await asyncio.sleep(0.04)
        await socket.send(mark("end"))
        await listen_to(socket, bot)

    await rig.call(talk)
    await rig.until(_media.MarkPlayed)
    assert len(rig.all(_media.BotAudioStarted)) == 1


async def test_a_bot_faster_than_real_time_fills_the_buffer_and_no_more(rig: Any) -> None:
    """AS-125: the socket is read on; what does not fit is dropped and counted."""

    async def talk(socket: Socket, bot: Any) -> None:
        for _ in range(200):
            await socket.send(rig.media(bytes(3200)))
        await socket.send(CLEAR)
        await listen_to(socket, bot)

    _, leg, _ = await rig.call(talk, buffer_ms=10_000)
    cleared = await rig.until(_media.Cleared)
    assert 9_000 <= cleared.dropped_ms <= 10_000
    leg.close()
    stats = (await rig.until(_media.StreamClosed)).stats
    assert stats.media_received == 200
    assert stats.media_dropped_in_ms >= 29_000


async def test_a_drain_is_answered_once_all_was_heard(rig: Any) -> None:
    """AS-116: what is queued is played first."""

    async def talk(socket: Socket, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 1600)))
        await socket.send('{"event":"stop"}')
        await listen_to(socket, bot)

    phone, leg, _ = await rig.call(talk)
    message = await rig.until(_media.BotMessage)
    assert message.text == '{"event":"stop"}'
    leg.drain_stream("s1")
    await rig.until(_media.StreamDrained)
    assert rig.all(_media.StreamDrained)[0].at_ms >= message.at_ms + 150
    await rig.until_true(lambda: phone.payload.count(b"\x10" * 160) == 10)
    leg.drain_stream("s1")
    await rig.until_true(lambda: len(rig.all(_media.StreamDrained)) == 2)


async def test_what_is_queued_plays_on_after_the_bot_has_gone(rig: Any) -> None:
    """ST-33: a farewell is heard; AS-158: a burst is played completely."""

    async def talk(socket: Socket, _bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 3200)))
        await socket.close(1000, "bye")

    phone, leg, _ = await rig.call(talk)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.reason, closed.who) == (1000, "bye", "bot")
    assert 300 < closed.queued_ms <= 400
    leg.drain_stream("s1")
    await rig.until(_media.StreamDrained)
    await rig.until_true(lambda: phone.payload.count(b"\x10" * 160) == 20)


async def test_what_is_queued_can_be_dropped_after_the_bot_has_gone(rig: Any) -> None:
    async def talk(socket: Socket, _bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 80_000)))
        await socket.close()

    phone, leg, _ = await rig.call(talk)
    await rig.until(_media.StreamClosed)
    leg.drop_stream("s1")
    await rig.until_true(lambda: phone.payload.endswith(b"\xff" * 320))


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
@pytest.mark.parametrize("encoding", ["pcm16", "mulaw"])
async def test_a_chunk_has_the_agreed_size(rig: Any, rate_hz: int, encoding: str) -> None:
    """AS-80, AS-142, AS-144: frame length, rate and encoding."""
    _, _, bot = await rig.call(rig.listen, rate_hz=rate_hz, encoding=encoding, frame_ms=40)
    await rig.until_true(lambda: len(bot.said("media")) >= 3)

    chunks = [message["media"] for message in bot.said("media")[:3]]
    sizes = {len(base64.b64decode(chunk["payload"])) for chunk in chunks}
    assert sizes == {rate_hz * 40 // 1000 * (2 if encoding == "pcm16" else 1)}
    assert [chunk["chunk"] for chunk in chunks] == ["1", "2", "3"]
    assert [chunk["timestamp"] for chunk in chunks] == ["40", "80", "120"]


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
async def test_other_rates_come_back_from_an_echo_bot(rig: Any, rate_hz: int) -> None:
    """AS-143: up for the bot and down for the line, without holes."""
    phone, leg, _ = await rig.call(rig.echo, rate_hz=rate_hz)
    await phone.speak(b"\x20" * 160 * 60, leg.rtp_port)

    def is_back() -> bool:
        """Two thirds, in packets without a hole: what a late caller leaves out is no fault."""
        return sum(b"\xff" not in packet[12:] for packet in phone.heard) > 40

    await rig.until_true(is_back)
