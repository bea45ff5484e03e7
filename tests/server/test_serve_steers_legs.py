"""The whole server steers legs over real HTTP, SIP and RTP, and tells what became of it."""

import asyncio
import json
import runpy
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.server.config import Config
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.node import scripted_caller, scripted_phone
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_bot import ScriptedBot, scripted_bot
from agentstream.testing.served import served, small_config
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "examples" / "greet_while_connecting.py"
LONG = "One two three four five six seven eight nine ten. " * 8


@dataclass
class Scene:
    """A server that may dial one phone, a receiver of events, and a client with a key."""

    client: httpx.AsyncClient
    phone: ScriptedPhone
    bot: ScriptedBot
    shop: Customer
    key: NewKey
    config: Config
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [event["event_name"] for event in self.told]

    async def create(self, **fields: Any) -> str:
        body = {
            "contact_uri": "09876500001",
            "exophone": "08040000002",
            "leg_event_endpoint": self.shop.url("/legs"),
            "custom_param": "order-5531",
            **fields,
        }
        answer = await self.client.post("legs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["leg_sid"])

    async def act(self, leg_sid: str, action: str, **body: Any) -> None:
        answer = await self.client.post(f"legs/{leg_sid}/actions/{action}", json=body)
        assert answer.status_code == 202, answer.text

    async def until_told(self, name: str, count: int = 1) -> dict[str, Any]:
        await until(lambda: self.names.count(name) >= count)
        return [event for event in self.told if event["event_name"] == name][count - 1]

    def take(self, request: Asked) -> Reply:
        self.told.append(json.loads(request.body))
        return Reply(204)


async def prepare(folder: Path, shop: Customer) -> NewKey:
    store = await open_store(folder, country_code="91")
    account = await store.accounts.create("Green Leaf", "GreenLeaf1")
    await store.numbers.attach("08040000002", account.sid, shop.url("/legs"))
    key = await store.accounts.create_key(account.sid, requests_per_minute=1_000)
    await store.close()
    return key


def everything_in(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "".join(path.read_bytes().decode("latin-1") for path in files)


@asynccontextmanager
async def opened(folder: Path, manners: Manners | None = None) -> AsyncIterator[Scene]:
    async with (
        scripted_bot() as bot,
        scripted_phone(manners) as (phone, address),
        customer() as shop,
    ):
        key = await prepare(folder, shop)
        async with (
            served(lambda: small_config(folder, address, speech={"engine": "espeak"})) as config,
            httpx.AsyncClient(
                base_url=f"http://{HOST}:{config.http.port}/v2/accounts/GreenLeaf1/",
                auth=(key.key, key.token),
            ) as client,
        ):
            scene = Scene(client, phone, bot, shop, key, config)
            shop.answers["/legs"] = scene.take
            yield scene


async def test_a_leg_rings_answers_greets_streams_and_ends_lg_120_ev_1_ev_19(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as scene:
        sid = await scene.create()
        call = await scene.phone.called()
        await scene.until_told("leg_answered")
        await asyncio.gather(
            scene.act(sid, "start_stream", direction="bidirectional", url=scene.bot.url),
            scene.act(sid, "start_say", text=LONG),
        )
        await scene.until_told("stream_started")
        await scene.until_told("say_started")
        await scene.act(sid, "stop_say")
        await scene.until_told("say_interrupted")
        live = (await scene.client.get(f"legs/{sid}?play_status&fields=gather_status")).json()
        await scene.act(sid, "hangup")
        await call.wait_ended()
        ended = await scene.until_told("leg_terminated")
        history = (await scene.client.get(f"legs/{sid}/external-events")).json()
        row = (await scene.client.get(f"legs/{sid}")).json()
        late = await scene.client.post(f"legs/{sid}/actions/stop_say")
    assert scene.names[:3] == ["leg_connecting", "leg_ringing", "leg_answered"]
    assert set(scene.names[3:6]) == {"stream_initiated", "stream_started", "say_started"}
    assert scene.names.index("stream_initiated") < scene.names.index("stream_started")
    assert scene.names[6:] == ["say_interrupted", "stream_stopped", "leg_terminated"]
    assert [event["sequence"] for event in scene.told] == list(range(1, 10))
    assert {event["data"]["custom_param"] for event in scene.told} == {"order-5531"}
    assert live["response"]["data"]["state"] == "connected"
    assert live["additional_info"] == {"gather_status": "idle", "play_status": "idle"}
    assert (ended["data"]["state"], ended["data"]["terminal_status"]) == ("terminal", "completed")
    headers = scene.shop.asked("/legs")[0].headers
    assert headers["x-exotel-event-sid"] == scene.told[0]["event_sid"]  # EV-34
    assert headers["x-exotel-request-id"] == f"{scene.told[0]['event_sid']}-1"
    told = history["external_events"]
    assert [one["event_info"]["event_name"] for one in told] == scene.names
    assert all(one["endpoint_response"] for one in told)
    assert (row["state"], row["terminal_status"]) == ("terminal", "completed")
    assert (late.status_code, late.json()["response"]["error_data"]["code"]) == (409, 1020)


async def test_a_party_that_is_busy_is_told_so_ev_4_ev_5(tmp_path: Path) -> None:
    async with opened(tmp_path, Manners(status=486, ring_ms=50)) as scene:
        sid = await scene.create()
        ended = await scene.until_told("leg_terminated")
        leg = (await scene.client.get(f"legs/{sid}")).json()
    assert ended["data"]["terminal_status"] == leg["terminal_status"] == "busy"
    assert leg["start_time"] is None


async def test_a_recording_goes_to_the_customers_storage_and_no_secret_stays_ex_46(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened(tmp_path) as scene:
        scene.shop.answers["/calls/7.wav"] = Reply(201)
        place = scene.shop.url("/calls/7.wav")
        sid = await scene.create()
        await scene.until_told("leg_answered")
        secrets = {"storageURLKey": "k3y5ecret", "storageURLToken": "t0k5ecret"}
        storage = {"storageType": "https", "storageURL": f"{place}?sig=u75ecret", **secrets}
        await scene.act(sid, "start_recording", format="wav", **storage)
        await scene.until_told("recording_started")
        await asyncio.sleep(0.3)
        await scene.act(sid, "hangup")
        available = await scene.until_told("recording_available")
        history = (await scene.client.get(f"legs/{sid}/external-events")).text
        plain = {"storageType": "s3", "storageURL": "s3://calls?x=1", **secrets}
        refused = await scene.client.post(f"legs/{sid}/actions/start_recording", json=plain)
        metrics = await scene.client.get(f"http://{HOST}:{scene.config.http.port}/metrics")
    assert scene.names[-2:] == ["leg_terminated", "recording_available"]
    assert [event["sequence"] for event in scene.told] == list(range(1, len(scene.told) + 1))
    assert available["event_data"]["data"]["url"] == place
    (asked,) = scene.shop.asked("/calls/7.wav")
    assert (asked.method, asked.raw_query, asked.body[:4]) == ("PUT", "sig=u75ecret", b"RIFF")
    assert len(asked.body) > 4_000
    assert asked.headers["authorization"] == "Basic " + b64encode(b"k3y5ecret:t0k5ecret").decode()
    assert refused.status_code == 400
    assert "agentstream_recording_uploads_total" in metrics.text
    kept = await asyncio.to_thread(everything_in, tmp_path)
    shown = "".join(capfd.readouterr())
    for text in (history, refused.text, metrics.text, shown, kept):
        assert "5ecret" not in text


async def test_a_leg_that_rings_too_long_is_given_up_lg_28_lg_37(tmp_path: Path) -> None:
    async with opened(tmp_path, Manners(status=180)) as scene:
        await scene.create(ring_timeout=1)
        ended = await scene.until_told("leg_terminated")
    assert ended["data"]["terminal_status"] == "no-answer"


async def test_a_leg_may_live_no_longer_than_it_was_given_lg_25_lg_61(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        sid = await scene.create()
        call = await scene.phone.called()
        await scene.until_told("leg_answered")
        changed = await scene.client.put(f"legs/{sid}", json={"time_limit": 1})
        await call.wait_ended()
        await scene.until_told("leg_terminated")
    assert changed.json()["time_limit"] == 1


async def test_a_number_with_an_endpoint_is_answered_and_told_lg_110_lg_112_lg_113(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as scene, scripted_caller() as phone:
        port = scene.config.sip.listeners[0].port
        call = await phone.dial(f"sip:08040000002@{HOST}:{port}")
        answered = await scene.until_told("leg_answered")
        await call.hang_up()
        await scene.until_told("leg_terminated")
    assert scene.names == ["leg_connecting", "leg_ringing", "leg_answered", "leg_terminated"]
    leg = answered["data"]
    assert (leg["direction"], leg["exophone"]) == ("inbound", "+918040000002")
    assert leg["contact_uri"] == "+919876500001"


async def test_events_and_actions_share_a_socket_of_the_customers_ld_9(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        pair = b64encode(f"{scene.key.key}:{scene.key.token}".encode()).decode()
        url = f"ws://{HOST}:{scene.config.http.port}/v2/accounts/GreenLeaf1/events"
        headers = {"Authorization": f"Basic {pair}"}
        async with connect(url, additional_headers=headers) as socket:
            sid = await scene.create(leg_event_endpoint="stream:")
            names: list[str] = []
            while "leg_answered" not in names:
                event = json.loads(await socket.recv())["event"]
                names.append(event["event_name"])
                await socket.send(json.dumps({"type": "ack", "event_sid": event["event_sid"]}))
            wish = {"type": "action", "id": "h1", "leg_sid": sid, "exoml": "<Flow><Hangup/></Flow>"}
            await socket.send(json.dumps(wish))
            results: list[dict[str, Any]] = []
            while "leg_terminated" not in names or not results:
                said = json.loads(await socket.recv())
                if said["type"] == "event":
                    names.append(said["event"]["event_name"])
                else:
                    results.append(said)
        again = f"{url}?leg_sid={sid}&since=2"
        async with connect(again, additional_headers=headers) as socket:
            earlier = [json.loads(await socket.recv())["event"]["sequence"] for _ in range(2)]
    assert names == ["leg_connecting", "leg_ringing", "leg_answered", "leg_terminated"]
    [result] = results
    assert (result["id"], result["http_code"]) == ("h1", 202)
    assert result["response"]["data"]["leg_sid"] == sid
    assert earlier == [3, 4]
    assert not scene.told


async def test_the_example_greets_while_the_bot_connects_lg_120(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLE))
    async with opened(tmp_path) as scene:
        url = str(scene.client.base_url)
        legs = example["Legs"](url, scene.key.key, scene.key.token)
        greeter = example["Greeter"](legs, scene.bot.url, LONG)
        running = asyncio.create_task(asyncio.to_thread(greeter.run))
        try:
            await asyncio.to_thread(greeter.call, "09876500001", "08040000002")
            call = await scene.phone.called()
            await until(lambda: "say_interrupted" in names_of(greeter))
            await call.hang_up()
            async with asyncio.timeout(10):
                await running
        finally:
            await asyncio.to_thread(greeter.close)
    names = names_of(greeter)
    assert names.index("leg_answered") < names.index("stream_initiated")
    assert names.index("stream_started") < names.index("say_interrupted")
    assert names[-1] == "leg_terminated"


def names_of(greeter: Any) -> list[str]:
    return [event["event_name"] for event in greeter.events]
