"""A stream that is connected before it may begin (OP-6)."""

import asyncio
import json
from typing import Any

from agentstream import _media


async def talk_early(socket: Any, bot: Any) -> None:
    """Speak, ask and mark before anything was said to us."""
    await socket.send(json.dumps({"event": "media", "media": {"payload": "AAAA"}}))
    await socket.send('{"event":"mark","mark":{"name":"early"}}')
    await socket.send('{"event":"stop"}')
    async for text in socket:
        bot.heard.append(json.loads(text))


async def test_nothing_is_sent_before_the_stream_begins(rig: Any) -> None:
    """The socket opens; opening texts, then sound, whose time begins with the stream."""
    phone, leg, bot = await rig.call(talk_early, holds_opening=True)
    await phone.speak(b"\xff" * 160 * 15, leg.rtp_port)
    assert bot.heard == []
    leg.begin_stream("s1")
    await phone.speak(b"\xff" * 160 * 15, leg.rtp_port)
    await rig.until_true(lambda: len(bot.said("media")) >= 10)
    assert [message["event"] for message in bot.heard[:3]] == ["connected", "start", "media"]
    media = [message["media"] for message in bot.said("media")]
    assert [sound["timestamp"] for sound in media[:3]] == ["20", "40", "60"]
    assert [sound["chunk"] for sound in media[:3]] == ["1", "2", "3"]
    assert len(media) <= 22, "nothing of what was said before"
    leg.close()
    closed = await rig.until(_media.StreamClosed)
    assert closed.stats.messages_ignored == 3
    assert (rig.all(_media.BotMessage), rig.all(_media.MarkPlayed)) == ([], [])


async def test_a_bot_that_is_let_begin_is_listened_to(rig: Any) -> None:
    async def answer(socket: Any, bot: Any) -> None:
        async for text in socket:
            bot.heard.append(json.loads(text))
            if bot.heard[-1]["event"] == "start":
                await socket.send(rig.media(rig.pcm_of(b"\x10" * 1600)))

    phone, leg, bot = await rig.call(answer, holds_opening=True)
    await rig.until_true(lambda: len(phone.heard) > 5)
    leg.begin_stream("s1")
    await rig.until_true(lambda: phone.payload.count(b"\x10" * 160) == 10)
    assert bot.said("connected")
    leg.close()
    closed = await rig.until(_media.StreamClosed)
    assert 0 <= closed.stats.first_audio_ms < 1000, "counted from the beginning of the stream"


async def test_a_stream_may_begin_before_its_socket_is_open(rig: Any) -> None:
    """Then it begins at once when that is."""
    phone, bot, leg = await rig.phone(), await rig.bot(rig.listen), rig.leg()
    leg.connect(rig.remote(phone))
    leg.open_stream(rig.stream(bot.port, holds_opening=True))
    leg.begin_stream("s1")
    leg.begin_stream("s1")
    leg.begin_stream("unknown")
    await rig.until_true(lambda: len(bot.said("media")) > 3)
    assert [message["event"] for message in bot.heard[:3]] == ["connected", "start", "media"]
    assert len(bot.said("start")) == 1


async def test_texts_wait_behind_the_opening(rig: Any) -> None:
    _, leg, bot = await rig.call(rig.listen, holds_opening=True)
    leg.send_text("s1", '{"event":"dtmf"}')
    leg.begin_stream("s1")
    await rig.until_true(lambda: bot.said("dtmf") != [])
    assert [message["event"] for message in bot.heard[:3]] == ["connected", "start", "dtmf"]


async def test_a_stream_that_never_began_ends_without_a_word(rig: Any) -> None:
    """No `stop` to a bot that never had a `start`; the close is told as usual."""
    _, leg, bot = await rig.call(rig.listen, holds_opening=True)
    leg.drain_stream("s1")
    await rig.until(_media.StreamDrained)
    leg.close_stream("s1", 1000, "not needed", '{"event":"stop"}')
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1000, "us")
    assert (bot.heard, closed.stats.media_sent) == ([], 0)


async def test_a_bot_may_leave_before_the_stream_begins(rig: Any) -> None:
    async def leave(socket: Any, _bot: Any) -> None:
        await asyncio.sleep(0.05)
        await socket.close(1001, "bye")

    _, leg, _ = await rig.call(leave, holds_opening=True)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1001, "bot")
    leg.begin_stream("s1")
    leg.close()
    assert (await rig.until(_media.LegClosed)).fault == ""
