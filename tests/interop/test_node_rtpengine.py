"""rtpengine in the way of the audio, steered by Kamailio: as it comes, and with keys of its own."""

import re
import shutil
from pathlib import Path

import pytest

from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.peers import running_kamailio, running_rtpengine
from agentstream.testing.ports import media_range
from agentstream.testing.sound import (
    from_pcm,
    likeness,
    read_wav,
    speech,
    with_silence,
    write_wav,
)
from agentstream.testing.waiting import until

HAS_MODULE = any(Path("/usr/lib").glob("*/kamailio/modules/rtpengine.so"))
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("rtpengine") is None or shutil.which("kamailio") is None or not HAS_MODULE,
        reason="rtpengine, kamailio or its rtpengine module is not installed",
    ),
]
RELAY = Path(__file__).parent / "sipp" / "relay.cfg"
RATE_HZ = 8_000
LEAST_DB = 25.0


@pytest.mark.parametrize(
    ("profile", "suite"),
    [("RTP/AVP", ""), ("RTP/SAVP", "AES_CM_128_HMAC_SHA1_80|AEAD_AES_256_GCM")],
)
async def test_a_voice_reaches_the_bot_and_comes_back_through_the_relay(
    profile: str, suite: str, tmp_path: Path
) -> None:
    """SIP-6, SIP-42: our address is learnt from packets, and the keys are rtpengine's."""
    source = speech(RATE_HZ)
    said = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 1_500), RATE_HZ)
    heard = tmp_path / "heard.wav"
    ports = media_range(20)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url(RATE_HZ)) as node,
        running_rtpengine(tmp_path / "relay", ports) as control,
        running_kamailio(
            template(tmp_path, control, profile), tmp_path / "proxy", node.address()
        ) as proxy,
        scripted_caller() as caller,
    ):
        call = await caller.dial(f"sip:1000@{proxy.address}", record_to=heard)
        relayed = re.search(r"m=audio (\d+)", call.answered.result().sdp or "")
        assert relayed is not None
        assert ports[0] <= int(relayed[1]) <= ports[1], "the caller talks to the relay"
        conversation = await bot.call()
        assert await call.say(said)
        await call.hang_up()
        await node.records()
        await until(lambda: proxy.passed("BYE") == 1)
        assert await node.is_idle()
    (leg,) = node.legs
    assert re.fullmatch(suite, leg.srtp), leg.srtp
    assert (leg.packets_lost, leg.srtp_replayed) == (0, 0)
    to_bot = likeness(source, from_pcm(conversation.audio), RATE_HZ)
    back = likeness(source, read_wav(heard, channel=0), RATE_HZ)
    assert to_bot.snr_db > LEAST_DB, to_bot
    assert back.snr_db > LEAST_DB, back


def template(folder: Path, control: int, profile: str) -> Path:
    """Write the proxy's script for this relay."""
    text = RELAY.read_text().replace("CONTROL", str(control)).replace("PROFILE", profile)
    changed = folder / "relay.cfg"
    changed.write_text(text)
    return changed
