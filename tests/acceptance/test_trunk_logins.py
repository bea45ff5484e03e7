"""How a trunk's callers prove who they are, message by message, against a whole node."""

import hashlib
import re
from pathlib import Path

import pytest

from agentstream.sip.reports import Accepted, Ended
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import parse_uri
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import ANY_FLOW
from agentstream.testing.raw_sip import RawSip, header, raw_sip
from agentstream.testing.sip_caller import sip_caller
from agentstream.testing.trunk_node import DID, FAR, trunk_node
from agentstream.testing.trunks import DOMAIN
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
USERS = {"ann": "secret"}
ANN = Credentials("ann", "secret")
AUDIO = 40_000  # a port at which nobody hears
SETTINGS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def login(challenge: str, name: str, uri: str, *, has_qop: bool) -> str:
    """Return the header that answers a challenge, made by hand as old stacks make it."""
    realm, nonce = (re.search(rf'{key}="([^"]+)"', challenge) for key in ("realm", "nonce"))
    assert realm is not None
    assert nonce is not None
    ha1, ha2 = md5(f"ann:{realm[1]}:secret"), md5(f"INVITE:{uri}")
    more = ', qop=auth, nc=00000001, cnonce="0a4f113b"' if has_qop else ""
    middle = f"{nonce[1]}:00000001:0a4f113b:auth" if has_qop else nonce[1]
    response = md5(f"{ha1}:{middle}:{ha2}")
    return (
        f'{name}: Digest username="ann", realm="{realm[1]}", nonce="{nonce[1]}", uri="{uri}", '
        f'response="{response}", algorithm=MD5{more}'
    )


async def challenged(peer: RawSip, status: int) -> str:
    """Let the peer call; returns the challenge that it gets."""
    peer.sender = f"bob@{DOMAIN}"
    peer.start(FAR, AUDIO)
    refusal = await peer.until(f"SIP/2.0 {status}")
    peer.acknowledge(refusal)
    asked = header(refusal, SETTINGS[status][0])
    assert f'realm="{DOMAIN}"' in asked  # SIP-33
    assert "MD5" in asked or "algorithm" not in asked
    return asked


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("has_qop", [True, False])
@pytest.mark.parametrize("uri", ["Request-URI", "To"])
async def test_a_digest_is_believed_as_every_stack_writes_it(
    status: int, has_qop: bool, uri: str, tmp_path: Path
) -> None:
    """SIP-31, SIP-32, PN-6: MD5 with and without qop; LiveKit takes the uri from To."""
    async with (
        trunk_node(tmp_path, users=USERS, sip=sip_section(challenge_status=status)) as here,
        raw_sip(here.node.address()) as peer,
    ):
        asked = await challenged(peer, status)
        address = here.node.address()
        digest_uri = {"Request-URI": f"sip:{FAR}@{address}", "To": f"sip:{FAR}@127.0.0.1"}[uri]
        said = login(asked, SETTINGS[status][1], digest_uri, has_qop=has_qop)
        peer.status = 200
        await peer.call(FAR, AUDIO, said)
        (invited,) = here.carrier.calls.values()
        assert parse_uri(invited.from_uri).user == DID
        peer.say("BYE")
        await here.node.records()


async def test_an_answer_to_a_challenge_is_good_once_and_a_wrong_one_never(
    tmp_path: Path,
) -> None:
    """SIP-32, SIP-35: what was overheard is of no use to anybody."""
    async with (
        trunk_node(tmp_path, users=USERS) as here,
        raw_sip(here.node.address()) as peer,
        raw_sip(here.node.address()) as eve,
    ):
        asked = await challenged(peer, 407)
        said = login(asked, "Proxy-Authorization", f"sip:{FAR}@127.0.0.1", has_qop=True)
        await peer.call(FAR, AUDIO, said)
        eve.sender = f"bob@{DOMAIN}"
        eve.start(FAR, AUDIO, said)
        again = await eve.until("SIP/2.0 407")
        assert "stale=true" in header(again, "Proxy-Authenticate").lower()
        assert len(here.carrier.calls) == 1
        peer.say("BYE")
        await here.node.records()


def sip_section(**changes: object) -> dict[str, object]:
    return {"listeners": "udp://127.0.0.1:0", **changes}


@pytest.mark.parametrize(
    ("mode", "octet", "has_login", "status"),
    [
        ("all", 3, True, 200),
        ("all", 3, False, 407),  # listed, and not logged in
        ("all", 4, True, 403),  # logged in from elsewhere
        ("any", 3, False, 200),
        ("any", 4, True, 200),
        ("any", 4, False, 407),
    ],
)
async def test_a_list_and_users_are_both_wanted_or_one_of_them(
    mode: str, octet: int, has_login: bool, status: int, tmp_path: Path
) -> None:
    """SIP-30: real sources and real logins, by the trunk's as_auth_mode."""
    async with (
        trunk_node(
            tmp_path,
            users=USERS,
            networks=("127.0.0.3",),
            settings={"as_auth_mode": mode},
        ) as here,
        sip_caller(octet) as caller,
    ):
        told = await caller.call(here.node.target(FAR), ANN if has_login else None)
        assert (200 if isinstance(told, Accepted) else told.status) == status
        assert len(here.carrier.calls) == (status == 200)
        if status == 403:
            assert isinstance(told, Ended)
            assert ("X-Exotel-ErrorCode", "4001") in told.headers
            assert here.refused() == ["acl-miss"]


@pytest.mark.parametrize("headers", [(), (("X-Exotel-AccountSid", "greenleaf1"),)])
async def test_streamkit_enters_the_flow_with_its_account_sid_and_without(
    headers: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    """SIP-22, FL-2: the call is to a number of the trunk in flow mode; the bot hears of it."""
    async with (
        echo_bot() as bot,
        trunk_node(tmp_path, users=USERS, numbers={DID: "flow"}) as here,
        sip_caller() as caller,
    ):
        await here.flow(DID, ANY_FLOW % bot.url())
        target = here.node.target(DID)
        told = await caller.call(target, ANN, sender=f"sip:{DID}@{DOMAIN}", headers=headers)
        assert isinstance(told, Accepted)
        conversation = await bot.call()
        assert conversation.started.account_sid == "greenleaf1"
        assert not here.carrier.calls
        caller.engine.hang_up(told.ref)
        (record,) = await here.node.records()
        assert record.setup.to_number == DID


@pytest.mark.parametrize(
    ("header_name", "status"), [("X-Exotel-CallSid", 403), ("X-Exotel-AccountSid", 200)]
)
async def test_sids_that_only_we_give_are_refused_where_that_is_strict(
    header_name: str, status: int, tmp_path: Path
) -> None:
    """SIP-22, SIP-27."""
    async with (
        trunk_node(
            tmp_path, users=USERS, numbers={DID: "flow"}, sip=sip_section(strict_headers=True)
        ) as here,
        sip_caller() as caller,
    ):
        await here.flow(DID, ANY_FLOW % "ws://127.0.0.1:9")
        headers = {"X-Exotel-AccountSid": "greenleaf1"} | (
            {header_name: "c0ffee"} if status == 403 else {}
        )
        target, sender = here.node.target(DID), f"sip:{DID}@{DOMAIN}"
        told = await caller.call(target, ANN, sender=sender, headers=tuple(headers.items()))
        assert (200 if isinstance(told, Accepted) else told.status) == status
        await until(lambda: here.counted("calls_now") <= 1)
