"""What a trunk and the node say of their audio: SDES over TLS, plain AVP over TCP and UDP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import TlsFiles
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Accepted, Invited
from agentstream.sip.signaling import Credentials
from agentstream.testing.answering import SDP
from agentstream.testing.certificates import Authority
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import ANY_FLOW
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_callee import ScriptedCallee
from agentstream.testing.sip_caller import sip_caller
from agentstream.testing.trunk_node import DID, TrunkNode, trunk_node
from agentstream.testing.trunks import DOMAIN, TRUNK_SID
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
ANN = Credentials("ann", "secret")
PLAIN = SDP.format(host=HOST, version=1)
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"  # 30 bytes, as text
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
SEALED = PLAIN.replace("RTP/AVP", "RTP/SAVP") + CRYPTO


def profile(sdp: str) -> str:
    """Return "RTP/AVP" or "RTP/SAVP" of the audio, with " + keys" when there are some."""
    (line,) = (line for line in sdp.splitlines() if line.startswith("m=audio"))
    return line.split()[2] + (" + keys" if "a=crypto:" in sdp else "")


@asynccontextmanager
async def trunk_with(folder: Path, srtp: str) -> AsyncIterator[tuple[TrunkNode, Authority]]:
    """Run a node with TLS whose trunk has this as_srtp; its number rings a bot."""
    authority = Authority.found(folder / "authority")
    certificate = authority.issue(HOST)
    sip = {
        "listeners": ",".join(f"{kind}://{HOST}:0" for kind in ("udp", "tcp", "tls")),
        "tls_certificate": certificate.chain_file,
        "tls_key": certificate.key_file,
        "tls_ca_file": authority.ca_file,
    }
    async with (
        echo_bot() as bot,
        trunk_node(
            folder / "node",
            users={"ann": "secret"},
            numbers={DID: "flow"},
            settings={"as_srtp": srtp},
            sip=sip,
        ) as here,
    ):
        await here.flow(DID, ANY_FLOW % bot.url())
        yield here, authority


@pytest.mark.parametrize(
    ("transport", "srtp", "offer", "answer"),
    [
        ("tls", "required", SEALED, "RTP/SAVP + keys"),
        ("tls", "allowed", SEALED, "RTP/SAVP + keys"),
        ("tcp", "allowed", PLAIN, "RTP/AVP"),
        ("udp", "allowed", PLAIN, "RTP/AVP"),
        ("udp", "allowed", SEALED, "RTP/SAVP + keys"),  # PN-8: never 488
        ("tls", "allowed", PLAIN, "RTP/AVP"),
        ("tls", "allowed", PLAIN + CRYPTO, "RTP/AVP + keys"),
    ],
)
async def test_a_trunks_caller_is_answered_as_it_offers(
    transport: TransportName, srtp: str, offer: str, answer: str, tmp_path: Path
) -> None:
    """SIP-42, PN-8."""
    async with trunk_with(tmp_path, srtp) as (here, authority):
        own = TlsFiles((authority.issue("peer.test"),), authority.ca_file)
        async with sip_caller(3, transport, own if transport == "tls" else None) as caller:
            target = here.node.target(DID, transport)
            told = await caller.call(target, ANN, sender=f"sip:{DID}@{DOMAIN}", offer=offer)
            assert isinstance(told, Accepted)
            assert profile(told.sdp or "") == answer
            assert KEY not in (told.sdp or "")  # an answer has a key of its own
            caller.engine.hang_up(told.ref)
            await here.node.records()


async def test_a_trunk_that_requires_keys_refuses_a_caller_without_them(tmp_path: Path) -> None:
    """SIP-42: `required` is no wish."""
    async with trunk_with(tmp_path, "required") as (here, _), sip_caller(3, "udp") as caller:
        told = await caller.call(here.node.target(DID), ANN, sender=f"sip:{DID}@{DOMAIN}")
        assert not isinstance(told, Accepted)
        assert told.status == 488


class KeyedCallee(ScriptedCallee):
    """Answers with keys where it is offered some."""

    def answer_for(self, call: Invited) -> str:
        """Answer an offer of RTP/SAVP with a key."""
        return SEALED if "RTP/SAVP" in (call.offer or "") else self.sdp()


@asynccontextmanager
async def keyed_callee(
    transport: TransportName, authority: Authority
) -> AsyncIterator[KeyedCallee]:
    tls = TlsFiles((authority.issue(HOST, file_name="callee"),), authority.ca_file)
    engine = SipEngine(
        SipConfig((Listener(transport, HOST, 0),), tls=tls if transport == "tls" else TlsFiles())
    )
    callee = KeyedCallee(engine)
    await engine.start()
    try:
        yield callee
    finally:
        await engine.stop(1_000)


@pytest.mark.parametrize(
    ("transport", "srtp", "offered"),
    [
        ("tls", "allowed", "RTP/SAVP + keys"),
        ("tls", "required", "RTP/SAVP + keys"),
        ("tls", "disabled", "RTP/AVP"),
        ("tcp", "allowed", "RTP/AVP"),
        ("udp", "allowed", "RTP/AVP"),
    ],
)
async def test_a_trunks_destination_is_offered_keys_over_tls_alone(
    transport: TransportName, srtp: str, offered: str, tmp_path: Path
) -> None:
    """SIP-14, SIP-42, SIP-43: one number of the trunk is connected to its destination."""
    async with (
        trunk_with(tmp_path, srtp) as (here, authority),
        keyed_callee(transport, authority) as callee,
        sip_caller(8) as network,  # the carrier's address: a call from the telephone network
    ):
        uri = f"sip:{HOST}:{callee.port};transport={transport}"
        await here.change(lambda trunk: trunk.destination(uri))
        await here.flow(DID, CONNECT % f"sip:{TRUNK_SID}")
        told = await network.call(here.node.target(DID), sender="sip:+912240000017@carrier.test")
        assert isinstance(told, Accepted)
        await until(lambda: here.node.saw("LegsBridged"))
        (invited,) = callee.calls.values()
        assert profile(invited.offer or "") == offered
        if "keys" in offered:
            assert "AES_CM_128_HMAC_SHA1_80" in (invited.offer or "")
        network.engine.hang_up(told.ref)
        await here.node.records()
        assert await here.node.is_idle()


CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""
