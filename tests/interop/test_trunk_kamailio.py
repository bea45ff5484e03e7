"""Kamailio as a carrier over TLS that wants a password: two of them behind one name, one dies."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.asyncresolver
import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.sip.reports import Confirmed
from agentstream.testing.certificates import Authority
from agentstream.testing.name_server import name_server
from agentstream.testing.node import running_node
from agentstream.testing.peers import Kamailio, running_kamailio
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.waiting import until

HAS_TLS = any(Path("/usr/lib").glob("*/kamailio/modules/tls.so"))
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("kamailio") is None or not HAS_TLS,
        reason="kamailio or its tls module is not installed",
    ),
]
CARRIER = Path(__file__).parent / "sipp" / "carrier.cfg"
NUMBER = "+918040000009"
PROFILE = """\
[server:default]
method = TLSv1.2+
certificate = {chain}
private_key = {key}
ca_list = {ca}
"""


@dataclass
class Carrier:
    """One of the carrier's servers."""

    kamailio: Kamailio
    secure: int  # its TLS port

    def said(self) -> str:
        return (self.kamailio.folder / "kamailio.log").read_text(errors="replace")

    def logins(self) -> list[str]:
        """Return who logged in with an INVITE, and over what."""
        return re.findall(r"passes INVITE \d+ of \S+ as (\S+ over \S+)", self.said())


@asynccontextmanager
async def carrier(folder: Path, authority: Authority, target: int) -> AsyncIterator[Carrier]:
    """Run a server whose certificate is the carrier's, which sends calls to a port."""
    secure = free_port()
    template = write_files(folder, authority, secure)
    async with running_kamailio(template, folder, f"{HOST}:{target}") as kamailio:
        yield Carrier(kamailio, secure)


def write_files(folder: Path, authority: Authority, secure: int) -> Path:
    """Write what the server reads; returns the template of its script."""
    folder.mkdir()
    own = authority.issue("carrier.example", file_name=folder.name)
    profile = PROFILE.format(chain=own.chain_file, key=own.key_file, ca=authority.ca_file)
    (folder / "tls.cfg").write_text(profile)
    text = CARRIER.read_text().replace("SECURE", str(secure)).replace("FOLDER", str(folder))
    (folder / "template").write_text(text)
    return folder / "template"


async def test_calls_log_in_over_tls_and_go_on_by_the_second_server_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIP-5, SIP-17, SIP-31, RFC 3263, RFC 5922: SRV, the name's certificate, a digest for each."""
    authority = Authority.found(tmp_path / "authority")
    certificate = authority.issue(HOST)
    sip = {
        "listeners": f"udp://{HOST}:0,tls://{HOST}:0",
        "tls_certificate": certificate.chain_file,
        "tls_key": certificate.key_file,
        "tls_ca_file": authority.ca_file,
    }
    road = {
        "target": "sip:carrier.example;transport=tls",
        "user": "acct",
        "password": "hunter2",
        "failover_timeout_ms": 1_000,
    }
    async with (
        scripted_callee(lambda _: "voicemail") as callee,
        carrier(tmp_path / "one", authority, callee.port) as one,
        carrier(tmp_path / "two", authority, callee.port) as two,
        name_server(zone(one, two)) as (asker, server),
    ):
        monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: asker)  # the system's
        async with running_node(
            tmp_path / "node",
            "ws://unused/",
            sip=sip,
            trunks={"carrier": road},
            dial={"trunk": "carrier"},
            egress={"allow": [HOST]},
        ) as node:
            calls = [await node.place(NUMBER)]
            await until(lambda: confirmed(callee) == 1)
            assert one.logins() == ["acct over tls"]
            assert "challenges INVITE over tls" in one.said()
            assert two.logins() == []
            await one.kamailio.stop()
            calls.append(await node.place(NUMBER))
            await until(lambda: confirmed(callee) == 2)
            assert two.logins() == ["acct over tls"]
            assert server.asked["_sips._tcp.carrier.example.", "SRV"] >= 1
            assert not node.saw("CallEnded"), "the first call goes on without its server"
            board = node.house.parts.switchboard
            for call_sid in calls:
                await board.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))
            records = await node.records(2, 40_000)
    assert {record.status for record in records} == {"completed"}


def confirmed(callee: ScriptedCallee) -> int:
    """Return how many of its answers were acknowledged."""
    return sum(isinstance(report, Confirmed) for report in callee.reports)


def zone(one: Carrier, two: Carrier) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the carrier's records: the second server is asked when the first does not answer."""
    return {
        ("_sips._tcp.carrier.example.", "SRV"): (
            f"1 0 {one.secure} {HOST}.",
            f"2 0 {two.secure} {HOST}.",
        )
    }
