"""The whole server does what scripts of the hosted platform ask for, over real HTTP and SIP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from agentstream.client import (
    AsyncClient,
    CallToFlow,
    HangUp,
    ListCalls,
    PressDigits,
    ReadCall,
    RefusedError,
    Terms,
)
from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.store.values import NewKey
from agentstream.testing.answered_calls import spoken
from agentstream.testing.calls_api import calls_api
from agentstream.testing.node import scripted_phone
from agentstream.testing.scripted_bot import scripted_bot
from agentstream.testing.sound import with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
FLOW = "name: support\nstart: talk\napplets:\n  talk: {type: voicebot, url: '%s'}\n"
NUMBERS = {"From": "09876500001", "To": "09876500002", "CallerId": "08040000002"}


@dataclass
class Scene:
    """A server that may dial one phone, and a client with a key."""

    client: httpx.AsyncClient
    key: NewKey
    phone: ScriptedPhone
    bot: Any

    def url(self, path: str) -> httpx.URL:
        return self.client.base_url.copy_with(path=path)

    async def connect(self, form: dict[str, str]) -> str:
        answer = await self.client.post("Calls/connect.json?details=true", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["Call"]["Sid"])

    async def call(self, sid: str) -> dict[str, Any]:
        answer = await self.client.get(f"Calls/{sid}.json?details=true")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["Call"]
        return found

    async def ended(self, sid: str) -> dict[str, Any]:
        """Ask until the call has ended, as clients do."""
        async with asyncio.timeout(10):
            while not (call := await self.call(sid))["EndTime"]:  # noqa: ASYNC110  (over HTTP)
                await asyncio.sleep(0.02)
        return call


@asynccontextmanager
async def opened(folder: Path, manners: Manners | None = None) -> AsyncIterator[Scene]:
    async with (
        scripted_bot() as bot,
        scripted_phone(manners) as (phone, address),
        calls_api(folder, address, FLOW % bot.url) as api,
    ):
        yield Scene(api.client, api.key, phone, bot)


async def test_two_numbers_talk_until_the_api_hangs_up_cc_20_oc_1(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        numbers = (await scene.client.get("IncomingPhoneNumbers.json")).json()
        [one] = numbers["IncomingPhoneNumbers"]
        caller_id = one["IncomingPhoneNumber"]["PhoneNumber"]  # AF-20
        sid = await scene.connect({**NUMBERS, "CallerId": caller_id, "CustomField": "order-5531"})
        assert re.fullmatch("[0-9a-f]{32}", sid)  # CC-46
        first, second = await scene.phone.called(), await scene.phone.called()
        live = await scene.call(sid)
        assert (live["Status"], live["EndTime"]) == ("in-progress", None)
        assert live["To"] == "+919876500002"
        active = await scene.client.get(scene.url("/v3/accounts/GreenLeaf1/calls/active"))
        assert [call["call_sid"] for call in active.json()["response"]["active_calls"]] == [sid]
        hung_up = await scene.client.delete(f"Calls/{sid}")
        assert hung_up.status_code == 200
        await first.wait_ended()
        await second.wait_ended()
        call = await scene.ended(sid)
        listed = (await scene.client.get("Calls.json?Status=completed")).json()
    assert (call["Status"], call["Direction"]) == ("completed", "outbound-api")
    assert call["PhoneNumberSid"] == "+918040000002"
    assert call["CustomField"] == "order-5531"
    assert [call["Details"][f"Leg{n}Status"] for n in (1, 2)] == ["completed", "completed"]
    assert len(call["Details"]["Legs"]) == 2
    assert [one["Sid"] for one in listed["Calls"]] == [sid]
    to_first, to_second = (invited.request_uri for invited in scene.phone.invited)
    assert to_first.startswith("sip:+919876500001@")
    assert to_second.startswith("sip:+919876500002@")


async def test_a_flow_and_a_bot_take_calls_and_a_call_changes_over_cc_21_cc_22_oc_1(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as scene:
        url = "http://my.hosted.example/GreenLeaf1/exoml/start_voice/support"
        form = {"From": "09876500001", "CallerId": "08040000002"}
        sid = await scene.connect({**form, "Url": url})
        first = await scene.phone.called()
        await until(lambda: scene.bot.calls and scene.bot.call.said("start"))
        assert scene.bot.call.start["call_sid"] == sid
        moved = await scene.client.post(
            f"Calls/{sid}", data={"StreamUrl": f"{scene.bot.url}?again=1"}
        )
        assert moved.status_code == 200, moved.text
        await until(lambda: len(scene.bot.calls) == 2 and scene.bot.calls[1].said("start"))
        assert scene.bot.calls[1].start["custom_parameters"] == {"again": "1"}  # AS-29
        await first.hang_up()
        assert (await scene.ended(sid))["Status"] == "completed"
        other = await scene.connect(
            {**form, "StreamUrl": scene.bot.url, "StreamType": "bidirectional"}
        )
        second = await scene.phone.called()
        await until(lambda: len(scene.bot.calls) == 3 and scene.bot.calls[2].said("start"))
        assert scene.bot.calls[2].start["call_sid"] == other
        await second.hang_up()
        assert (await scene.ended(other))["To"] is None  # KX-3


async def test_a_busy_number_is_told_with_its_reason_cc_60_up_3(tmp_path: Path) -> None:
    async with opened(tmp_path, Manners(status=486)) as scene:
        sid = await scene.connect(NUMBERS)
        call = await scene.ended(sid)
        nowhere = await scene.client.post(
            "Calls/connect", data={**NUMBERS, "From": "sip:ann@192.0.2.1:port"}
        )
    assert (call["Status"], call["Details"]["Leg1Status"]) == ("busy", "busy")
    assert call["Details"]["Cause"]["Reason"] == "busy"
    assert (call["Duration"], call["Price"]) == ("0", "0.000")
    assert nowhere.status_code in {400, 409}, nowhere.text


async def test_the_projects_own_client_places_reads_steers_and_ends_a_call(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        address = str(scene.client.base_url.copy_with(path="/"))
        key = scene.key
        async with AsyncClient(address, "GreenLeaf1", key.key, key.token) as client:
            placed = await client.ask(
                CallToFlow("09876500001", "08040000002", "support", Terms(custom_field="7"))
            )
            person = await scene.phone.called()
            await until(lambda: scene.bot.calls and scene.bot.call.said("start"))
            await client.ask(PressDigits(placed.sid, "12#"))
            live = await client.ask(ReadCall(placed.sid))
            page = await client.ask(ListCalls(page_size=1))
            await client.ask(HangUp(placed.sid))
            await person.wait_ended()
            with pytest.raises(RefusedError) as caught:
                await client.ask(ReadCall("nobody"))
    assert (live.status, live.first_leg, live.custom_field) == ("in-progress", "in-progress", "7")
    assert [call.sid for call in page.calls] == [placed.sid]
    assert (caught.value.status, str(caught.value)) == (404, "There is no call nobody")


async def test_a_bot_is_reached_once_it_is_known_that_a_person_answered_oc_5(
    tmp_path: Path,
) -> None:
    said = spoken("Hello?", np.random.default_rng(7)) * 8_000
    hello = write_wav(tmp_path / "hello.wav", with_silence(said, 8_000, 1_500), 8_000)
    async with opened(tmp_path / "data") as scene:
        form = {"From": "09876500001", "CallerId": "08040000002", "MachineDetection": "sync"}
        sid = await scene.connect(
            {**form, "StreamUrl": scene.bot.url, "StreamType": "bidirectional"}
        )
        person = await scene.phone.called()
        assert (await scene.call(sid))["AnsweredBy"] is None
        assert not scene.bot.calls
        await person.say(hello)
        await until(lambda: scene.bot.calls and scene.bot.call.said("start"))
        live = await scene.call(sid)
        assert live["AnsweredBy"] == "Human"
        await person.hang_up()
        ended = await scene.ended(sid)
    assert ended["AnsweredBy"] == "Human"
    leg = ended["Details"]["Legs"][0]["Leg"]
    assert (leg["AnsweredBy"], leg["BeepAfterMs"]) == ("Human", None)
    assert 1_000 <= leg["JudgedAfterMs"] <= 3_800
