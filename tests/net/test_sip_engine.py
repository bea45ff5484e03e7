"""The engine over real sockets on loopback: two of them call each other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentstream.base.errors import ConfigError
from agentstream.net.egress import EgressPolicy
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, TlsFiles
from agentstream.net.tls import Certificate
from agentstream.sip.flow import Hop, TransportName
from agentstream.sip.gate import OPEN, Gate, PasswordGate
from agentstream.sip.reports import Accepted, Confirmed, Ended, Invited, MediaAnswered
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.answering import SDP, Answering

pytestmark = pytest.mark.integration
HOST = "127.0.0.1"
OFFER = SDP.format(host=HOST, version=1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A certificate for sip.test, believed by both sides."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sip.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sip.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return TlsFiles((Certificate(str(chain), str(secret)),), ca_file=str(chain))


@asynccontextmanager
async def two_engines(
    caller: SipConfig, callee: SipConfig, gate: Gate = OPEN
) -> AsyncIterator[tuple[SipEngine, Answering, SipEngine, Answering]]:
    async def locate(hop: Hop) -> tuple[Hop, ...]:
        return (Hop(hop.transport, HOST, hop.port, hop.tls_name).settled(),)

    async with AsyncExitStack() as stack:
        engines = SipEngine(caller, locate=locate), SipEngine(callee, locate=locate, gate=gate)
        products = Answering(engines[0]), Answering(engines[1], rings=True)
        for engine in engines:
            await engine.start()
            stack.push_async_callback(engine.stop, 1_000)
        yield engines[0], products[0], engines[1], products[1]


def config(
    transport: TransportName, tls: TlsFiles, settings: SipSettings | None = None
) -> SipConfig:
    return SipConfig((Listener(transport, HOST, 0),), tls=tls, settings=settings or SipSettings())


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_two_engines_talk(transport: TransportName, tls: TlsFiles) -> None:
    ours = config(transport, tls)
    async with two_engines(ours, ours) as (caller, told, callee, heard):
        port = callee.addresses[0][2]
        target = f"sip:+1@sip.test:{port};transport={transport}"
        ref = caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await told.told("Accepted", 1)
        await heard.told("Confirmed", 1)
        invited = next(report for report in heard.reports if isinstance(report, Invited))
        assert invited.source.startswith(f"{transport}:{HOST}:")
        assert caller.local_host(ref) == HOST
        caller.update_media(ref, OFFER.replace("sendrecv", "sendonly"))
        await told.told("MediaAnswered", 1)
        callee.hang_up(invited.ref, 16, "done")
        await told.told("Ended", 1)
        assert [type(report) for report in told.of(ref) if not hasattr(report, "status")] == [
            Accepted,
            MediaAnswered,
        ]
        ended = told.ended[0]
        assert (ended.by, ended.q850, ended.text) == ("remote", 16, "done")
        await asyncio.sleep(0)
        assert caller.counters["calls_now"] == 0
        assert any(isinstance(report, Confirmed) for report in heard.reports)


async def test_a_name_that_the_certificate_does_not_prove_is_not_called(tls: TlsFiles) -> None:
    ours = config("tls", tls)
    async with two_engines(ours, ours) as (caller, told, callee, _):
        port = callee.addresses[0][2]
        caller.place(Dial(f"sips:+1@other.test:{port}", "sip:ann@sip.test", OFFER))
        await told.told("Ended", 1)
        assert (told.ended[0].by, told.ended[0].status) == ("network", 503)


@pytest.mark.parametrize("trusted", [frozenset[str](), frozenset({"localhost"})])
async def test_a_name_that_leads_where_nobody_may_go_is_not_called(trusted: frozenset[str]) -> None:
    """SIP-5: what the name resolves to is checked, unless the operator's own trunk has it."""
    listener = (Listener("udp", HOST, 0),)
    forbidden = EgressPolicy(deny=("127.0.0.0/8", "::1/128"))
    caller = SipEngine(SipConfig(listener, egress=forbidden, trusted=trusted))
    async with AsyncExitStack() as stack:
        callee = SipEngine(SipConfig(listener))
        told, heard = Answering(caller), Answering(callee)
        for engine in (caller, callee):
            await engine.start()
            stack.push_async_callback(engine.stop, 1_000)
        port = callee.addresses[0][2]
        target = f"sip:ann@localhost:{port};transport=udp"
        caller.place(Dial(target, f"sip:me@{HOST}", OFFER))
        if trusted:
            await heard.told("Invited", 1)
        else:
            await told.told("Ended", 1)
            assert caller.counters["lookups_failed"] == 1
            assert heard.reports == []


async def test_a_caller_logs_in_by_digest(tls: TlsFiles) -> None:
    gate = PasswordGate("sip.test", {"ann": "secret"})
    ours = config("udp", tls)
    async with two_engines(ours, ours, gate) as (caller, told, callee, _):
        target = f"sip:+1@{HOST}:{callee.addresses[0][2]}"
        caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await told.told("Ended", 1)
        assert told.ended[0].status == 407
        credentials = Credentials("ann", "secret")
        caller.place(Dial(target, "sip:ann@sip.test", OFFER, credentials=credentials))
        await told.told("Accepted", 1)


async def test_nobody_listening_ends_the_call_at_once(tls: TlsFiles) -> None:
    ours = config("tcp", tls)
    async with two_engines(ours, ours) as (caller, told, callee, _):
        port = callee.addresses[0][2]
        await callee.stop(100)
        caller.place(Dial(f"sip:+1@{HOST}:{port};transport=tcp", "sip:ann@sip.test", OFFER))
        await told.told("Ended", 1)
        assert told.ended[0].status == 503


async def test_a_transport_without_a_listener_ends_the_call(tls: TlsFiles) -> None:
    ours = config("udp", tls)
    async with two_engines(ours, ours) as (caller, told, _, _):
        caller.place(Dial(f"sip:+1@{HOST}:5060;transport=tcp", "sip:ann@sip.test", OFFER))
        await told.told("Ended", 1)
        assert told.ended[0].text == "no listener for tcp"


async def test_draining_refuses_new_calls_and_stop_waits_for_the_old(tls: TlsFiles) -> None:
    ours = config("udp", tls)
    async with two_engines(ours, ours) as (caller, told, callee, heard):
        target = f"sip:+1@{HOST}:{callee.addresses[0][2]}"
        first = caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await told.told("Accepted", 1)
        await heard.told("Confirmed", 1)
        callee.refuse_new_calls(30)
        caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await told.told("Ended", 1)
        assert told.ended[0].status == 503
        assert ("Retry-After", "30") in told.ended[0].headers
        stopping = asyncio.create_task(callee.stop(5_000))
        await asyncio.sleep(0.02)
        assert not stopping.done()
        caller.hang_up(first)
        await asyncio.wait_for(stopping, 2)
        assert any(isinstance(report, Ended) for report in heard.reports)


async def test_stop_returns_once_the_last_bye_is_answered(tls: TlsFiles) -> None:
    ours = config("udp", tls)
    async with two_engines(ours, ours) as (caller, told, callee, heard):
        target = f"sip:+1@{HOST}:{callee.addresses[0][2]}"
        ref = caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await told.told("Accepted", 1)
        await heard.told("Confirmed", 1)
        caller.hang_up(ref)
        await asyncio.wait_for(caller.stop(20_000), 10)
        assert caller.counters["calls_now"] == 0


async def test_a_port_that_is_taken_is_named(tls: TlsFiles) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        engine = SipEngine(SipConfig((Listener("udp", HOST, port),), tls=tls))
        with pytest.raises(ConfigError, match=str(port)):
            await engine.start()


async def test_a_tls_listener_needs_a_certificate() -> None:
    engine = SipEngine(SipConfig((Listener("tls", HOST, 0),)))
    with pytest.raises(ConfigError, match="certificate"):
        await engine.start()


async def test_every_message_is_traced(tls: TlsFiles) -> None:
    seen: list[tuple[str, bytes]] = []

    def trace(direction: str, data: bytes, flow: object) -> None:
        assert str(flow).startswith("udp:127.0.0.1:")
        seen.append((direction, data.split(b" ")[0]))

    ours = config("udp", tls)
    async with two_engines(ours, ours) as (caller, told, callee, _):
        callee._trace = trace
        caller.place(Dial(f"sip:+1@{HOST}:{callee.addresses[0][2]}", "sip:ann@sip.test", OFFER))
        await told.told("Accepted", 1)
    assert seen[0] == ("in", b"INVITE")
    assert ("out", b"SIP/2.0") in seen


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_engines_talk_over_ipv6(transport: TransportName) -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    ours = SipConfig((Listener(transport, "::1", 0),))
    async with two_engines(ours, ours) as (caller, told, callee, heard):
        target = f"sip:+1@[::1]:{callee.addresses[0][2]};transport={transport}"
        ref = caller.place(Dial(target, "sip:ann@sip.test", OFFER))
        await heard.told("Confirmed", 1)
        assert callee.local_host(heard.refs[0]) == "::1"
        caller.hang_up(ref)
        await heard.told("Ended", 1)
        assert heard.ended[0].by == "remote"
        assert told.counts["Accepted"] == 1
