"""linphonec, an independent stack (belle-sip, oRTP), calls the node: in clear and in SRTP."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.sound import from_pcm, likeness, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("linphonec") is None, reason="linphonec is not installed"),
]
RATE_HZ = 8_000
LEAST_DB = 18.0  # its own resampler and clock are in the way
CONFIG = """
[sip]
bind_address={host}
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
guess_hostname=0
contact="Ann" <sip:ann@{host}>
media_encryption={encryption}
[rtp]
bind_address={host}
audio_rtp_port={low}-{high}
[net]
mtu=1300
stun_server=
firewall_policy=0
[sound]
echocancellation=0
"""


class Linphone:
    """linphonec with its standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""

    async def order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def listen(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(4_096):
            self.said += data.decode(errors="replace")


@asynccontextmanager
async def linphone(folder: Path, encryption: str) -> AsyncIterator[Linphone]:
    """Run one whose home is a folder."""
    config = prepared(folder, encryption)
    process = await asyncio.create_subprocess_exec(
        *("linphonec", "-c", str(config)),
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    phone = Linphone(process)
    listening = asyncio.create_task(phone.listen())
    try:
        await until(lambda: "linphonec>" in phone.said, 10_000)
        yield phone
    except BaseException as error:
        error.add_note(phone.said[-4_000:])
        raise
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await listening


def prepared(folder: Path, encryption: str) -> Path:
    """Make its home and its configuration."""
    (folder / ".local/share/linphone").mkdir(parents=True)
    low, high = media_range(4)
    text = CONFIG.format(host=HOST, port=free_port(), encryption=encryption, low=low, high=high)
    config = folder / "linphonerc"
    config.write_text(text)
    return config


@pytest.mark.parametrize(
    ("encryption", "suite"), [("none", ""), ("srtp", "AES_CM_128_HMAC_SHA1_80")]
)
async def test_its_voice_reaches_the_bot(encryption: str, suite: str, tmp_path: Path) -> None:
    """SIP-40, SIP-42, PN-8."""
    source = speech(RATE_HZ)
    spoken = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 10_000), RATE_HZ)
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url(RATE_HZ)) as node,
        linphone(tmp_path / "phone", encryption) as phone,
    ):
        await phone.order("soundcard use files")
        await phone.order(f"call sip:1000@{node.address()}")
        conversation = await bot.call()
        await phone.order(f"play {spoken}")
        await conversation.hears(source.size * 1000 // RATE_HZ + 3_000)
        await phone.order("terminate")
        await node.records()
        assert await node.is_idle()
    (leg,) = node.legs
    assert leg.srtp == suite
    alike = likeness(source, from_pcm(conversation.audio), RATE_HZ)
    assert alike.snr_db > LEAST_DB, alike
