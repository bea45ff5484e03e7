"""A stream that goes on at another rate (OP-1)."""

import json
from base64 import b64decode
from typing import Any

from agentstream import _media
from agentstream.media.plan import SEQ

ACK = f'{{"event":"ack","sequence_number":"{SEQ}"}}'


async def test_both_directions_have_the_new_rate_after_the_answer(rig: Any) -> None:
    """What was queued is heard before, at the old one."""

    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 1_600)))
        await socket.send('{"event":"ask"}')
        async for text in socket:
            bot.heard.append(json.loads(text))
            if bot.heard[-1]["event"] == "ack":
                await socket.send(rig.media(b"\x34\x12" * 3_200))
                await socket.send('{"event":"mark","mark":{"name":"end"}}')

    phone, leg, bot = await rig.call(talk, frame_ms=100)
    await rig.until(_media.BotMessage)
    leg.set_stream_rate("s1", 16_000, ACK)
    await phone.speak(b"\xff" * 160 * 40, leg.rtp_port)
    changed = await rig.until(_media.RateSet)
    assert changed.rate_hz == 16_000
    mark = await rig.until(_media.MarkPlayed)
    assert mark.played_ms == 400
    leg.close()
    await rig.until(_media.StreamClosed)
    assert phone.payload.count(b"\x10" * 160) == 10, "200 ms at 8000 Hz"
    kinds = [message["event"] for message in bot.heard]
    place = kinds.index("ack")
    sizes = [len(b64decode(message["media"]["payload"])) for message in bot.said("media")]
    before = kinds[:place].count("media")
    assert set(sizes[: before - 1]) <= {1_600}
    assert sizes[before - 1] <= 1_600, "what there was of a chunk"
    assert set(sizes[before:]) == {3_200}
    numbers = [int(message["sequence_number"]) for message in bot.heard[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    times = [int(message["media"]["timestamp"]) for message in bot.said("media")]
    lengths = [size // 16 for size in sizes[:before]] + [100] * (len(sizes) - before)
    assert times == [sum(lengths[: n + 1]) for n in range(len(sizes))], "no gap in time"


async def test_a_line_with_nothing_queued_changes_at_once(rig: Any) -> None:
    _, leg, bot = await rig.call(rig.listen)
    leg.set_stream_rate("s1", 24_000, ACK)
    assert (await rig.until(_media.RateSet)).rate_hz == 24_000
    await rig.until_true(lambda: bot.said("ack"))
    leg.close()
