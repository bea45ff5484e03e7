"""The bot checker on real sockets: phases, first messages, findings."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve

from agentstream.bot import Audio, Call, listen
from agentstream.bot.check import Report, check
from agentstream.stream.profile import WireProfile

QUICK = WireProfile(connect_timeout_ms=5_000, frame_ms=20)


async def echo(call: Call) -> None:
    await call.mark("hello")
    async for event in call:
        if isinstance(event, Audio):
            await call.play(event.pcm)


async def test_a_good_bot_is_fine_and_its_phases_are_timed() -> None:
    async with listen(echo, credentials=("ana", "pw")) as bot:
        report = await check(bot.url.replace("//", "//ana:pw@"), QUICK, listen_ms=800)
    assert report.is_fine
    assert report.url == bot.url.replace("//", "//***@")
    assert [phase.name for phase in report.phases] == ["dns", "tcp", "upgrade"]
    assert report.phases[0].detail == "127.0.0.1"
    assert all(phase.took_ms >= 0 for phase in report.phases)
    assert report.heard[0].text.startswith('{"event": "mark"')
    assert report.first_audio_ms is not None
    assert report.audio_ms >= 100
    assert report.closed_with is None
    assert {finding.about for finding in report.findings} == {"AS-156"}


async def test_a_bot_that_closes_at_once_is_reported_with_its_code_us1() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await socket.send(b"x")
        await socket.close(4400)

    async with serve(refuse, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        report = await check(f"ws://127.0.0.1:{port}", QUICK, listen_ms=2_000)
    assert report.closed_with == 4400
    assert report.heard[0].text == "binary, 1 bytes"
    assert not report.is_fine


async def test_a_bot_that_breaks_the_connection_is_1006_us1() -> None:
    async def crash(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with serve(crash, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        report = await check(f"ws://127.0.0.1:{port}", QUICK, listen_ms=2_000)
    assert report.closed_with == 1006


async def test_long_fragmented_messages_are_put_together() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send(['{"event":', '"clear"}'])
        await socket.wait_closed()

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        report = await check(f"ws://127.0.0.1:{port}", QUICK, listen_ms=200)
    assert report.heard[0].text == '{"event":"clear"}'


async def test_a_bot_of_another_sample_rate_is_found_us3_op12() -> None:
    async def talk(call: Call) -> None:
        async for event in call:
            if isinstance(event, Audio):
                await call.play(bytes(2 * len(event.pcm)))  # as if it were 16000 Hz

    async with listen(talk) as bot:
        report = await check(bot.url, QUICK, listen_ms=2_800)
    (finding,) = (finding for finding in report.findings if finding.about == "US-3")
    assert "is it 16-bit PCM at 16000 Hz?" in finding.text


async def test_a_mulaw_bot_is_checked_as_one_bx1() -> None:
    async def echo_bytes(call: Call) -> None:
        async for event in call:
            if isinstance(event, Audio):
                assert set(event.pcm) == {0xFF}, "silence"
                await call.play(event.pcm)

    async with listen(echo_bytes) as bot:
        profile = replace(QUICK, media_format="audio/x-mulaw;rate=8000")
        report = await check(bot.url, profile, listen_ms=600)
    assert report.is_fine
    assert report.findings == ()
    assert 100 <= report.audio_ms <= 700


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    served: set[asyncio.Task[None] | None] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        with contextlib.suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await asyncio.gather(*filter(None, served))


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "HTTP 404 instead of 101"),
        (b"SSH-2.0-x\r\n\r\n", 0, "not a WebSocket answer"),
        (b"", 0, "not a WebSocket answer"),
        (None, 0, "no answer within 300 ms"),
    ],
)
async def test_a_server_that_does_not_upgrade_is_named_us1(
    answer: bytes | None, status: int, error: str
) -> None:
    async with answering(answer) as port:
        profile = QUICK if answer is not None else replace(QUICK, connect_timeout_ms=300)
        report = await check(f"ws://127.0.0.1:{port}", profile, listen_ms=100)
    assert (report.failed_phase, report.http_status) == ("upgrade", status)
    assert report.error.startswith(error)
    assert report.phases[-1].name == "upgrade"


async def test_a_closed_port_fails_in_the_tcp_phase_us1() -> None:
    async with answering(b"") as port:
        pass
    report = await check(f"ws://127.0.0.1:{port}", QUICK)
    assert (report.failed_phase, report.is_fine) == ("tcp", False)


async def test_an_unknown_name_fails_in_the_dns_phase_us1() -> None:
    report = await check("ws://no-such-host.invalid", QUICK)
    assert report.failed_phase == "dns"


@pytest.mark.parametrize("url", ["ftp://x", "https://hooks.example.net/where"])
async def test_what_cannot_be_dialled_is_explained(url: str) -> None:
    report = await check(url)
    assert report.failed_phase == "address"
    assert report.error


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "bot.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_certificates_are_verified_unless_told_otherwise_as38(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async def dial(**settings: object) -> Report:
        profile = replace(QUICK, **settings)  # type: ignore[arg-type]
        return await check(f"wss://localhost:{port}", profile, listen_ms=50)

    async with serve(wait, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        refused = await dial()
        trusted = await dial(ca_file=str(path))
        unchecked = await dial(verify_tls=False)
    assert refused.failed_phase == "tls"
    assert "certificate" in refused.error
    assert [phase.name for phase in trusted.phases] == ["dns", "tcp", "tls", "upgrade"]
    assert trusted.error == unchecked.error == ""
