"""The doctor of a trunk: what it finds at servers that are well, odd, closed or silent (SD-4)."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import RandomTokens
from agentstream.net.locate import Naptr, Srv
from agentstream.server.check import Finding
from agentstream.server.config import Config
from agentstream.server.trunk_call import echo_delay_ms, write_bursts
from agentstream.server.trunk_doctor import examine, form_lines, patient_of
from agentstream.sip.digest import DigestServer, Verified, ha1
from agentstream.sip.message import Request, respond
from agentstream.sip.wire import encode, parse_datagram
from agentstream.store.trunk_book import TrunkBook
from agentstream.testing.certificates import Authority
from agentstream.testing.node import running_node
from agentstream.testing.ports import HOST, free_port

NOBODY = "ws://127.0.0.1:9/"
CARRIER = {"user": "ann", "password": "secret"}


class Zone:
    """Names that only this test knows."""

    def __init__(self, **srv: Srv) -> None:
        self._srv = srv

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        del name
        return ()

    async def srv(self, name: str) -> tuple[Srv, ...]:
        found = self._srv.get(name.split(".")[1])
        return (found,) if found else ()

    async def addresses(self, name: str) -> tuple[str, ...]:
        del name
        return (HOST,)


async def looked(name: str, dns: Any = None, **sections: Any) -> list[Finding]:
    config = Config.model_validate({"sip": {"listeners": "udp://127.0.0.1:0"}, **sections})
    patient = patient_of(name, config, TrunkBook())
    found = examine(patient, config, SystemClock(), RandomTokens(), dns)
    return [finding async for finding in found]


def named(findings: list[Finding], name: str) -> Finding:
    return next(each for each in findings if each.name.startswith(name))


def wrong(findings: list[Finding]) -> list[str]:
    return [each.name for each in findings if each.verdict == "error"]


async def test_a_server_that_answers_is_well_sd_4(tmp_path: Path) -> None:
    """SD-4: OPTIONS with its status, its time and what it allows, and our own address."""
    async with running_node(tmp_path, NOBODY) as node:
        findings = await looked(f"sip:{node.address()}")
    assert not wrong(findings)
    assert named(findings, "OPTIONS").text.startswith("200 OK in ")
    assert "INVITE" in named(findings, "they allow").text
    assert named(findings, "our address").text == f"packets leave from {HOST}"


async def test_every_record_on_the_way_is_told_sd_4(tmp_path: Path) -> None:
    """SD-4, RFC 3263: from a name over SRV to an address."""
    async with running_node(tmp_path, NOBODY) as node:
        port = int(node.address().rpartition(":")[2])
        zone = Zone(_udp=Srv(10, 60, port, "sbc.test"))
        trunks = {"carrier": {"target": "sip:carrier.test"}}
        findings = await looked("carrier", zone, trunks=trunks)
    told = [each.text for each in findings if each.name == "DNS"]
    assert told == [
        f"SRV _sip._udp.carrier.test: priority 10, weight 60, sbc.test:{port}",
        f"sbc.test is {HOST}",
    ]
    assert named(findings, "OPTIONS").verdict == "ok"


async def test_a_certificate_that_is_trusted_is_told_with_its_names_sd_4(tmp_path: Path) -> None:
    """SD-4: version, names, issuer, expiry."""
    authority = Authority.found(tmp_path / "ca")
    ours = authority.issue(HOST)
    sip = {"tls_ca_file": authority.ca_file, **_tls_listener(ours)}
    async with running_node(tmp_path / "n", NOBODY, transports=("tls",), certificate=ours) as node:
        goal = f"sip:{node.address('tls')};transport=tls"
        findings = await looked(goal, sip=sip)
        strangers = await looked(goal, sip=_tls_listener(ours))
    assert not wrong(findings)
    assert named(findings, "TLS").text.startswith("TLSv1.3")
    assert named(findings, "certificate").text.startswith(f"for {HOST}, by ")
    assert named(strangers, "certificate").verdict == "error"
    assert "tls_ca_file" in named(strangers, "certificate").text
    assert named(strangers, "OPTIONS").verdict == "ok"  # the rest is looked at all the same


def _tls_listener(certificate: Any) -> dict[str, Any]:
    return {
        "listeners": "tls://127.0.0.1:0",
        "tls_certificate": certificate.chain_file,
        "tls_key": certificate.key_file,
    }


async def test_a_transport_that_we_do_not_speak_is_a_fault_of_ours(tmp_path: Path) -> None:
    async with running_node(tmp_path, NOBODY) as node:
        findings = await looked(f"sip:{node.address('tcp')};transport=tcp")
    assert wrong(findings) == ["transport"]


async def test_a_closed_port_and_a_silent_one_are_told_apart(monkeypatch: Any) -> None:
    monkeypatch.setattr("agentstream.net.sip_probe.ANSWER_S", 0.2)
    port = free_port()
    closed = await looked(f"sip:{HOST}:{port};transport=tcp", sip={"listeners": "tcp://0.0.0.0:0"})
    assert named(closed, "connect").text.endswith(f"is port {port} open for our address?")
    silent = await looked(f"sip:{HOST}:{port}")
    assert "no answer to OPTIONS" in named(silent, "OPTIONS").text
    assert named(silent, "in all").verdict == "error"


async def test_a_name_that_leads_nowhere_is_told() -> None:
    findings = await looked("sip:nowhere.invalid:5060")
    assert named(findings, "DNS").verdict == "error"


@asynccontextmanager
async def registrar(password: str) -> AsyncIterator[str]:
    """Answer OPTIONS to whoever knows a password; gives "host:port"."""

    def known(user: str, algorithm: str) -> str:
        return ha1(user, "a.test", password, algorithm)

    class Door(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.out = transport
            self.digest = DigestServer(b"x" * 32)

        def datagram_received(self, data: bytes, addr: Any) -> None:
            asked = parse_datagram(data)
            assert isinstance(asked, Request)
            given = asked.headers.all("Authorization")
            verdict = self.digest.verify("OPTIONS", given, "a.test", known, 0)
            answer = respond(asked, 200 if isinstance(verdict, Verified) else 401, to_tag="t")
            if answer.status == 401:
                [challenge] = self.digest.challenge("a.test", 0)
                answer.headers.add("WWW-Authenticate", challenge)
            seen = asked.top_via.seen_from("192.0.2.77", 1234)
            answer.replace_top_via(seen)
            self.out.sendto(encode(answer), addr)

    loop = asyncio.get_running_loop()
    door, _ = await loop.create_datagram_endpoint(Door, local_addr=(HOST, 0))
    try:
        yield f"{HOST}:{door.get_extra_info('sockname')[1]}"
    finally:
        door.close()


async def test_credentials_are_tried_and_a_nat_is_seen_sd_4() -> None:
    """SD-4: digest challenge seen and answered; RFC 3581 shows our address."""
    async with registrar("secret") as address:
        trunks = {"carrier": {"target": f"sip:{address}", **CARRIER}}
        findings = await looked("carrier", trunks=trunks)
    assert not wrong(findings)
    assert named(findings, "digest").text == "asked for by a.test, and answered"
    assert "the far end sees 192.0.2.77: set public_host" in named(findings, "NAT").text


@pytest.mark.parametrize(
    ("login", "verdict", "text"),
    [
        ({"user": "ann", "password": "wrong"}, "error", "user, password or realm is wrong"),
        ({}, "warning", "and the trunk has none"),
        ({**CARRIER, "realm": "b.test"}, "error", "not the realm of our credentials"),
    ],
)
async def test_wrong_credentials_are_told_apart_sd_4(
    login: dict[str, str], verdict: str, text: str
) -> None:
    async with registrar("secret") as address:
        trunks = {"carrier": {"target": f"sip:{address}", **login}}
        findings = await looked("carrier", trunks=trunks)
    found = named(findings, "digest")
    assert found.verdict == verdict
    assert text in found.text
    assert "secret" not in str(findings)


async def test_what_may_not_be_dialled_is_not_looked_at_either() -> None:
    """`net.egress` holds for the doctor as for calls."""
    with pytest.raises(CommandError, match="may not be dialled"):
        await looked(f"sip:{HOST}", egress={"deny": "127.0.0.0/8"})
    with pytest.raises(CommandError, match="no trunk other"):
        await looked("other")


def test_what_their_form_wants_is_told_sd_4() -> None:
    """SD-4: the exact values to paste."""
    config = Config.model_validate(
        {"sip": {"public_host": "198.51.100.1"}, "trunks": {"carrier": {"target": "sip:a"}}}
    )
    lines = dict(form_lines(patient_of("carrier", config, TrunkBook()), config))
    assert lines["SIP server"] == "UDP 198.51.100.1:5060, TCP 198.51.100.1:5060"
    assert lines["RTP ports"] == "UDP 20000 to 23999"


def test_an_echo_is_found_and_silence_is_none(tmp_path: Path) -> None:
    said = tmp_path / "said.wav"
    write_bursts(said)
    with wave.open(str(said)) as file:
        frames = file.readframes(file.getnframes())
    silence = b"\0\0" * len(frames)
    late = b"\0\0" * 1_600  # 200 ms

    def stereo(left: bytes, right: bytes, name: str) -> Path:
        size = min(len(left), len(right))
        both = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, size, 2))
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(both)
        return tmp_path / name

    assert echo_delay_ms(stereo(late + frames, frames + late, "a.wav")) == 200
    assert echo_delay_ms(stereo(silence, frames, "b.wav")) is None
