"""baresip speaks Opus with the whole node: to a bot, by keys, and with a phone of another codec."""

import shutil
from pathlib import Path

import pytest
from scipy.signal import resample_poly

from agentstream.testing.echo import echo_bot
from agentstream.testing.node import RTP, running_node
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import media_range
from agentstream.testing.sound import (
    from_pcm,
    likeness,
    read_wav,
    speech,
    with_silence,
    write_wav,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
OPUS = "opus/48000/2"
PHONE_HZ, BOT_HZ = 48_000, 16_000
PAD_MS = 8_000
LEAST_DB = 8.0  # of a codec that keeps what is heard and not the waveform
WITH_OPUS = {**RTP, "codecs": ["OPUS", "PCMU"]}


async def test_a_voice_in_opus_reaches_the_bot_and_comes_back_sip_40(tmp_path: Path) -> None:
    source = speech(PHONE_HZ)
    padded = with_silence(source, PHONE_HZ, PAD_MS)
    spoken = write_wav(tmp_path / "source.wav", padded, PHONE_HZ, channels=2)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url(BOT_HZ), rtp=WITH_OPUS) as node,
        running_baresip(tmp_path / "phone", spoken, codec=OPUS, rtp_ports=media_range(10)) as phone,
    ):
        await phone.dial(node.address())
        conversation = await bot.call()
        await conversation.hears(source.size * 1000 // PHONE_HZ + 1_000)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
    assert record.status == "completed"
    (leg,) = node.legs
    assert leg.codec == "OPUS"
    assert leg.packets_lost == 0
    wanted = resample_poly(source, BOT_HZ, PHONE_HZ)
    to_bot = likeness(wanted, from_pcm(conversation.audio), BOT_HZ)
    heard = resample_poly(read_wav(phone.heard()), BOT_HZ, PHONE_HZ)
    to_phone = likeness(wanted, heard, BOT_HZ)
    assert to_bot.snr_db > LEAST_DB, to_bot
    assert to_phone.snr_db > LEAST_DB, to_phone


async def test_keys_beside_opus_reach_the_bot_sip_41(tmp_path: Path) -> None:
    silence = with_silence(speech(PHONE_HZ), PHONE_HZ, 20_000)
    spoken = write_wav(tmp_path / "source.wav", silence, PHONE_HZ, channels=2)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url(), rtp=WITH_OPUS) as node,
        running_baresip(tmp_path / "phone", spoken, codec=OPUS, rtp_ports=media_range(10)) as phone,
    ):
        await phone.dial(node.address())
        conversation = await bot.call()
        await phone.until("CALL_ESTABLISHED")
        for number, key in enumerate("1#5", start=1):
            await phone.press(key)
            await conversation.pressed(number)
        await phone.order("hangup")
        await node.records()
    assert conversation.digits == ["1", "#", "5"]
