"""A prompt that comes first: what a bot says meanwhile is kept, and heard after it (LG-123)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np

from agentstream import _media
from agentstream.media.plan import PromptPlan
from agentstream.testing import sound

TEN, TWENTY = b"\x10" * 160, b"\x20" * 160
MARK = json.dumps({"event": "mark", "mark": {"name": "heard"}})


def greeting(rig: Any, folder: Path, ms: int = 500) -> str:
    """Return a file that the phone hears as 0x20."""
    (sample,) = np.frombuffer(rig.pcm_of(b"\x20"), "<i2")
    return str(sound.write_wav(folder / "hello.wav", np.full(8 * ms, sample), 8_000))


def talk_at_once(rig: Any) -> Any:
    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(TEN * 10)))
        await socket.send(MARK)
        await rig.listen(socket, bot)

    return talk


async def test_a_bot_is_heard_whole_after_a_prompt_that_comes_first_lg_123(
    rig: Any, tmp_path: Path
) -> None:
    path = greeting(rig, tmp_path)
    gate = asyncio.Event()

    async def talk(socket: Any, bot: Any) -> None:
        await gate.wait()
        await talk_at_once(rig)(socket, bot)

    phone, leg, bot = await rig.call(talk)
    leg.play(PromptPlan("hello", path, streams_wait_ms=1))
    gate.set()
    await rig.until_true(lambda: TEN * 10 in phone.payload)
    payload = phone.payload
    assert TWENTY * 25 in payload
    begins, ends = payload.index(TEN), payload.rindex(TWENTY) + 160
    assert 0 <= begins - ends <= 160 * 2, "at once after it, and not with it"
    await rig.until_true(lambda: bot.said("mark") != [])
    played = await rig.until(_media.MarkPlayed)
    assert played.played_ms == 200
    leg.close()
    closed = await rig.until(_media.StreamClosed)
    assert closed.stats.underruns == 0


async def test_a_prompt_that_is_stopped_lets_the_bot_speak_at_once_lg_123(
    rig: Any, tmp_path: Path
) -> None:
    path = greeting(rig, tmp_path, 20_000)
    phone, leg, _ = await rig.call(talk_at_once(rig))
    leg.play(PromptPlan("hello", path, loops=0, streams_wait_ms=60_000))
    await rig.until_true(lambda: TWENTY * 10 in phone.payload)
    assert TEN * 10 not in phone.payload
    leg.stop_play()
    await rig.until_true(lambda: TEN in phone.payload)


async def test_between_two_prompts_of_one_greeting_the_bot_waits_lg_123(
    rig: Any, tmp_path: Path
) -> None:
    path = greeting(rig, tmp_path, 200)
    gate = asyncio.Event()

    async def talk(socket: Any, bot: Any) -> None:
        await gate.wait()
        await talk_at_once(rig)(socket, bot)

    phone, leg, _ = await rig.call(talk)
    leg.play(PromptPlan("one", path, streams_wait_ms=60_000))
    gate.set()
    await rig.until(_media.PlayFinished)
    await asyncio.sleep(0.1)
    leg.play(PromptPlan("two", path, streams_wait_ms=1))
    await rig.until_true(lambda: TEN * 10 in phone.payload)
    assert phone.payload.count(TWENTY) == 20
    assert phone.payload.index(TEN) > phone.payload.rindex(TWENTY)


async def test_beside_any_other_prompt_the_bot_is_heard(rig: Any, tmp_path: Path) -> None:
    path = greeting(rig, tmp_path, 20_000)
    _, leg, bot = await rig.call(talk_at_once(rig))
    leg.play(PromptPlan("music", path))
    await rig.until_true(lambda: bot.said("mark") != [])
    assert rig.all(_media.PlayFinished) == []
