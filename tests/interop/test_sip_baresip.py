"""baresip over TLS with certificates both ways (and UDP, TCP), against the SIP engine alone."""

import asyncio
import json
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import Certificate, ClientCheck, TlsFiles
from agentstream.sip.flow import TransportName
from agentstream.sip.signaling import Dial
from agentstream.testing.answering import SDP, Answering
from agentstream.testing.certificates import Authority
from agentstream.testing.ports import HOST, free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
CONFIG = """\
poll_method epoll
sip_listen {host}:{port}
sip_certificate {folder}/cert.pem
sip_cafile {ca_file}
audio_source aufile,{folder}/say.wav
audio_player aufile,{folder}/play.wav
audio_alert aufile,{folder}/alert.wav
net_interface {host}
rtp_ports 42000-42100
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
"""
TRANSPORTS: tuple[TransportName, ...] = ("udp", "tcp", "tls")


class Phone:
    """A running baresip, driven by netstrings of JSON."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self.control = free_port()
        self._writer: asyncio.StreamWriter | None = None

    def write_files(self, transport: TransportName, own: Certificate, authority: Authority) -> None:
        pem = Path(own.key_file).read_bytes() + Path(own.chain_file).read_bytes()
        (self.folder / "cert.pem").write_bytes(pem)
        text = CONFIG.format(
            host=HOST,
            port=self.port,
            folder=self.folder,
            control=self.control,
            ca_file=authority.ca_file,
        )
        (self.folder / "config").write_text(text)
        (self.folder / "contacts").write_text("")
        with wave.open(str(self.folder / "say.wav"), "wb") as say:
            say.setnchannels(1)
            say.setsampwidth(2)
            say.setframerate(8000)
            say.writeframes(bytes(16_000))
        account = f"<sip:bob@{HOST};transport={transport}>;regint=0;answermode=auto\n"
        (self.folder / "accounts").write_text(account)

    async def connect(self, process: asyncio.subprocess.Process) -> bool:
        """Wait for its control port; False when it has given up, as one of its ports was taken."""
        async with asyncio.timeout(20):
            while process.returncode is None:
                try:
                    _, self._writer = await asyncio.open_connection(HOST, self.control)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    return True
        return False

    def command(self, command: str, params: str = "") -> None:
        assert self._writer is not None
        text = json.dumps({"command": command, "params": params, "token": "t"}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@asynccontextmanager
async def phone_and_engine(
    transport: TransportName, folder: Path
) -> AsyncIterator[tuple[Phone, SipEngine, Answering, int]]:
    authority = Authority.found(folder / "authority")
    ours, theirs = (authority.issue(HOST, file_name=name) for name in ("ours", "theirs"))
    # RFC 5922: its certificate is checked when it is called, and asked for when it calls.
    tls = TlsFiles((ours,), authority.ca_file, ClientCheck(authority.ca_file))
    engine = SipEngine(SipConfig((Listener(transport, HOST, 0),), tls=tls))
    product = Answering(engine, rings=True)
    await engine.start()
    phone, process = await started_phone(transport, folder, theirs, authority)
    try:
        yield phone, engine, product, engine.addresses[0][2]
        assert "bugs" not in engine.counters
    finally:
        phone.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
        await engine.stop(500)


async def started_phone(
    transport: TransportName, folder: Path, own: Certificate, authority: Authority
) -> tuple[Phone, asyncio.subprocess.Process]:
    for _ in range(4):
        phone = Phone(free_port(2), folder)
        phone.write_files(transport, own, authority)
        process = await asyncio.create_subprocess_exec(
            "baresip",
            *("-f", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await phone.connect(process):
            return phone, process
    raise AssertionError("baresip does not start")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_baresip_calls_us_and_hangs_up(transport: TransportName, tmp_path: Path) -> None:
    async with phone_and_engine(transport, tmp_path) as (phone, engine, product, port):
        phone.command("dial", f"sip:echo@{HOST}:{port}")  # the account says the transport
        await product.told("Confirmed", 1)
        phone.command("hangup")
        await product.told("Ended", 1)
        assert product.ended[0].by == "remote"
        if transport == "tls":
            assert engine.counters["connections_accepted"] == 1
        assert engine.counters["calls_now"] == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_we_call_baresip_hold_it_and_hang_up(
    transport: TransportName, tmp_path: Path
) -> None:
    async with phone_and_engine(transport, tmp_path) as (phone, engine, product, _):
        port = phone.port + (transport == "tls")
        target = f"sip:bob@{HOST}:{port};transport={transport}"
        offer = SDP.format(host=HOST, version=1)
        ref = engine.place(Dial(target, f"sip:ann@{HOST}", offer))
        await product.told("Accepted", 1)
        assert "PCMU" in (product.accepted[0].sdp or "")
        held = SDP.format(host=HOST, version=2).replace("sendrecv", "sendonly")
        engine.update_media(ref, held)
        await product.told("MediaAnswered", 1)
        engine.hang_up(ref)
        await product.told("Ended", 1)
        assert product.ended[0].by == "local"
