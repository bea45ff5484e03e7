"""A whole call through the native engine: RTP in, WebSocket out, and back to the ear."""

import base64
from typing import Any

from agentstream import _media


async def test_the_caller_hears_the_echo_bot_return_every_sample(rig: Any) -> None:
    """ST-8, ST-10, AS-82: sound goes to the bot and back unchanged."""
    phone, leg, bot = await rig.call(rig.echo)
    said = bytes(range(1, 100)) * 80
    await phone.speak(said, leg.rtp_port)
    await rig.until_true(lambda: said[1600:-1600] in phone.payload)
    assert bot.heard[0] == {"event": "connected"}
    assert len(base64.b64decode(bot.said("media")[0]["media"]["payload"])) == 320
    leg.close()
    closed = await rig.until(_media.LegClosed)
    assert (closed.fault, closed.stats.codec, closed.stats.packets_lost) == ("", "PCMU", 0)
    assert isinstance(rig.events[-1], _media.LegClosed)
