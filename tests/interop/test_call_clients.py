"""Published clients of the hosted calls API, unmodified but for the host (CC-1 to CC-3).

Over TLS, as their addresses begin with https://. `exotel` signs in with the account's sid,
`pyexotel` and `exotelpy` with a key; each is what its package index has.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentstream.server.callee import ScriptedPhone
from agentstream.testing.calls_api import (
    ACCOUNT_SID,
    CALLER_ID,
    FLOW_NAME,
    CallsApi,
    calls_api,
    tls_door,
)
from agentstream.testing.certificates import Authority
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST

exotel = pytest.importorskip("exotel")
exotelpy = pytest.importorskip("exotelpy")
pyexotel = pytest.importorskip("pyexotel")
pytestmark = pytest.mark.interop
FIRST, SECOND = "09876500001", "09876500002"


@dataclass
class Scene:
    """A server behind TLS that may dial one phone."""

    api: CallsApi
    phone: ScriptedPhone
    host: str

    async def ended(self, sid: str) -> dict[str, Any]:
        """Wait until a call is over; returns it as the API tells it."""
        async with asyncio.timeout(10):
            while True:
                answer = await self.api.client.get(f"Calls/{sid}.json")
                call: dict[str, Any] = answer.json()["Call"]
                if call["EndTime"]:
                    return call
                await asyncio.sleep(0.1)  # over HTTP there is nothing to wait for


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    authority = Authority.found(tmp_path / "authority")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
    async with (
        scripted_phone() as (phone, address),
        calls_api(tmp_path / "node", address) as api,
        tls_door(authority.issue(HOST), api.port) as port,
    ):
        yield Scene(api, phone, f"{HOST}:{port}")


async def test_exotel_places_calls_and_reads_them_back_cc_3(scene: Scene) -> None:
    client = exotel.Exotel(ACCOUNT_SID, scene.api.key.token, f"https://{scene.host}/")
    placed = await asyncio.to_thread(
        client.call_flow, FIRST, CALLER_ID, FLOW_NAME, custom_data="order-5531"
    )
    assert placed.status_code == 200, placed.text
    made = placed.json()["Call"]
    await scene.phone.called()
    assert (made["From"], made["PhoneNumberSid"]) == (FIRST, CALLER_ID)
    await scene.ended(made["Sid"])
    read = (await asyncio.to_thread(client.call_details, made["Sid"])).json()["Call"]
    assert (read["Sid"], read["Status"]) == (made["Sid"], "completed")
    assert read["Direction"] == "outbound-api"
    both = await asyncio.to_thread(client.call_number, FIRST, CALLER_ID, SECOND)
    assert both.json()["Call"]["To"] == SECOND
    first, second = await scene.phone.called(), await scene.phone.called()
    assert first is not second


async def test_pyexotel_places_calls_and_reads_them_back(scene: Scene) -> None:
    key = scene.api.key
    client = pyexotel.Exotel(key.key, key.token, ACCOUNT_SID, domain=scene.host)
    made = await asyncio.to_thread(client.connect_flow, FIRST, CALLER_ID, FLOW_NAME)
    await scene.phone.called()
    await scene.ended(made["Call"]["Sid"])
    read = await asyncio.to_thread(client.get_call_info, made["Call"]["Sid"])
    assert (read["Call"]["From"], read["Call"]["Status"]) == ("+919876500001", "completed")
    both = await asyncio.to_thread(client.call, FIRST, SECOND, CALLER_ID, time_limit=60)
    first, _ = await scene.phone.called(), await scene.phone.called()
    assert both["Call"]["To"] == SECOND
    await first.hang_up()
    over = await scene.ended(both["Call"]["Sid"])
    assert over["Status"] == "completed"


async def test_exotelpy_has_no_single_calls_but_reads_numbers_af_21(scene: Scene) -> None:
    key = scene.api.key
    client = exotelpy.Exotel(ACCOUNT_SID, key.key, key.token, f"https://{scene.host}")
    numbers = await asyncio.to_thread(client.get_all_exophones)
    [number] = numbers["incoming_phone_numbers"]
    assert number["phone_number"] == "+918040000002"
    one = await asyncio.to_thread(client.get_exophone_details, number["sid"])
    assert one == number
    with pytest.raises(exotelpy.NotFound):  # campaigns are not served, and it is told so
        await asyncio.to_thread(client.get_campaign_details, "one")
