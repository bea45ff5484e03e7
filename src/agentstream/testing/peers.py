"""Real peers for tests: sipp, baresip, Kamailio, rtpengine. No process outlives its test.

async with running_baresip(folder, sound) as phone:
    await phone.dial(node.address())
    await phone.until("CALL_ESTABLISHED")

Each is started and stopped by its process id; when a test fails, the end of its log is in the note.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agentstream.net.tls import Certificate
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.waiting import until

LOG_TAIL = 4_000
STOP_S = 3.0


class PeerError(AssertionError):
    """A peer did not do its part; the text is its log."""


@asynccontextmanager
async def program(*command: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program while the block runs; all that it says is in `<name>.log` of the folder."""
    with _log_of(command[0], folder) as out:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        yield process
    except BaseException as error:
        error.add_note(log_tails(folder))
        raise
    finally:
        await _stop(process)


def _log_of(name: str, folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{Path(name).name}.log").open("wb")


async def _stop(process: asyncio.subprocess.Process) -> None:
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            end()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()


def log_tails(folder: Path) -> str:
    """Return the end of every log in a folder."""
    return "\n".join(
        f"--- {path.name}\n{path.read_text(errors='replace')[-LOG_TAIL:]}"
        for path in sorted(folder.glob("*.log"))
    )


# sipp


async def sipp(*arguments: str, folder: Path, timeout_s: int = 18) -> None:
    """Run sipp to its end on loopback; raises PeerError with its logs when a call of it failed."""
    limits = ("-timeout", str(timeout_s), "-timeout_error")
    command = ("sipp", *arguments, *limits, "-nostdin", "-trace_err")
    if "-i" not in arguments:
        command = (*command, "-i", HOST)
    async with program(*command, folder=folder) as process:
        async with asyncio.timeout(timeout_s + 5):
            code = await process.wait()
    if code:
        raise PeerError(f"sipp ended with {code}\n{log_tails(folder)}")


def scenario(source: Path, folder: Path, **changes: str) -> tuple[str, str]:
    """Return sipp's arguments for a scenario; `changes` replace what it names "[name]"."""
    folder.mkdir(parents=True, exist_ok=True)
    text = source.read_text()
    for name, value in changes.items():
        text = text.replace(f"[{name}]", value)
    changed = folder / source.name
    changed.write_text(text)
    return "-sf", str(changed)


# baresip

MODULES = "/usr/lib/baresip/modules"
_CONFIG = """
poll_method epoll
sip_listen {host}:{sip_port}
{tls}
call_max_calls 4
audio_buffer 100-400
audio_player aufile,{folder}/play.wav
audio_source aufile,{sound}
audio_alert aufile,{folder}/alert.wav
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
net_interface {host}
rtp_ports {rtp_low}-{rtp_high}
rtcp_mux no
jitter_buffer_delay 1-5
module_path {modules}
module g711.so
module g722.so
module opus.so
module srtp.so
module sndfile.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control_port}
snd_path {folder}
"""


@dataclass
class Baresip:
    """A baresip that is running: its orders and what it told."""

    folder: Path
    writer: asyncio.StreamWriter
    events: list[dict[str, str]] = field(default_factory=list)
    uri: str = ""  # where it can be called

    async def order(self, command: str, parameters: str = "") -> None:
        """Give an order: accept, hangup, hold, resume, sndcode (a key; empty: key up), quit."""
        text = json.dumps({"command": command, "params": parameters, "token": "t"})
        self.writer.write(f"{len(text)}:{text},".encode())
        await self.writer.drain()

    async def dial(self, address: str, user: str = "1000") -> None:
        """Call somebody at "host:port"; the transport is the account's."""
        await self.order("dial", f"sip:{user}@{address}")

    async def press(self, digit: str) -> None:
        """Press a key and let it go (RFC 4733)."""
        await self.order("sndcode", digit)
        await self.order("sndcode")

    async def until(self, kind: str, timeout_ms: int = 10_000) -> dict[str, str]:
        """Wait for an event, for example CALL_ESTABLISHED or CALL_CLOSED; return it."""
        await until(lambda: self.saw(kind), timeout_ms)
        return self.saw(kind)[0]

    def saw(self, kind: str) -> list[dict[str, str]]:
        """Return the events of this kind."""
        return [event for event in self.events if event.get("type") == kind]

    def heard(self) -> Path:
        """Return the WAV file of what it decoded; whole once the call is closed."""
        return next(self.folder.glob("*-dec.wav"))

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take events (netstrings of JSON) until it is gone."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    self.events.append(message)


@asynccontextmanager
async def running_baresip(  # noqa: PLR0913  (each is one line of its files)
    folder: Path,
    sound: Path,
    *,
    codec: str = "pcmu/8000/1",
    transport: str = "udp",
    ca_file: str = "",
    certificate: Certificate | None = None,
    mediaenc: str = "",
    rtp_ports: tuple[int, int] = (0, 0),
    account: str = "",
) -> AsyncIterator[Baresip]:
    """Run a phone that speaks a WAV file (of the codec's rate) in every call.

    `account` is a line of its accounts file, for a phone that registers.
    With a `certificate` it can be called over TLS. `mediaenc` "srtp" offers keys beside RTP/AVP,
    "srtp-mand" RTP/SAVP, and takes nothing else.
    """
    control_port = free_port()
    sip_port = free_port(2)  # it takes the next one for SIP over TLS
    low, high = rtp_ports
    config = _CONFIG.format(
        host=HOST,
        sip_port=sip_port,
        tls="\n".join(_tls(folder, ca_file, certificate)),
        folder=folder,
        sound=sound,
        rtp_low=low,
        rtp_high=high,
        modules=MODULES,
        control_port=control_port,
    )
    plain = f"<sip:ann@{HOST};transport={transport}>;regint=0"
    line = f"{account or plain};audio_codecs={codec}"
    line += f";mediaenc={mediaenc}\n" if mediaenc else "\n"
    _write(folder, config=config, accounts=line)
    async with program("baresip", "-f", str(folder), "-v", folder=folder) as process:
        reader, writer = await _connect(control_port)
        listens_at = sip_port + (transport == "tls")
        phone = Baresip(folder, writer, uri=f"sip:ann@{HOST}:{listens_at};transport={transport}")
        reading = asyncio.create_task(phone.read(reader))
        try:
            yield phone
            await phone.order("quit")
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await process.wait()
        finally:
            writer.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _tls(folder: Path, ca_file: str, certificate: Certificate | None) -> Iterator[str]:
    if ca_file:
        yield f"sip_cafile {ca_file}"
    if certificate is not None:
        files = (certificate.key_file, certificate.chain_file)
        _write(folder, **{"own.pem": "".join(Path(name).read_text() for name in files)})
        yield f"sip_certificate {folder}/own.pem"


def _read(path: Path) -> str:
    return path.read_text()


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a program that is starting: nothing but trying tells when it listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)


# Kamailio


@dataclass
class Kamailio:
    """A proxy that is running."""

    folder: Path
    address: str  # "127.0.0.1:5060"
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """End it before its time, as an outage does."""
        await _stop(self.process)

    def passed(self, method: str) -> int:
        """Return how many requests of a method came by, each counted once."""
        text = (self.folder / "kamailio.log").read_text(errors="replace")
        return len(set(re.findall(rf"passes {method} (\d+)", text)))


@asynccontextmanager
async def running_kamailio(
    template: Path, folder: Path, target: str, transport: str = "udp"
) -> AsyncIterator[Kamailio]:
    """Run a proxy that sends every call to "host:port".

    HOST, PORT, TARGET (a port) and KIND (a transport) are replaced in the template.
    """
    port = free_port()
    config = _read(template)
    values = {"HOST": HOST, "PORT": port, "TARGET": target.rpartition(":")[2], "KIND": transport}
    for name, value in values.items():
        config = config.replace(name, str(value))
    _write(folder, config=config)
    memory = ("-m", "32", "-M", "4")
    command = ("kamailio", "-f", str(folder / "config"), "-DD", "-E", *memory, "-Y", str(folder))
    async with program(*command, folder=folder) as process:
        await _answers(process, port)
        yield Kamailio(folder, f"{HOST}:{port}", process)


# rtpengine


@asynccontextmanager
async def running_rtpengine(folder: Path, rtp_ports: tuple[int, int]) -> AsyncIterator[int]:
    """Run a media relay in user space; gives the port of its control protocol."""
    port = free_port()
    low, high = rtp_ports
    command = (
        *("rtpengine", "--config-file=none", "--table=-1", "--foreground", "--log-stderr"),
        *(f"--interface={HOST}", f"--listen-ng={HOST}:{port}", "--num-threads=1"),
        *(f"--port-min={low}", f"--port-max={high}", "--log-level=6", "--delete-delay=0"),
    )
    async with program(*command, folder=folder) as process:
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(_pongs, port):
                if process.returncode is not None:
                    raise PeerError(f"it ended with {process.returncode} at once")
        yield port


def _pongs(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        try:
            asker.connect((HOST, port))
            asker.sendall(b"1 d7:command4:pinge")
            return b"pong" in asker.recv(4_096)
        except OSError:
            return False


# Kamailio, as it starts


async def _answers(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until a proxy answers OPTIONS that may go no further."""
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(_asked, port):
            if process.returncode is not None:
                raise PeerError(f"it ended with {process.returncode} at once")


def _asked(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        try:
            asker.connect((HOST, port))
            host, own = asker.getsockname()
            asker.sendall(
                f"OPTIONS sip:ping@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{own};"
                f"branch=z9hG4bK{own}\r\nMax-Forwards: 0\r\nFrom: <sip:a@{host}>;tag=1\r\n"
                f"To: <sip:ping@{HOST}>\r\nCall-ID: {own}@{host}\r\nCSeq: 1 OPTIONS\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            return asker.recv(4_096).startswith(b"SIP/2.0 483")
        except OSError:
            return False
