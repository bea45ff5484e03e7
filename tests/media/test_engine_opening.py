"""How a stream begins: the request, TLS, and the order of the first messages."""

import asyncio
import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentstream import _media


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: Any, is_ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("bot.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.fixture
def trust(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS settings, and the file of the authority behind them."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = certificate("Test CA", ca_key, "Test CA", ca_key, is_ca=True)
    leaf = certificate("bot", key, "Test CA", ca_key, is_ca=False)
    pem = serialization.Encoding.PEM
    ca_file, chain = tmp_path / "ca.pem", tmp_path / "chain.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(leaf.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, str(ca_file)


async def test_the_request_carries_target_headers_and_no_extras(rig: Any) -> None:
    """AS-20: the query as given; AS-35: credentials; AS-6: no subprotocol; AS-5: no compression."""
    bot = await rig.bot()
    target = "/a%20b/c?z=1&sample-rate=16000&a=%C3%A9&empty="
    headers = (("Authorization", "Basic dTpw"), ("User-Agent", "AgentStream/0"), ("X-A", "b"))
    rig.leg().open_stream(
        rig.stream(bot.port, target=target, headers=headers, host_header="bot.test:81")
    )
    await rig.until(_media.StreamOpen)
    path, sent = bot.requests[0]
    sent = {key.lower(): value for key, value in sent.items()}
    assert path == target
    assert sent["host"] == "bot.test:81"
    assert (sent["authorization"], sent["user-agent"], sent["x-a"]) == (
        "Basic dTpw",
        "AgentStream/0",
        "b",
    )
    assert not {"sec-websocket-protocol", "sec-websocket-extensions"} & set(sent)


async def test_nothing_comes_before_the_opening_and_the_numbers_have_no_gap(rig: Any) -> None:
    """ST-34, AS-60, AS-61, AS-65: connected, start, then all else, a key or sound, in any order."""
    phone, leg, bot = await rig.call(rig.listen)
    leg.send_text("s1", '{"event":"dtmf","sequence_number":"\x01"}')
    await rig.until_true(lambda: len(bot.said("media")) > 3 and bot.said("dtmf") != [])
    leg.close_stream("s1", 1000, "", '{"event":"stop","sequence_number":"\x01"}')
    await rig.until(_media.StreamClosed)
    events = [message["event"] for message in bot.heard]
    assert events[:2] == ["connected", "start"]
    assert {"connected", "start"}.isdisjoint(events[2:])
    assert events[-1] == "stop", "AS-98"
    numbers = [int(message["sequence_number"]) for message in bot.heard[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert phone.heard


async def test_a_leg_without_packets_is_silence_for_the_bot(rig: Any) -> None:
    """AS-82: the sound is continuous; bots use it as their clock."""
    bot, leg = await rig.bot(rig.listen), rig.leg()
    leg.open_stream(rig.stream(bot.port))
    await rig.until_true(lambda: len(bot.said("media")) == 5)
    assert {message["media"]["payload"] for message in bot.said("media")} == {"A" * 427 + "="}


async def test_a_one_way_stream_ignores_the_bot(rig: Any) -> None:
    """ST-42: ignored and counted."""

    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 160)))
        await socket.send('{"event":"mark","mark":{"name":"m"}}')
        await rig.listen(socket, bot)

    phone, leg, bot = await rig.call(talk, two_way=False)
    await rig.until_true(lambda: len(bot.said("media")) > 5)
    leg.close()
    assert (await rig.until(_media.StreamClosed)).stats.messages_ignored == 2
    assert b"\x10" not in phone.payload
    assert bot.said("mark") == []


async def test_a_message_with_the_upgrades_answer_is_not_lost(rig: Any) -> None:
    async def talk(socket: Any, bot: Any) -> None:
        await socket.send('{"event":"hello"}')
        await rig.listen(socket, bot)

    await rig.call(talk)
    assert (await rig.until(_media.BotMessage)).text == '{"event":"hello"}'


async def test_messages_for_python_are_bounded(rig: Any) -> None:
    """Texts of more than 64 KiB and floods are counted, not passed on."""

    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(json.dumps({"event": "big", "x": "y" * 65_536}))
        for _ in range(1000):
            await socket.send('{"event":"x"}')
        await socket.send('{"event":"mark","mark":{"name":"end"}}')
        await rig.listen(socket, bot)

    _, leg, _ = await rig.call(talk)
    await rig.until(_media.MarkPlayed)
    leg.close()
    stats = (await rig.until(_media.StreamClosed)).stats
    assert 190 <= len(rig.all(_media.BotMessage)) < 400
    assert stats.messages_ignored == 1001 - len(rig.all(_media.BotMessage))


async def test_tls_with_an_authority_of_ones_own(rig: Any, trust: Any) -> None:
    """AS-38: chain and name are verified against the extra file."""
    context, ca_file = trust
    bot = await rig.bot(rig.echo, ssl=context)
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.open_stream(rig.stream(bot.port, secure=True, server_name="bot.test", ca_file=ca_file))
    opened = await rig.until(_media.StreamOpen)
    assert opened.tls_ms + opened.upgrade_ms + opened.tcp_ms < 10_000
    said = rig.mulaw_noise(160 * 40)
    frames = [said[at : at + 160] for at in range(0, len(said), 160)]
    await phone.speak(said + b"\xff" * 1600, leg.rtp_port)
    # most frames, not all: a caller paced by a busy machine is late for some
    await rig.until_true(lambda: sum(frame in phone.payload for frame in frames) > 20)
    leg.close()
    assert (await rig.until(_media.StreamClosed)).code == 1000


async def test_tls_by_address(rig: Any, trust: Any) -> None:
    context, ca_file = trust
    bot = await rig.bot(rig.echo, ssl=context)
    rig.leg().open_stream(rig.stream(bot.port, secure=True, ca_file=ca_file))
    await rig.until(_media.StreamOpen)


async def test_an_unknown_authority_is_refused_and_said_so(rig: Any, trust: Any) -> None:
    """AS-38."""
    bot = await rig.bot(rig.echo, ssl=trust[0])
    rig.leg().open_stream(rig.stream(bot.port, secure=True, server_name="bot.test"))
    failed = await rig.until(_media.StreamFailed)
    assert failed.phase == "tls"
    assert "certificate is not trusted: self-signed, or issued by an authority" in failed.detail


async def test_a_certificate_for_another_name_is_refused(rig: Any, trust: Any) -> None:
    context, ca_file = trust
    bot = await rig.bot(rig.echo, ssl=context)
    rig.leg().open_stream(
        rig.stream(bot.port, secure=True, server_name="other.test", ca_file=ca_file)
    )
    assert "it is for another name" in (await rig.until(_media.StreamFailed)).detail


async def test_verification_can_be_switched_off(rig: Any, trust: Any) -> None:
    bot = await rig.bot(rig.echo, ssl=trust[0])
    rig.leg().open_stream(rig.stream(bot.port, secure=True, server_name="x", verify_tls=False))
    await rig.until(_media.StreamOpen)


async def test_a_ca_file_that_cannot_be_read_is_named(rig: Any, trust: Any) -> None:
    bot = await rig.bot(rig.echo, ssl=trust[0])
    rig.leg().open_stream(rig.stream(bot.port, secure=True, ca_file="/nowhere/ca.pem"))
    assert "/nowhere/ca.pem" in (await rig.until(_media.StreamFailed)).detail


async def test_a_large_burst_over_tls_is_heard(rig: Any, trust: Any) -> None:
    said = rig.mulaw_noise(4000)

    async def talk(socket: Any, bot: Any) -> None:
        await asyncio.gather(*(socket.send(rig.media(rig.pcm_of(said))) for _ in range(30)))
        await rig.listen(socket, bot)

    context, ca_file = trust
    bot = await rig.bot(talk, ssl=context)
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.open_stream(rig.stream(bot.port, secure=True, ca_file=ca_file))
    await rig.until_true(lambda: said in phone.payload)
    leg.close()
    assert (await rig.until(_media.StreamClosed)).stats.media_received == 30
