"""What is shown of a bot's first messages, and how fast its audio comes (OP-12, US-3)."""

import asyncio
import json
from typing import Any

import pytest

from agentstream import _media


async def test_the_first_messages_are_shown_without_their_length(rig: Any) -> None:
    long = rig.media(bytes(32_000))

    async def talk(socket: Any, bot: Any) -> None:
        for _ in range(6):
            await socket.send(long)
        await socket.send(b"\xff\x00")
        await socket.send(b'{"event":"clear"}')
        for _ in range(20):
            await socket.send('{"Event":"mark","mark":{}}')
        await socket.send('{"event":"mark","mark":{"name":"end"}}')
        await rig.listen(socket, bot)

    _, leg, _ = await rig.call(talk)
    await rig.until(_media.MarkPlayed)
    samples = rig.all(_media.BotSample)
    sounds, others = samples[:4], samples[4:]
    assert {len(sample.text) for sample in sounds} == {len(rig.media(bytes(513)))}
    assert json.loads(sounds[0].text) == json.loads(rig.media(bytes(513)))
    assert [(sample.text, sample.is_binary) for sample in others[:3]] == [
        ("", True),
        ('{"event":"clear"}', True),
        ('{"Event":"mark","mark":{}}', False),
    ]
    assert len(others) == 12
    leg.close()


async def test_nothing_is_shown_of_a_bot_that_may_only_listen(rig: Any) -> None:
    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(bytes(320)))
        await rig.listen(socket, bot)

    phone, leg, bot = await rig.call(talk, two_way=False)
    await phone.speak(b"\xff" * 160 * 5, leg.rtp_port)
    await rig.until_true(lambda: bot.said("media"))
    leg.close()
    assert (await rig.until(_media.StreamClosed)).stats.messages_ignored == 1
    assert rig.all(_media.BotSample) == []
    assert rig.all(_media.BotPace) == []


async def test_the_bytes_so_far_are_told_once_a_second_while_the_bot_sends(rig: Any) -> None:
    async def talk(socket: Any, bot: Any) -> None:
        for _ in range(23):
            await socket.send(rig.media(bytes(1_600)))
            await asyncio.sleep(0.1)
        await socket.send('{"event":"mark","mark":{"name":"end"}}')
        await rig.listen(socket, bot)

    _, leg, _ = await rig.call(talk)
    await rig.until(_media.MarkPlayed)
    paces = rig.all(_media.BotPace)
    assert [pace.bytes_received // 1_600 for pace in paces] == [1, 11, 21]
    assert [paces[2].at_ms - paces[0].at_ms] == [pytest.approx(2_000, abs=60)]
    leg.close()
