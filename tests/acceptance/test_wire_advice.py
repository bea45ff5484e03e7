"""On live calls, too, a bot's developer is told what would fail elsewhere (OP-12, US-3, US-5)."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance

LENIENT = """
name: lenient
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {chunk_policy: lenient}}
"""


async def odd(call: BotCall) -> None:
    """Write keys as another vendor does, send sound as binary frames, and end."""
    payload = b64encode(bytes(3_200)).decode()
    await call.send(json.dumps({"event": "media", "streamSid": "x", "media": {"payload": payload}}))
    await call.send(b"\xff\x7f" * 160)
    await call.send({"event": "mark", "mark": {}})
    await call.until("media", 3)
    await call.close()


async def test_what_would_fail_elsewhere_is_told_with_the_first_messages_op_12(
    tmp_path: Path,
) -> None:
    async with scripted_bot(odd) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await call.record()
        quiet = house.dial(LENIENT % bot.url)
        await quiet.record()
    assert call.warnings == [
        "`streamSid` instead of `stream_sid`: not documented (US-5)",
        "the bot sends another stream_sid than it was given (AS-114)",
        "the bot sends binary frames; the wire is text (AS-5)",
        "the bot sends texts that are no JSON objects (AS-115)",
        "`mark` without a text under mark.name (AS-111)",
    ]
    assert quiet.warnings == []


async def test_a_wrong_sample_rate_is_told_while_the_bot_speaks_us_3(tmp_path: Path) -> None:
    async def keep_time(call: BotCall) -> None:
        """Send 16 kHz on a stream of 8 kHz, 100 ms each 100 ms."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for chunk in range(55):
            await call.media(bytes(3_200))
            await asyncio.sleep(begin + (chunk + 1) / 10 - loop.time())
        await call.close()

    async with scripted_bot(keep_time) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await call.record()
    [warning] = call.warnings
    assert "is it 16-bit PCM at 16000 Hz? The caller hears it slow and deep (US-3)" in warning
