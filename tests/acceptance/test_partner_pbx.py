"""PBXs and SBCs (Asterisk, FreeSWITCH, jambonz, 3CX) over real sockets (PN-57)."""

from pathlib import Path

import pytest

from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import DID, PERSON, partner_world
from agentstream.testing.partners import Way
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
ANSWERS = ("host=pbx.example.net", "network=127.0.0.1")


@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_a_pbx_is_known_by_its_address_and_calls_both_ways(tmp_path: Path, way: Way) -> None:
    """PN-57: From domain, leading plus and an address list; UDP for the older ones."""
    async with partner_world(tmp_path, "pbx", *ANSWERS, way=way) as there:
        pasted = {one["where"]: one["value"] for one in there.made["paste"]}
        assert pasted["Trunk, from domain"] == there.trunk["domain"]
        call = await there.dial_out(from_host=there.trunk["domain"], has_login=False)
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.request_uri).user == PERSON
        await there.platform_goes(call)


async def test_a_call_to_a_pbx_keeps_the_number_in_its_address(tmp_path: Path) -> None:
    """SIP-10, SIP-14: PCMA first."""
    section = {"unknown_callers": "accept"}
    answers = ("host=pbx.example.net", "network=198.51.100.20")
    async with partner_world(tmp_path, "pbx", *answers, sip=section) as there:
        call, invite = await there.join(there.platform.sdp(["8 PCMA/8000"]))
        assert parse_uri(invite.message.uri).user == DID  # type: ignore[union-attr]
        first = invite.sdp.partition("RTP/")[2].split()[1]
        assert first == "8"
        await there.caller_goes(call)


async def test_a_national_number_is_understood_where_the_country_is_known(tmp_path: Path) -> None:
    """SIP-20: `0` and a national number."""
    async with partner_world(tmp_path, "pbx", *ANSWERS, country_code="91") as there:
        call = PartnerCall(there.platform, there.place, "0" + PERSON[3:], DID)
        await call.invite()
        await call.answered()
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.request_uri).user == PERSON
        await there.platform_goes(call)


async def test_digits_of_a_pbx_by_info_go_on_to_the_telephone_network(tmp_path: Path) -> None:
    """PN-57: INFO digits are understood, and are telephone events to whom is called."""
    async with partner_world(tmp_path, "pbx", *ANSWERS, way="udp") as there:
        call = await there.dial_out(has_login=False)
        body = "Signal=4\r\nDuration=160\r\n"
        await call.say("INFO", ("Content-Type", "application/dtmf-relay"), body=body)
        await there.platform.response(200, "INFO")
        heard = there.carriers_phone.others
        await until(lambda: [said for kind, said in heard if kind == 101 and said[0] == 4])
        await there.platform_goes(call)
