"""baresip calls the whole node: both directions of its audio are compared with the source."""

import shutil
from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.testing.certificates import Authority
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.sound import from_pcm, likeness, read_wav, speech, with_silence, write_wav

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
PAD_MS = 8_000  # silence after the sentence: the phone would hang up at the end of its file
CODECS = {
    "PCMU": ("pcmu/8000/1", 8_000, 30.0),
    "PCMA": ("pcma/8000/1", 8_000, 30.0),
    "G722": ("g722/16000/1", 16_000, 20.0),
}


@pytest.mark.parametrize(
    ("codec", "transport"),
    [("PCMU", "udp"), ("PCMA", "udp"), ("G722", "udp"), ("PCMU", "tcp"), ("PCMA", "tls")],
)
async def test_the_voice_reaches_the_bot_and_comes_back(
    codec: str, transport: str, tmp_path: Path
) -> None:
    """AS-1, AS-82: what the bot hears and what the caller hears is what was said."""
    name, rate_hz, least_db = CODECS[codec]
    source = speech(rate_hz)
    spoken = write_wav(tmp_path / "source.wav", with_silence(source, rate_hz, PAD_MS), rate_hz)
    authority = Authority.found(tmp_path / "authority")
    async with (
        echo_bot() as bot,
        running_node(
            tmp_path / "node",
            bot.url(rate_hz),
            transports=("udp", "tcp", "tls"),
            certificate=authority.issue(HOST),
        ) as node,
        running_baresip(
            tmp_path / "phone",
            spoken,
            codec=name,
            transport=transport,
            ca_file=authority.ca_file,
            rtp_ports=media_range(10),
        ) as phone,
    ):
        await phone.dial(node.address(transport))
        conversation = await bot.call()
        await conversation.hears(source.size * 1000 // rate_hz + 1_000)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
    assert (record.cause, record.ended_by, record.status) == (
        Cause.NORMAL,
        Party.CALLER,
        "completed",
    )
    (leg,) = node.legs
    assert leg.codec.upper().startswith(codec)
    assert conversation.ended is not None
    to_bot = likeness(source, from_pcm(conversation.audio), rate_hz)
    to_phone = likeness(source, read_wav(phone.heard()), rate_hz)
    assert to_bot.snr_db > least_db, to_bot
    assert to_phone.snr_db > least_db, to_phone


async def test_keys_reach_the_bot(tmp_path: Path) -> None:
    """AS-90: one event for each press, in order."""
    spoken = any_voice(tmp_path)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_baresip(tmp_path / "phone", spoken, rtp_ports=media_range(10)) as phone,
    ):
        await phone.dial(node.address())
        conversation = await bot.call()
        await phone.until("CALL_ESTABLISHED")
        for number, key in enumerate("1#5*", start=1):
            await phone.press(key)
            await conversation.pressed(number)
        await phone.order("hangup")
        (record,) = await node.records()
        assert await node.is_idle()
    assert conversation.digits == ["1", "#", "5", "*"]
    assert record.digits == 4
    assert record.ended_by is Party.CALLER


async def test_a_bot_that_closes_makes_the_phone_hear_bye(tmp_path: Path) -> None:
    """AS-13: when the flow has nothing left to do after the bot, it hangs up."""
    spoken = any_voice(tmp_path)
    async with (
        echo_bot(closes_after_ms=500) as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_baresip(tmp_path / "phone", spoken, rtp_ports=media_range(10)) as phone,
    ):
        await phone.dial(node.address())
        closed = await phone.until("CALL_CLOSED")
        (record,) = await node.records()
        assert await node.is_idle()
    assert closed["direction"] == "outgoing"
    assert (record.cause, record.status) == (Cause.NORMAL, "completed")
    assert record.ended_by is Party.BOT


async def test_the_phone_hears_the_greeting_from_its_first_word(tmp_path: Path) -> None:
    """AP-13: a sound file is played on the line, then the flow goes on to the bot."""
    source = speech(8_000)
    prompt = write_wav(tmp_path / "prompt.wav", source, 8_000)
    silence = write_wav(tmp_path / "source.wav", with_silence(0 * source, 8_000, PAD_MS), 8_000)
    flow = """
name: greet
start: hello
applets:
  hello: {{type: greeting, audio: "{prompt}", next: talk}}
  talk: {{type: voicebot, url: "{url}", next: bye}}
  bye: {{type: hangup}}
"""
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_baresip(tmp_path / "phone", silence, rtp_ports=media_range(10)) as phone,
    ):
        await node.flow(flow.format(prompt=prompt, url=bot.url()))
        await phone.dial(node.address())
        conversation = await bot.call(timeout_ms=15_000)
        await conversation.hears(300)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
    assert record.ended_by is Party.CALLER
    heard = likeness(source, read_wav(phone.heard()), 8_000)
    assert heard.snr_db > 30
    assert heard.good_share > 0.9


async def test_hold_stops_the_echo_and_resume_brings_it_back(tmp_path: Path) -> None:
    """AS-82: a caller on hold hears nothing of the bot; the bot's stream goes on without a gap."""
    spoken = any_voice(tmp_path)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_baresip(tmp_path / "phone", spoken, rtp_ports=media_range(10)) as phone,
    ):
        await phone.dial(node.address())
        conversation = await bot.call()
        await conversation.hears(1_000)
        await phone.order("hold")
        await conversation.hears(1_500)
        await phone.order("resume")
        await conversation.hears(1_000)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
    assert record.ended_by is Party.CALLER
    (leg,) = node.legs
    silent_packets = conversation.heard_ms / 20 - leg.packets_sent
    assert silent_packets > 50  # of the 75 in which the phone was on hold


def any_voice(folder: Path) -> Path:
    sound = with_silence(speech(8_000), 8_000, PAD_MS)
    return write_wav(folder / "source.wav", sound, 8_000)
