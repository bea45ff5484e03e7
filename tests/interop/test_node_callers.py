"""Our own caller over every transport and address family, against the whole node."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.causes import Cause, Party
from agentstream.net.sip_engine import TlsFiles
from agentstream.sip.flow import TransportName
from agentstream.testing.certificates import Authority
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.ports import HOST
from agentstream.testing.sound import Samples, from_pcm, likeness, read_wav, speech, write_wav

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("transport", "host"),
    [(each, host) for host in (HOST, "::1") for each in ("udp", "tcp", "tls", "ws", "wss")],
)
async def test_the_voice_reaches_the_bot_and_comes_back(
    transport: TransportName, host: str, tmp_path: Path
) -> None:
    """Signalling and audio share the address family; with TLS both sides check certificates."""
    source = speech(8_000)
    spoken = write_wav(tmp_path / "source.wav", source, 8_000)
    heard = tmp_path / "heard.wav"
    authority = Authority.found(tmp_path / "authority")
    async with (
        echo_bot() as bot,
        running_node(
            tmp_path / "node",
            bot.url(),
            transports=(transport,),
            host=host,
            certificate=authority.issue(host, file_name="node"),
        ) as node,
        scripted_caller(transport=transport, host=host, tls=files(authority)) as caller,
    ):
        call = await caller.dial(node.target(transport=transport), record_to=heard)
        assert await call.say(spoken)
        call.press("7#")
        conversation = await bot.call()
        await conversation.pressed(2)
        await call.hang_up()
        (record,) = await node.records()
        assert await node.is_idle()
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.CALLER)
    assert conversation.digits == ["7", "#"]
    assert conversation.ended is not None
    to_bot = likeness(source, from_pcm(conversation.audio), 8_000)
    to_caller = likeness(source, read_wav(heard), 8_000)
    assert to_bot.snr_db > 30, to_bot
    assert to_caller.snr_db > 30, to_caller


async def test_a_caller_does_not_talk_to_a_node_of_another_authority(tmp_path: Path) -> None:
    """RFC 5922 section 4: the certificate must be one that the caller trusts."""
    ours, theirs = (Authority.found(tmp_path / name) for name in ("ours", "theirs"))
    async with (
        echo_bot() as bot,
        running_node(
            tmp_path / "node", bot.url(), transports=("tls",), certificate=ours.issue(HOST)
        ) as node,
        scripted_caller(transport="tls", tls=files(theirs)) as caller,
    ):
        with pytest.raises(CommandError, match="not answered"):
            await caller.dial(node.target(transport="tls"))
        assert await node.is_idle()
    assert not bot.calls


async def test_ten_callers_at_once_each_hear_themselves(tmp_path: Path) -> None:
    """AS-50: streams do not mix."""
    tones = [400 + 150 * number for number in range(10)]
    sounds = [write_wav(tmp_path / f"{hertz}.wav", tone(hertz, 1.5), 8_000) for hertz in tones]
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        scripted_caller() as caller,
    ):
        saved = [tmp_path / f"{hertz}-heard.wav" for hertz in tones]
        target = node.target()
        calls = await asyncio.gather(*(caller.dial(target, record_to=path) for path in saved))
        await asyncio.gather(*(call.say(sound) for call, sound in zip(calls, sounds, strict=True)))
        await asyncio.gather(*(call.hang_up() for call in calls))
        records = await node.records(10)
        assert await node.is_idle()
    assert {record.ended_by for record in records} == {Party.CALLER}
    assert [loudest_hertz(read_wav(path)) for path in saved] == tones


def files(authority: Authority) -> TlsFiles:
    return TlsFiles((authority.issue("caller.example"),), ca_file=authority.ca_file)


def tone(hertz: int, seconds: float) -> Samples:
    return 8_000 * np.sin(2 * np.pi * hertz * np.arange(int(8_000 * seconds)) / 8_000)


def loudest_hertz(samples: Samples) -> int:
    """Return the multiple of 10 Hz at which the sound is loudest."""
    spectrum = np.abs(np.fft.rfft(samples, 80_000))
    return round(float(np.argmax(spectrum)) / 100) * 10
