"""The whole server tells events of legs by every transport, to real receivers of each (LD-1)."""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from websockets.asyncio.client import ClientConnection, connect

from agentstream.api.asyncapi.bot_messages import TO_BOT
from agentstream.server.callee import ScriptedPhone
from agentstream.server.config import Config
from agentstream.store.sql_store import open_store
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.grpc_receiver import grpc_receiver
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.promised import check, kind_of
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.served import served, small_config
from agentstream.testing.socket_receiver import socket_receiver
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "examples" / "leg_event_server.py"
LIFE = ["leg_connecting", "leg_ringing", "leg_answered", "leg_terminated"]


@dataclass
class Scene:
    """A server that may dial one phone, and a client with a key."""

    client: httpx.AsyncClient
    config: Config
    phone: ScriptedPhone
    authorization: str

    async def create(self, endpoint: str) -> str:
        """Let a leg be dialled; returns its sid."""
        body = {
            "contact_uri": "09876500001",
            "exophone": "08040000002",
            "leg_event_endpoint": endpoint,
        }
        answer = await self.client.post("legs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["leg_sid"])

    async def live(self, endpoint: str) -> str:
        """Let a leg ring, be answered and hang up; returns its sid."""
        sid = await self.create(endpoint)
        await self.until_state(sid, "connected")
        assert (await self.client.delete(f"legs/{sid}")).status_code == 202
        await self.until_state(sid, "terminal")
        return sid

    async def until_state(self, sid: str, state: str) -> None:
        async with asyncio.timeout(15):
            while True:
                if (await self.client.get(f"legs/{sid}")).json()["state"] == state:
                    return
                await asyncio.sleep(0.02)

    async def history(self, sid: str, count: int = 4) -> list[dict[str, Any]]:
        """Return what was told of a leg, once nothing waits any more."""
        async with asyncio.timeout(15):
            while True:
                answer = await self.client.get(f"legs/{sid}/external-events")
                told: list[dict[str, Any]] = answer.json()["external_events"]
                if len(told) == count and all(
                    one["endpoint_response"] or one["error"] for one in told
                ):
                    return told
                await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(folder: Path, ca_file: str = "", **legs: Any) -> AsyncIterator[Scene]:
    store = await open_store(folder, country_code="91")
    account = await store.accounts.create("Green Leaf", "GreenLeaf1")
    await store.numbers.attach("08040000002", account.sid, "stream:")
    key = await store.accounts.create_key(account.sid, requests_per_minute=10_000)
    await store.close()

    async with scripted_phone() as (callee, phone):

        def configuration() -> Config:
            egress = {"ca_file": ca_file or None}
            return small_config(folder, phone, speech={"engine": "none"}, egress=egress, legs=legs)

        async with (
            served(configuration) as config,
            httpx.AsyncClient(
                base_url=f"http://{HOST}:{config.http.port}/v2/accounts/GreenLeaf1/",
                auth=(key.key, key.token),
            ) as client,
        ):
            pair = b64encode(f"{key.key}:{key.token}".encode()).decode()
            yield Scene(client, config, callee, f"Basic {pair}")


def https(tmp_path: Path) -> tuple[Authority, Any]:
    authority = Authority.found(tmp_path / "ca")
    return authority, serving(authority.issue("localhost"))


def by_name(shop: Customer, name: str) -> list[Asked]:
    return [asked for asked in shop.asked("/legs") if json.loads(asked.body)["event_name"] == name]


async def test_events_by_https_from_end_to_end_ev_30_ev_37(tmp_path: Path) -> None:
    authority, tls = https(tmp_path)
    statuses = {"leg_connecting": 503, "leg_ringing": 400, "leg_answered": 204}

    def take(asked: Asked) -> Reply:
        status = statuses.get(json.loads(asked.body)["event_name"], 307)
        return Reply(status, headers=(("Location", "/elsewhere"),) if status == 307 else ())

    async with customer(tls, legs=take) as shop, opened(tmp_path / "d", authority.ca_file) as scene:
        url = f"https://ann:secret@localhost:{shop.port}/legs"
        history = await scene.history(await scene.live(url))
    ids = [asked.headers["x-exotel-request-id"] for asked in by_name(shop, "leg_connecting")]
    sid = json.loads(shop.requests[0].body)["event_sid"]
    assert ids == [f"{sid}-1", f"{sid}-2", f"{sid}-3"]  # EV-33, EV-34
    assert len({asked.body for asked in by_name(shop, "leg_connecting")}) == 1
    assert [len(by_name(shop, name)) for name in LIFE] == [3, 1, 1, 1]
    assert not shop.asked("/elsewhere")  # EV-36
    first = shop.requests[0]
    assert (first.method, first.headers["content-type"]) == ("POST", "application/json")
    assert first.headers["authorization"] == "Basic YW5uOnNlY3JldA=="
    assert first.headers["user-agent"] == "AgentStream"
    assert first.headers["x-exotel-event-sid"] == sid
    assert [one["event_info"]["event_name"] for one in history] == LIFE
    assert [one["endpoint_response"] for one in history] == [False, False, True, False]
    assert [one["attempts"] for one in history] == [3, 1, 1, 1]
    errors = ["it answered 503", "it answered 400", None, "it answered 307"]
    assert [one["error"] for one in history] == errors


async def test_an_acknowledgement_that_is_too_late_is_none_ev_32_ev_39(tmp_path: Path) -> None:
    authority, tls = https(tmp_path)
    late = iter([1_300])

    def take(_: Asked) -> Reply:
        return Reply(204, delay_ms=next(late, 0))

    async with customer(tls, legs=take) as shop, opened(tmp_path / "d", authority.ca_file) as scene:
        history = await scene.history(await scene.live(f"https://localhost:{shop.port}/legs"))
    assert [one["attempts"] for one in history] == [2, 1, 1, 1]
    told = [json.loads(asked.body)["sequence"] for asked in shop.asked("/legs")]
    assert told == [1, 1, 2, 3, 4]


async def test_a_certificate_of_nobody_is_refused_ev_30(tmp_path: Path) -> None:
    _, tls = https(tmp_path)
    async with customer(tls, legs=Reply(204)) as shop, opened(tmp_path / "d", attempts=1) as scene:
        history = await scene.history(await scene.live(f"https://localhost:{shop.port}/legs"))
    assert all("certificate verify failed" in one["error"] for one in history)
    assert not shop.requests


async def test_events_by_grpc_from_end_to_end_ld_2_ld_5_ev_50(tmp_path: Path) -> None:
    async with grpc_receiver() as receiver, opened(tmp_path) as scene:
        codes = grpc.StatusCode
        receiver.statuses = [codes.OK, codes.UNAVAILABLE, codes.INVALID_ARGUMENT]
        sid = await scene.live(receiver.url())
        history = await scene.history(sid)
        figures = await scene.client.get(f"http://{HOST}:{scene.config.http.port}/metrics")
    assert "agentstream_leg_event_channels 1.0" in figures.text
    assert [event.event_name for event in receiver.events] == [
        "leg_connecting",
        "leg_ringing",
        "leg_ringing",
        *LIFE[2:],
    ]
    assert [one["endpoint_response"] for one in history] == [True, False, True, True]
    assert history[1]["error"] == "it answered INVALID_ARGUMENT: as the test said"
    last = receiver.events[-1]
    assert (last.leg.leg_sid, last.leg.state, last.sequence) == (sid, "terminal", 4)
    assert last.leg.terminal_status == "completed"
    assert last.leg.date_created.ToJsonString() < last.leg.end_time.ToJsonString()
    assert last.event_data["data"]["terminal_status"] == "completed"
    assert set(receiver.methods) == {"/agentstream.legs.v1.LegEvents/TriggerCallbackEvent"}


async def test_events_by_a_socket_that_we_open_from_end_to_end_ld_8(tmp_path: Path) -> None:
    async with socket_receiver() as receiver, opened(tmp_path) as scene:
        receiver.closes_after = 3
        sid = await scene.live(receiver.url("/legs"))
        history = await scene.history(sid)
    names = [event["event_name"] for event in receiver.events]
    assert names == [*LIFE[:3], *LIFE[2:]]
    assert all(one["endpoint_response"] for one in history)
    assert [event["sequence"] for event in receiver.events] == [1, 2, 3, 3, 4]
    assert len(receiver.connections) == 2


async def test_the_fallback_of_an_account_has_what_its_endpoint_dropped_ld_10(
    tmp_path: Path,
) -> None:
    async with (
        customer(legs=Reply(400)) as shop,
        socket_receiver() as second,
        opened(
            tmp_path, allow_plain_http=True, fallback_endpoints={"greenleaf1": second.url()}
        ) as scene,
    ):
        history = await scene.history(await scene.live(shop.url("/legs")))
        figures = await scene.client.get(f"http://{HOST}:{scene.config.http.port}/metrics")
    assert [event["event_name"] for event in second.events] == LIFE
    assert len(shop.requests) == 4
    assert all(one["endpoint_response"] for one in history)
    assert {one["error"] for one in history} == {"it answered 400; the fallback took it"}
    assert 'agentstream_leg_events_total{result="fell_back"} 4.0' in figures.text


async def test_the_example_server_prints_events_and_tells_its_contract_ld_2(
    tmp_path: Path,
) -> None:
    port = free_port()
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), f"{HOST}:{port}", stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await program.stdout.readline() == f"events: grpc://{HOST}:{port}\n".encode()
        services = await asyncio.to_thread(services_at, f"{HOST}:{port}")
        async with opened(tmp_path) as scene:
            history = await scene.history(await scene.live(f"grpc://{HOST}:{port}"))
    finally:
        program.terminate()
        printed = (await program.stdout.read()).decode()
        await program.wait()
    assert all(one["endpoint_response"] for one in history)
    names = [line.split('"')[3] for line in printed.splitlines() if '"event_name"' in line]
    assert names == LIFE
    assert "agentstream.legs.v1.LegEvents" in services


def services_at(where: str) -> list[str]:
    with grpc.insecure_channel(where) as channel:
        return list(ProtoReflectionDescriptorDatabase(channel).get_services())


async def greet(call: BotCall) -> None:
    await call.until("media")
    await call.media(bytes(3_200))
    await call.mark("greeting")
    await call.until("dtmf")


async def test_what_bots_and_sockets_hear_is_in_the_asyncapi_document(tmp_path: Path) -> None:
    async with (
        scripted_bot(greet) as bot,
        socket_receiver() as receiver,
        opened(tmp_path) as scene,
        listening(scene) as (socket, said),
    ):
        sid = await scene.create(receiver.url())
        call = await scene.phone.called()
        await scene.until_state(sid, "connected")
        start = {"direction": "bidirectional", "url": bot.url}
        say = {"text": "nobody can speak here"}
        wishes: list[dict[str, Any]] = [
            {"action": "start_stream", "body": start},
            {"action": "start_say", "body": say},
            {"exoml": "<Flow><Hangup></Flow>"},
        ]
        for number, wish in enumerate(wishes):
            action = {"type": "action", "id": number, "leg_sid": sid, **wish}
            check("legAction", action)
            await socket.send(json.dumps(action))
        await until(lambda: bot.calls and bot.call.said("mark"))
        call.press("5")
        await until(lambda: bot.call.said("dtmf"))
        await call.hang_up()
        await until(lambda: "leg_terminated" in {one["event_name"] for one in receiver.events})
        await until(lambda: len(said) >= len(receiver.events) + 3)
    kinds = [kind_of(message, TO_BOT) for message in bot.call.messages]
    assert {"botConnected", "botStart", "botMedia", "botMarkHeard", "botDtmf"} < {*kinds}
    assert kinds[-1] == "botStop"
    for frame in receiver.frames:
        check("legEvent", json.loads(frame))
        check("legEventPosted", json.loads(frame)["event"])
    heard = [kind_of(one, ("legEvent", "legResult")) for one in said]
    assert heard.count("legEvent") == len(receiver.events)
    results = [one for one in said if one["type"] == "result"]
    assert [one["http_code"] for one in results] == [202, 202, 400]
    names = {event["event_name"] for event in receiver.events}
    assert {"stream_started", "say_failed_to_start", "leg_terminated"} < names


@asynccontextmanager
async def listening(scene: Scene) -> AsyncIterator[tuple[ClientConnection, list[dict[str, Any]]]]:
    """Open the event socket; the list grows with what it says."""
    said: list[dict[str, Any]] = []
    url = f"ws://{HOST}:{scene.config.http.port}/v2/accounts/GreenLeaf1/events"
    async with connect(url, additional_headers={"Authorization": scene.authorization}) as socket:

        async def listen() -> None:
            async for text in socket:
                said.append(json.loads(text))

        task = asyncio.create_task(listen())
        yield socket, said
        task.cancel()


async def test_what_callbacks_say_is_in_the_asyncapi_document_cb_2_cb_3(tmp_path: Path) -> None:
    form = {"From": "09876500001", "CallerId": "08040000002", "To": "09876500002"}
    events = {"StatusCallbackEvents[]": ["ringing", "answered", "terminal"]}
    async with customer(every=Reply(200), end=Reply(200)) as shop, opened(tmp_path) as scene:
        url = f"http://{HOST}:{scene.config.http.port}/v1/Accounts/GreenLeaf1/Calls/connect.json"
        for path, wanted in (("/every", events), ("/end", {})):
            told = {
                "StatusCallback": shop.url(path),
                "StatusCallbackContentType": "application/json",
            }
            answer = await scene.client.post(url, data={**form, **told, **wanted})
            assert answer.status_code == 200, answer.text
            call = await scene.phone.called()
            await scene.phone.called()
            await call.hang_up()
        await shop.until_asked("/every", 4)
        await shop.until_asked("/end")
    callbacks = [json.loads(asked.body) for asked in shop.asked("/every")]
    for callback in callbacks:
        check("callback", callback)
    assert [one["EventType"] for one in callbacks] == [
        "ringing",
        "answered",
        "answered",
        "terminal",
    ]
    check("callbackAtEnd", json.loads(shop.asked("/end")[0].body))
    assert shop.requests[0].headers["webhook-id"]
