"""Transfers that platforms begin by REFER, each as it writes it (PN-10, PN-25, PN-34, PN-40)."""

from pathlib import Path

import pytest

from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import PERSON, PartnerWorld, partner_world
from agentstream.testing.partners import Heard, Way
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
PSTN = ("--set", "as_refer=allow_pstn")


async def told(there: PartnerWorld, status: int, number: int) -> Heard:
    """Take NOTIFYs, answering 200, until one has this status; all name the REFER (PN-10)."""
    while True:
        notify = await there.platform.request("NOTIFY")
        there.platform.answer(notify, 200)
        event = notify.header("Event").replace(" ", "")
        assert event in ("refer", f"refer;id={number}")
        assert notify.sdp.startswith("SIP/2.0 ")  # at byte one
        said = int(notify.sdp.split()[1])
        if said >= 200:
            assert said == status
            assert notify.header("Subscription-State").startswith("terminated")
            return notify
        assert notify.header("Subscription-State").startswith("active")


async def test_livekit_hands_a_caller_over_to_a_person(tmp_path: Path) -> None:
    """PN-10, SIP-61, SIP-62: REFER, 202, NOTIFY 100 and 200, our BYE; the two talk on."""
    async with partner_world(tmp_path, "livekit", "project=acme", options=PSTN) as there:
        call, invite = await there.join()
        await there.talk(call)
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say("REFER", ("Refer-To", f"<tel:{PERSON}>"))
        await there.platform.response(202)
        await told(there, 200, number)
        there.platform.answer(await there.platform.request("BYE"), 200)
        await until(lambda: there.carriers_phone.heard)
        assert not call.ended.done()
        await call.hang_up()
        await until(lambda: not there.carrier.live)
        await there.record()


async def test_livekits_own_bye_after_the_success_harms_nobody(tmp_path: Path) -> None:
    """SIP-62: it waits a second for ours and then sends its own; the other party stays."""
    async with partner_world(tmp_path, "livekit", "project=acme", options=PSTN) as there:
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say("REFER", ("Refer-To", f"<sip:{PERSON}@{there.place[0]}>"))
        await there.platform.response(202)
        await told(there, 200, number)
        await agent.say("BYE")
        bye = await there.platform.request("BYE")
        there.platform.answer(bye, 200)
        await until(lambda: there.carrier.calls)
        assert not call.ended.done()
        await call.hang_up()
        await there.record()


async def test_a_transfer_that_fails_leaves_the_agent_with_the_caller(tmp_path: Path) -> None:
    """PN-10: only 200 is success; 486 is told, and the call stays up."""
    async with partner_world(
        tmp_path, "livekit", "project=acme", who="busy", options=PSTN
    ) as there:
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say("REFER", ("Refer-To", f"<tel:{PERSON}>"))
        await there.platform.response(202)
        await told(there, 486, number)
        heard = len(there.platform.phone.heard)
        await until(lambda: len(there.platform.phone.heard) > heard + 5)
        await there.caller_goes(call)


async def test_the_telephone_network_is_out_of_reach_until_it_is_allowed(tmp_path: Path) -> None:
    """SIP-61, SIP-63: `allow` is for the account's own numbers and trunks; tolls are opted in."""
    async with partner_world(tmp_path, "livekit", "project=acme") as there:
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        await agent.say("REFER", ("Refer-To", f"<tel:{PERSON}>"))
        await there.platform.response(403)
        assert not there.carrier.calls
        await there.caller_goes(call)


async def test_an_agent_that_dialled_out_hands_its_person_over(tmp_path: Path) -> None:
    """PN-10: REFER in the dialog that LiveKit began, matched by Call-ID and tags alone."""
    async with partner_world(tmp_path, "livekit", "project=acme", options=PSTN) as there:
        call = await there.dial_out()
        other = "+912240000018"
        number = await call.say(
            "REFER", ("Refer-To", f"<tel:{other}>"), ("Record-Route", "<sip:127.0.0.1;lr>")
        )
        await there.platform.response(202)
        await told(there, 200, number)
        there.platform.answer(await there.platform.request("BYE"), 200)
        assert len(there.carrier.live) == 2
        there.carrier.hang_up(other)
        await there.record()


@pytest.mark.parametrize(
    ("preset", "answer", "target"),
    [
        ("elevenlabs", "", f"<sip:{PERSON}@{{host}}:{{port}};transport=tcp>"),
        ("retell", "", f"sip:{PERSON}@{{host}}"),
        ("vapi", "credential=abc", f"<sip:{PERSON}@{{host}}>"),
    ],
)
async def test_each_platform_writes_its_target_in_its_own_way(
    tmp_path: Path, preset: str, answer: str, target: str
) -> None:
    """PN-25, PN-40: a number at us, with or without brackets."""
    answers = (answer,) if answer else ()
    way: Way = "udp" if preset == "vapi" else "tcp"
    async with partner_world(tmp_path, preset, *answers, way=way, options=PSTN) as there:
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say(
            "REFER", ("Refer-To", target.format(host=there.place[0], port=there.place[1]))
        )
        await there.platform.response(202)
        await told(there, 200, number)
        there.platform.answer(await there.platform.request("BYE"), 200)
        await call.hang_up()
        await there.record()


async def test_openais_refer_may_name_a_telephone(tmp_path: Path) -> None:
    """PN-34: `tel:`, over TLS."""
    async with partner_world(
        tmp_path, "openai", "project=proj_1", way="tls", options=PSTN
    ) as there:
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say("REFER", ("Refer-To", f"tel:{PERSON}"))
        await there.platform.response(202)
        await told(there, 200, number)
        there.platform.answer(await there.platform.request("BYE"), 200)
        await call.hang_up()
        await there.record()


async def test_a_number_of_the_account_needs_no_leave(tmp_path: Path) -> None:
    """SIP-61, SIP-63: the preset's `allow` reaches the account's own numbers."""
    async with partner_world(tmp_path, "livekit", "project=acme") as there:
        await there.node.flow(
            'name: any\nstart: a\napplets:\n  a: {type: greeting, text: "Hello.", loops: 0}\n'
        )
        own = "+918000000077"
        await there.command("numbers", "assign", own, "any")
        call, invite = await there.join()
        agent = PartnerCall.of(there.platform, there.place, invite, there.trust)
        number = await agent.say("REFER", ("Refer-To", f"<sip:{own}@{there.place[0]}>"))
        await there.platform.response(202)
        await told(there, 200, number)
        there.platform.answer(await there.platform.request("BYE"), 200)
        await call.hang_up()
