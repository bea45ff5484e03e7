"""A node with a trunk to a platform, made by the one command that its page names, and both ends.

    async with partner_world(tmp_path, "livekit", "project=acme") as there:
        caller = there.rings()                      somebody calls the number by telephone
        invite = await there.platform.request("INVITE")

The telephone network is a scripted caller on one side and a carrier that answers on the other.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from typer.testing import CliRunner

from agentstream.calls.record import CallRecord
from agentstream.net.tls import Certificate
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.cli import app
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.local_presets import local_preset
from agentstream.testing.node import Node, running_node, scripted_caller
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partners import LOUD, WAIT_MS, Heard, Partner, Way, partner
from agentstream.testing.ports import HOST
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.waiting import until

DID: Final = "+918000000042"
CALLER: Final = "+919876500001"
PERSON: Final = "+912240000017"  # whom the platform calls
PAIRS: Final = 8
ELSEWHERE: Final = "127.0.0.2"  # where the telephone network calls from: in no list


@dataclass
class PartnerWorld:
    """Everything that a scenario needs."""

    node: Node
    platform: Partner
    caller: ScriptedCaller
    carrier: ScriptedCallee
    carriers_phone: RtpPhone
    made: dict[str, Any]  # what the command printed
    environment: Mapping[str, str]
    trust: ssl.SSLContext | None = None  # of the node's certificate

    @property
    def user(self) -> str:
        """The platform's user here."""
        return str(self.made["user"])

    @property
    def password(self) -> str:
        """The password that was shown once."""
        return str(self.made["password"])

    @property
    def trunk(self) -> dict[str, Any]:
        """The trunk's row."""
        found: dict[str, Any] = self.made["trunk"]
        return found

    @property
    def place(self) -> tuple[str, int]:
        """Where the node listens to the platform's transport."""
        host, _, port = self.node.address(self.platform.way).rpartition(":")
        return host, int(port)

    def rings(self, number: str = DID) -> "asyncio.Task[PlacedCall]":
        """Call a number here from the telephone network; done once it is answered."""
        return asyncio.create_task(self.caller.dial(self.node.target(number)))

    async def join(self, sdp: str = "", **answer: Any) -> tuple[PlacedCall, Heard]:  # noqa: ANN401
        """Let somebody call by telephone and the platform answer; return both ends' call."""
        calling = self.rings()
        invite = await self.platform.request("INVITE")
        self.platform.answer(invite, 100)
        self.platform.answer(invite, 180)
        self.platform.answer(invite, 200, sdp=sdp or self.platform.sdp(), **answer)
        await self.platform.request("ACK")
        return await calling, invite

    async def caller_goes(self, call: PlacedCall) -> CallRecord:
        """Let the caller hang up; the platform is told, and nothing is left."""
        ending = asyncio.create_task(call.hang_up())
        self.platform.answer(await self.platform.request("BYE"), 200)
        await ending
        return await self.record()

    async def dial_out(
        self,
        called: str = PERSON,
        caller: str = DID,
        *,
        has_login: bool = True,
        **how: Any,  # noqa: ANN401
    ) -> PartnerCall:
        """Let the platform call a person by telephone, with its login if it has one."""
        call = PartnerCall(self.platform, self.place, called, caller, tls=self.trust, **how)
        await call.invite()
        if has_login:
            await call.log_in(await call.refused(407), self.user, self.password)
        await call.answered()
        await self.hears(self.platform.phone)
        await self.hears(self.carriers_phone)
        return call

    async def platform_goes(self, call: PartnerCall) -> CallRecord:
        """Let the platform hang up; nothing is left."""
        await call.hang_up()
        return await self.record()

    async def command(self, *words: str) -> str:
        """Run a command of the operator on this node."""
        said = await asyncio.to_thread(_run, words, self.environment)
        await self.node.house.parts.directory.refresh()
        return said

    async def hears(self, phone: RtpPhone) -> None:
        """Wait until somebody's audio comes through."""
        before = phone.loud_packets()
        await until(lambda: phone.loud_packets() > before + 5, WAIT_MS)

    async def talk(self, call: PlacedCall) -> None:
        """Wait until the telephone and the platform hear each other."""
        await asyncio.wait_for(asyncio.shield(call.hears), WAIT_MS / 1000)
        await until(lambda: self.platform.phone.heard, WAIT_MS)

    async def record(self) -> CallRecord:
        """Wait until the call is over and nothing of it is left; return its record."""
        (record,) = await self.node.records()
        assert await self.node.is_idle()
        return record


def _run(words: tuple[str, ...], environment: Mapping[str, str]) -> str:
    result = CliRunner(env=environment).invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def _environment(
    node: Node, folder: Path, ways: tuple[str, ...], own: Certificate | None
) -> dict[str, str]:
    listeners = ",".join(f"{way}://{node.address(way)}" for way in ways)
    found = {"AGENTSTREAM_DATA_DIR": str(folder), "AGENTSTREAM_SIP__LISTENERS": listeners}
    if own is not None:
        found["AGENTSTREAM_SIP__TLS_CERTIFICATE"] = str(own.chain_file)
        found["AGENTSTREAM_SIP__TLS_KEY"] = str(own.key_file)
    return found


@asynccontextmanager
async def partner_world(  # noqa: PLR0913  (what a scenario may choose)
    folder: Path,
    preset: str,
    *answers: str,
    way: Way = "tcp",
    options: tuple[str, ...] = (),
    who: str = "answers",
    ports: Mapping[str, int] | None = None,
    sip: Mapping[str, object] | None = None,
    **sections: Any,  # noqa: ANN401  (parts of the configuration)
) -> AsyncIterator[PartnerWorld]:
    """Run a node, a platform and the telephone network; `who` names what the carrier's side does.

    `answers` are the preset's, NAME=VALUE; `options` stand on the command's line as they are;
    `ports` are those of a real peer, by transport, instead of the platform's.
    """
    authority = Authority.found(folder / "ca") if way == "tls" else None
    own = authority.issue(HOST, file_name="node") if authority else None
    theirs = serving(authority.issue(HOST, file_name="platform")) if authority else None
    ways = ("udp", "tcp", "tls") if way == "tls" else ("udp", "tcp")
    section: dict[str, object] = {
        "listeners": ",".join(f"{each}://{HOST}:0" for each in ways),
        **(sip or {}),
    }
    if authority is not None and own is not None:
        section |= {
            "tls_certificate": own.chain_file,
            "tls_key": own.key_file,
            "tls_ca_file": authority.ca_file,
        }
    async with (
        partner(way, theirs) as platform,
        rtp_phone(LOUD) as phone,
        scripted_callee(lambda _: who, audio_port=phone.port) as carrier,
    ):
        roads = {"carrier": {"target": f"sip:{HOST}:{carrier.port}"}}
        data_dir = folder / "node"
        async with (
            running_node(
                data_dir,
                "ws://127.0.0.1:9/",
                pairs=PAIRS,
                sip=section,
                **{"trunks": roads, "dial": {"trunk": "carrier"}, **sections},
            ) as node,
            scripted_caller(host=ELSEWHERE) as caller,
        ):
            local_preset(data_dir, preset, ports or {way: platform.port})
            around = _environment(node, data_dir, ways, own)
            trust = ssl.create_default_context(cafile=authority.ca_file) if authority else None
            there = PartnerWorld(node, platform, caller, carrier, phone, {}, around, trust)
            given = [word for answer in answers for word in ("--answer", answer)]
            line = ("trunks", "create", preset, "--preset", preset, *given, *options)
            there.made = json.loads(await there.command(*line, "--number", DID, "--json"))
            yield there
