"""LiveKit's three settings of encryption against a trunk's, with audio both ways (PN-8, SIP-42)."""

import base64
import re
import secrets
from pathlib import Path

import pytest

from agentstream.media.plan import SrtpPlan, SrtpSuite
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import DID, PERSON, PartnerWorld, partner_world
from agentstream.testing.partners import Way
from agentstream.testing.srtp import SrtpEnd

pytestmark = pytest.mark.acceptance
ANSWER = "project=acme"
# What LiveKit offers, in its order; each with a fresh key of 30 or 46 bytes.
OFFERED: tuple[SrtpSuite, ...] = (
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
)
CRYPTO = re.compile(r"a=crypto:(\d+) (\w+) inline:([A-Za-z0-9+/=]+)")


def keys_in(sdp: str) -> dict[str, tuple[str, bytes]]:
    """Return the keys of an SDP: suite to tag and key."""
    return {suite: (tag, base64.b64decode(key)) for tag, suite, key in CRYPTO.findall(sdp)}


def fresh(suite: SrtpSuite) -> bytes:
    return secrets.token_bytes(46 if "256" in suite else 30)


def line(tag: str, suite: str, key: bytes) -> str:
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(key).decode()}"


def encrypts(there: PartnerWorld, suite: SrtpSuite, theirs: bytes, ours: bytes) -> None:
    """Let the platform's audio use these keys, `theirs` being the platform's own."""
    there.platform.phone.srtp = SrtpEnd(SrtpPlan(suite=suite, our_key=ours, their_key=theirs))


async def test_off_answers_in_clear_to_an_offer_of_keys(tmp_path: Path) -> None:
    """PN-8: LiveKit with encryption off answers AVP even to SAVP; as SRTP is optional, we talk."""
    async with partner_world(tmp_path, "livekit", ANSWER, way="tls") as there:
        call, invite = await there.join()
        assert "RTP/SAVP " in invite.sdp
        assert set(keys_in(invite.sdp)) == set(OFFERED)
        await there.talk(call)
        await there.caller_goes(call)


async def test_allow_picks_one_of_our_suites(tmp_path: Path) -> None:
    """PN-8: the answer is SAVP with one crypto line, and the audio is encrypted both ways."""
    async with partner_world(tmp_path, "livekit", ANSWER, way="tls") as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        suite: SrtpSuite = "AES_256_CM_HMAC_SHA1_80"
        tag, ours = keys_in(invite.sdp)[suite]
        theirs = fresh(suite)
        encrypts(there, suite, theirs, ours)
        more = [line(tag, suite, theirs)]
        sdp = there.platform.sdp(profile="RTP/SAVP", more=more)
        there.platform.answer(invite, 200, sdp=sdp)
        await there.platform.request("ACK")
        call = await calling
        await there.talk(call)
        await there.caller_goes(call)


async def test_a_trunk_that_requires_keys_ends_a_call_that_is_answered_in_clear(
    tmp_path: Path,
) -> None:
    options = ("--set", "as_srtp=required")
    async with partner_world(tmp_path, "livekit", ANSWER, way="tls", options=options) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        there.platform.answer(invite, 200, sdp=there.platform.sdp())
        await there.platform.request("ACK")
        there.platform.answer(await there.platform.request("BYE"), 200)
        await (await calling).wait_ended()
        assert await there.node.is_idle()


@pytest.mark.parametrize("status", [488, 415, 606])
async def test_a_platform_that_refuses_keys_is_called_once_more_in_clear(
    tmp_path: Path, status: int
) -> None:
    """SIP-42: as a new call (PN-4)."""
    async with partner_world(tmp_path, "livekit", ANSWER, way="tls") as there:
        calling = there.rings()
        first = await there.platform.request("INVITE")
        there.platform.answer(first, status)
        second = await there.platform.request("INVITE")
        assert "RTP/AVP " in second.sdp
        assert not keys_in(second.sdp)
        assert first.message.call_id != second.message.call_id
        there.platform.answer(second, 200, sdp=there.platform.sdp())
        call = await calling
        await there.talk(call)
        await there.caller_goes(call)


def offering(there: PartnerWorld) -> tuple[PartnerCall, dict[str, bytes]]:
    """Return a call of LiveKit's with encryption on "allow": SAVP with four keys."""
    keys: dict[str, bytes] = {suite: fresh(suite) for suite in OFFERED}
    more = [line(str(tag), suite, key) for tag, (suite, key) in enumerate(keys.items(), 1)]
    call = PartnerCall(there.platform, there.place, PERSON, DID, tls=there.trust)
    call.offer = there.platform.sdp(profile="RTP/SAVP", more=more)
    return call, keys


@pytest.mark.parametrize("way", ["tls", "tcp"])
async def test_allow_offers_keys_alone_and_one_is_used(tmp_path: Path, way: Way) -> None:
    """PN-8: "allow" offers SAVP too; there is no second offer, so it is never refused."""
    async with partner_world(tmp_path, "livekit", ANSWER, way=way) as there:
        call, keys = offering(there)
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        ok = await call.answered()
        assert "RTP/SAVP " in ok.sdp
        ((name, (_, ours)),) = keys_in(ok.sdp).items()
        suite = next(one for one in OFFERED if one == name)
        encrypts(there, suite, keys[name], ours)
        host, port = "127.0.0.1", int(ok.sdp.partition("m=audio ")[2].split()[0])
        there.platform.phone.speak_to((host, port))
        await there.hears(there.platform.phone)
        await there.hears(there.carriers_phone)
        await there.platform_goes(call)


async def test_a_trunk_without_keys_answers_in_clear_and_livekit_falls_back(tmp_path: Path) -> None:
    """PN-8: an answer without a crypto line is how "allow" comes to clear audio; no 488."""
    options = ("--set", "as_srtp=disabled")
    async with partner_world(tmp_path, "livekit", ANSWER, options=options) as there:
        call, _ = offering(there)
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        ok = await call.answered()
        assert not keys_in(ok.sdp)
        await there.hears(there.platform.phone)
        await there.hears(there.carriers_phone)
        await there.platform_goes(call)
