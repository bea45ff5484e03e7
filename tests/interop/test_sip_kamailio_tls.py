"""Kamailio over TLS with certificates both ways, and over WebSocket, against the SIP engine."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import Certificate, ClientCheck, TlsFiles, TlsProfile
from agentstream.sip.flow import Hop, TransportName
from agentstream.sip.signaling import Dial
from agentstream.testing.answering import SDP, Answering
from agentstream.testing.certificates import Authority
from agentstream.testing.peers import program, scenario, sipp
from agentstream.testing.ports import HOST, free_port

FOLDERS = list(Path("/usr/lib").glob("*/kamailio/modules"))
HAS_MODULES = bool(FOLDERS) and all(
    (folder / f"{name}.so").exists() for folder in FOLDERS for name in ("tls", "websocket")
)
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("sipp") is None or not HAS_MODULES,
        reason="kamailio, its tls and websocket modules, or sipp is not installed",
    ),
]
SCENARIOS = Path(__file__).parent / "sipp"
OFFER = SDP.format(host=HOST, version=1)
PROFILES = """\
[server:default]
method = TLSv1.2+
certificate = {chain}
private_key = {key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
[client:default]
method = TLSv1.2+
certificate = {chain}
private_key = {key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
"""


@dataclass
class Proxy:
    """Where a running proxy listens."""

    port: int  # UDP, and TCP with WebSocket
    secure: int  # TLS


@asynccontextmanager
async def running_proxy(
    folder: Path, authority: Authority, target: int, kind: TransportName
) -> AsyncIterator[Proxy]:
    """Run a proxy, proxy.example, that sends calls to a port and believes an authority."""
    own = authority.issue("proxy.example", file_name="proxy")
    proxy = Proxy(free_port(), free_port())
    values: dict[str, object] = {"HOST": HOST, "PORT": proxy.port, "TARGET": target, "KIND": kind}
    tls = PROFILES.format(chain=own.chain_file, key=own.key_file, ca=authority.ca_file)
    _write(folder, tls, {**values, "SECURE": proxy.secure, "FOLDER": folder})
    memory = ("-m", "32", "-M", "4")
    command = ("kamailio", "-f", str(folder / "config"), "-DD", "-E", *memory, "-Y", str(folder))
    async with program(*command, folder=folder):
        await _listens(proxy.secure)
        yield proxy


def _write(folder: Path, tls: str, values: dict[str, object]) -> None:
    folder.mkdir()
    text = (SCENARIOS / "kamailio_tls.cfg").read_text()
    for name, value in values.items():
        text = text.replace(name, str(value))
    (folder / "config").write_text(text)
    (folder / "tls.cfg").write_text(tls)


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def engine(
    transport: TransportName, tls: TlsFiles | None = None
) -> AsyncIterator[tuple[SipEngine, Answering]]:
    """Run an engine for which every name is this machine."""

    async def locate(hop: Hop) -> tuple[Hop, ...]:
        return (Hop(hop.transport, HOST, hop.port, hop.tls_name, hop.tls_profile).settled(),)

    config = SipConfig(
        (Listener(transport, HOST, 0),),
        admission=AdmissionLimits(rate_per_s=0),
        tls=tls or TlsFiles(),
    )
    running = SipEngine(config, locate=locate)
    product = Answering(running, rings=True)
    await running.start()
    try:
        yield running, product
        assert "bugs" not in running.counters
    finally:
        await running.stop(1_000)


async def test_a_proxy_calls_us_and_each_proves_who_it_is_sip_36(tmp_path: Path) -> None:
    """RFC 5922: its certificate is asked for, and its names come with the call."""
    authority = Authority.found(tmp_path / "authority")
    check = ClientCheck(authority.ca_file)
    own = authority.issue(HOST, "sip.test", file_name="ours")
    tls = TlsFiles((own,), authority.ca_file, check)
    async with engine("tls", tls) as (ours, product):
        port = ours.addresses[0][2]
        async with running_proxy(tmp_path / "proxy", authority, port, "tls") as proxy:
            steps = scenario(SCENARIOS / "hold_resume.xml", tmp_path / "sipp", media_port="40000")
            calls = asyncio.create_task(
                sipp(
                    *steps, "-m", "3", "-d", "100", f"{HOST}:{proxy.port}", folder=tmp_path / "sipp"
                )
            )
            await product.told("Confirmed", 1)
            flow = ours._endpoint.flow_of(product.refs[0])
            assert flow is not None
            assert flow.peer_names == ("proxy.example",)
            await calls
        assert {ended.by for ended in product.ended} == {"remote"}
        assert ours.counters["connections_accepted"] == 1, "one connection for all of it"


@pytest.mark.parametrize("ends", ["we", "they"])
async def test_we_call_by_a_proxy_that_wants_a_trunk_s_own_certificate(
    ends: str, tmp_path: Path
) -> None:
    """PN-50: the node's certificate is a stranger's to it, the trunk's own is not."""
    theirs, ours = Authority.found(tmp_path / "theirs"), Authority.found(tmp_path / "ours")
    issued = theirs.issue("customer.example")
    profile = TlsProfile(Certificate(issued.chain_file, issued.key_file), theirs.ca_file)
    tls = TlsFiles((ours.issue("node.example"),), theirs.ca_file, profiles={"carrier": profile})
    async with engine("tls", tls) as (caller, told), engine("udp") as (callee, heard):
        port = callee.addresses[0][2]
        async with running_proxy(tmp_path / "proxy", theirs, port, "udp") as proxy:
            target = f"sip:+1@proxy.example:{proxy.secure};transport=tls"
            caller.place(Dial(target, "sip:ann@node.example", OFFER))
            await told.told("Ended", 1)
            assert told.ended[0].status == 503
            ref = caller.place(Dial(target, "sip:ann@node.example", OFFER, tls_profile="carrier"))
            await told.told("Accepted", 1)
            await heard.told("Confirmed", 1)
            if ends == "we":
                caller.hang_up(ref)
            else:
                callee.hang_up(heard.refs[0])
            await told.told("Ended", 2)
            await heard.told("Ended", 1)
            other = f"sip:+1@other.example:{proxy.secure};transport=tls"
            caller.place(Dial(other, "sip:ann@node.example", OFFER, tls_profile="carrier"))
            await told.told("Ended", 3)
            assert "not for other.example but for proxy.example" in told.ended[2].text
        assert caller.counters["connections_wrong_names"] == 1
        # RFC 5923: even their BYE came by the connection of ours.
        assert caller.counters["connections_accepted"] == 0


@pytest.mark.parametrize("ends", ["we", "they"])
async def test_we_call_by_a_proxy_over_websocket(ends: str, tmp_path: Path) -> None:
    """RFC 7118 against an implementation that is not ours."""
    authority = Authority.found(tmp_path / "authority")
    async with engine("ws") as (caller, told), engine("udp") as (callee, heard):
        port = callee.addresses[0][2]
        async with running_proxy(tmp_path / "proxy", authority, port, "udp") as proxy:
            target = f"sip:+1@{HOST}:{proxy.port};transport=ws"
            ref = caller.place(Dial(target, "sip:ann@node.example", OFFER))
            await told.told("Accepted", 1)
            await heard.told("Confirmed", 1)
            caller.update_media(ref, OFFER.replace("sendrecv", "sendonly"))
            await told.told("MediaAnswered", 1)
            if ends == "we":
                caller.hang_up(ref)
            else:
                callee.hang_up(heard.refs[0])
            await told.told("Ended", 1)
            await heard.told("Ended", 1)
        assert caller.counters["connections_connected"] == 1
        assert told.ended[0].by == ("local" if ends == "we" else "remote")
