"""StreamKit: a contact centre calls a number here by SIP, and its bot takes it (SIP-22, AS-171)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentstream.testing.customer import Reply, customer
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import DID, PERSON, PartnerWorld, partner_world
from agentstream.testing.partners import LOUD, partner
from agentstream.testing.scripted_bot import BotCall, ScriptedBot, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
HAND_OVER = """
name: any
start: talk
applets:
  talk: {type: voicebot, url: "%s", next: after}
  after: {type: passthru, url: "%s", next: person, on_failure: bye}
  person: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""


async def listens(call: BotCall) -> None:
    """Say nothing for a while, as a bot that is still loading."""
    await call.until("media", 5)
    await call.until("stop")


@asynccontextmanager
async def centre(
    folder: Path, query: str = "ticket={X-Ticket}", **options: Any
) -> AsyncIterator[tuple[PartnerWorld, ScriptedBot]]:
    """Run a node whose number a contact centre calls; the bot's address has a header's value."""
    async with (
        scripted_bot(listens) as bot,
        partner_world(
            folder, "streamkit", "network=127.0.0.1", f"bot={bot.url}?{query}", **options
        ) as there,
    ):
        yield there, bot


def call_of(there: PartnerWorld, number: str = DID) -> PartnerCall:
    return PartnerCall(there.platform, there.place, number, number, from_host=there.trunk["domain"])


@pytest.mark.parametrize("has_account", [True, False])
async def test_a_contact_centre_reaches_its_bot_with_or_without_the_accounts_header(
    tmp_path: Path, has_account: bool
) -> None:
    """SIP-22, FL-2, AS-171: no header of the provider is needed, and none harms."""
    async with centre(tmp_path) as (there, bot):
        call = call_of(there)
        account = [("X-Exotel-AccountSid", there.trunk["account"])] if has_account else []
        await call.invite([("X-Ticket", "T-42"), *account])
        await call.answered()
        await until(lambda: bot.calls and bot.call.said("start"))
        assert bot.call.start["custom_parameters"]["ticket"] == "T-42"
        assert bot.call.start["account_sid"] == there.trunk["account"]
        await there.platform_goes(call)


async def test_a_centre_hears_something_at_once_without_a_greeting(tmp_path: Path) -> None:
    """FL-6, AS-171: the call is answered and gets silence as audio until the bot speaks."""
    async with centre(tmp_path) as (there, _):
        there.platform.phone.sound = LOUD
        call = call_of(there)
        await call.invite()
        ok = await call.answered()
        there.platform.phone.speak_to(_audio_of(ok.sdp))
        await until(lambda: len(there.platform.phone.heard) > 10, 3_000)
        assert there.platform.phone.loud_packets() == 0
        await there.platform_goes(call)


async def test_a_centre_hears_packets_without_a_gap_while_a_bot_is_slow_to_connect_fl_6(
    tmp_path: Path,
) -> None:
    """FL-6: no greeting, the bot's upgrade waits, and the caller, who says nothing, has audio.

    A packet each 20 ms from the answer on, so that no peer's timer for silence is ever begun.
    """
    is_ready = asyncio.Event()

    async def think(*_: object) -> None:
        await is_ready.wait()

    async with (
        scripted_bot(listens, process_request=think) as bot,
        partner_world(tmp_path, "streamkit", "network=127.0.0.1", f"bot={bot.url}") as there,
    ):
        phone = there.platform.phone
        call = call_of(there)
        await call.invite()
        await call.answered()
        await until(lambda: len(phone.heard) >= 75, 5_000)
        assert not bot.calls
        assert phone.loud_packets() == 0
        assert all(len(sound) == 160 for _, sound in phone.heard)
        first_at, last_at = phone.heard[0][0], phone.heard[-1][0]
        assert last_at - first_at < 1.5 * len(phone.heard) * 0.02
        is_ready.set()
        await until(lambda: bot.calls and bot.call.said("media"))
        await there.platform_goes(call)


def _audio_of(sdp: str) -> tuple[str, int]:
    line = next(line for line in sdp.splitlines() if line.startswith("m=audio"))
    return "127.0.0.1", int(line.split()[1])


async def test_strict_headers_want_the_account_and_no_sids_of_ours(tmp_path: Path) -> None:
    """SIP-22: with `sip.strict_headers` the hosted service's rules hold."""
    async with centre(tmp_path, sip={"strict_headers": True}) as (there, bot):
        account = ("X-Exotel-AccountSid", there.trunk["account"])
        wrong: list[list[tuple[str, str]]] = [[], [account, ("X-Exotel-CallSid", "mine")]]
        for headers in wrong:
            call = call_of(there)
            await call.invite(headers)
            refused = await call.refused(403)
            assert refused.header("X-Exotel-ErrorCode") == "4001"
            assert "streamkit-headers" in refused.header("Reason")
        call = call_of(there)
        await call.invite([account])
        await call.answered()
        await until(lambda: bot.calls)
        await there.platform_goes(call)


async def test_sids_that_a_caller_makes_up_are_not_taken_for_ours(tmp_path: Path) -> None:
    """SIP-22, SIP-27: the lenient way ignores them."""
    async with centre(tmp_path) as (there, bot):
        call = call_of(there)
        await call.invite([("X-Exotel-CallSid", "mine"), ("X-Exotel-TrunkSid", "mine")])
        await call.answered()
        await until(lambda: bot.calls and bot.call.said("start"))
        assert bot.call.start["call_sid"] != "mine"
        record = await there.platform_goes(call)
        assert record.setup.trunk_sid == there.trunk["sid"]


async def test_keys_by_info_reach_the_bot(tmp_path: Path) -> None:
    """PN-57: older exchanges send digits by INFO."""
    async with centre(tmp_path) as (there, bot):
        call = call_of(there)
        await call.invite()
        await call.answered()
        await until(lambda: bot.calls and bot.call.said("start"))
        body = "Signal=7\r\nDuration=160\r\n"
        await call.say("INFO", ("Content-Type", "application/dtmf-relay"), body=body)
        await there.platform.response(200, "INFO")
        await until(lambda: bot.call.said("dtmf"))
        assert bot.call.said("dtmf")[0]["dtmf"]["digit"] == "7"
        await there.platform_goes(call)


async def test_a_bot_hands_the_call_back_to_a_person_by_a_bridge(tmp_path: Path) -> None:
    """FL-5, FL-8: it closes its stream, and the flow's server says which branch follows."""

    async def hands_over(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    async with (
        customer() as crm,
        scripted_bot(hands_over) as bot,
        partner_world(
            tmp_path, "streamkit", "network=127.0.0.1", options=("--no-deliver",)
        ) as there,
    ):
        crm.answers["/after"] = Reply(200)
        await there.node.flow(HAND_OVER % (bot.url, crm.url("/after"), PERSON))
        await there.command("numbers", "assign", DID, "any")
        call = call_of(there)
        await call.invite()
        await call.answered()
        await there.hears(there.platform.phone)
        assert len(there.carrier.calls) == 1
        assert crm.asked("/after")
        await there.platform_goes(call)


async def test_a_stranger_is_not_let_in_as_the_centre(tmp_path: Path) -> None:
    """SIP-30: the centre is known by its address; another one may not call the world."""
    async with partner("tcp", host="127.0.0.2") as elsewhere, centre(tmp_path) as (there, _):
        stranger = PartnerCall(elsewhere, there.place, PERSON, DID)
        await stranger.invite()
        refused = await stranger.refused(403)
        assert refused.header("X-Exotel-ErrorCode") == "4001"
        assert not refused.header("Reason")  # a stranger is told nothing (SIP-24)
        assert not there.carrier.calls


async def test_an_inactive_trunk_says_when_to_come_again(tmp_path: Path) -> None:
    async with centre(tmp_path) as (there, _):
        await there.command("trunks", "set", "streamkit", "--inactive")
        call = call_of(there)
        await call.invite()
        assert (await call.refused(503)).header("Retry-After")
