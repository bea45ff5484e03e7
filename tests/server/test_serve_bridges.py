"""The whole server bridges legs over real HTTP, SIP and RTP: a dialer, as LG-126 describes it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentstream.server.config import Config
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST
from agentstream.testing.served import served, small_config
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration


@dataclass
class Dialer:
    """A customer's program: it orders legs and bridges, and is told of both."""

    client: httpx.AsyncClient
    shop: Customer
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by path

    async def ask(self, method: str, path: str, status: int, **body: Any) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body or None)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def leg(self, number: str, **more: Any) -> str:
        body = {"contact_uri": number, "exophone": "08040000002", **more}
        body["leg_event_endpoint"] = self.shop.url("/legs")
        answer = await self.ask("POST", "legs", 202, **body)
        leg_sid = str(answer["leg_sid"])
        await until(lambda: "leg_answered" in self.names("/legs", leg_sid))
        return leg_sid

    def names(self, path: str, leg_sid: str = "") -> list[str]:
        events = self.told.get(path, [])
        return [
            event["event_name"] for event in events if leg_sid in ("", event["data"].get("leg_sid"))
        ]

    def take(self, request: Asked) -> Reply:
        self.told.setdefault(request.path, []).append(json.loads(request.body))
        return Reply(204)


async def prepare(folder: Path) -> NewKey:
    store = await open_store(folder, country_code="91")
    account = await store.accounts.create("Green Leaf", "GreenLeaf1")
    await store.numbers.attach("08040000002", account.sid, "stream:")
    key = await store.accounts.create_key(account.sid)
    await store.close()
    return key


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Dialer, NewKey, Config]]:
    async with scripted_phone() as (_, address), customer() as shop:
        key = await prepare(folder)
        async with (
            served(lambda: small_config(folder, address, speech={"engine": "espeak"})) as config,
            httpx.AsyncClient(
                base_url=f"http://{HOST}:{config.http.port}/v2/accounts/GreenLeaf1/",
                auth=(key.key, key.token),
            ) as client,
        ):
            dialer = Dialer(client, shop)
            shop.answers["/legs"] = shop.answers["/bridges"] = dialer.take
            yield dialer, key, config


async def test_a_dialer_bridges_a_customer_and_an_agent_lg_126_br_1_br_5_br_11(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (dialer, _, _):
        caller = await dialer.leg("09876500001")
        await dialer.ask("POST", f"legs/{caller}/actions/start_say", 202, text="Hold on.", loop=-1)
        await until(lambda: "say_started" in dialer.names("/legs", caller))
        agent = await dialer.leg("09876500002", reference_leg_sid=caller)
        made = await dialer.ask(
            "POST",
            "bridges",
            202,
            leg_sids=[caller, agent],
            bridge_event_endpoint=dialer.shop.url("/bridges"),
        )
        sid = made["bridge_sid"]
        await until(lambda: len(dialer.names("/bridges")) == 3)
        found = await dialer.ask("GET", f"bridges/{sid}", 200)
        assert (found["state"], found["active_legs"]) == ("active", [caller, agent])
        await dialer.ask("POST", f"bridges/{sid}/actions/start_recording", 202)
        await until(lambda: "recording_started" in dialer.names("/bridges"))
        await dialer.ask("PUT", f"bridges/{sid}", 202, action="stop")
        await until(lambda: "bridge_terminal" in dialer.names("/bridges"))
        leg = await dialer.ask("GET", f"legs/{caller}?bridge_status", 200)
        assert (leg["state"], leg["additional_info"]) == (
            "connected",
            {"bridge_status": "not_in_bridge"},
        )
        again = await dialer.ask(
            "POST",
            "bridges",
            202,
            leg_sids=[caller, agent],
            bridge_event_endpoint=dialer.shop.url("/bridges"),
        )
        await until(lambda: dialer.names("/bridges").count("bridge_created") == 2)
        await dialer.ask("PUT", f"bridges/{again['bridge_sid']}", 202, action="hangup")
        await until(lambda: dialer.names("/bridges").count("bridge_terminal") == 2)
        history = await dialer.ask("GET", f"bridges/{sid}/external-events", 200)
    names = [one["event_info"]["event_name"] for one in history["external_events"]]
    # The file of a recording may be ready, and told, after all else.
    assert [name for name in names if not name.startswith("recording_")] == [
        "bridge_created",
        *["leg_joined_bridge"] * 2,
        *["leg_left_bridge"] * 2,
        "bridge_terminal",
    ]
    assert "recording_stopped" in names[: names.index("leg_left_bridge")]
    assert {one["endpoint_response"] for one in history["external_events"]} == {True}
    sequences = [one["event_info"]["sequence"] for one in history["external_events"]]
    assert sequences == list(range(1, len(sequences) + 1))
    for leg_sid in (caller, agent):
        assert dialer.names("/legs", leg_sid)[-2:] == ["leg_left_bridge", "leg_terminated"]
    told = dialer.names("/legs", caller)
    assert told.index("say_interrupted") < told.index("leg_joined_bridge"), "the music ends"


async def test_a_bridge_is_read_after_a_restart_br_4(tmp_path: Path) -> None:
    async with opened(tmp_path) as (dialer, key, config):
        legs = [await dialer.leg(number) for number in ("09876500001", "09876500002")]
        sid = (await dialer.ask("POST", "bridges", 202, leg_sids=legs))["bridge_sid"]
        await until(lambda: dialer.names("/legs").count("leg_joined_bridge") == 2)
    async with (
        served(lambda: small_config(config.data_dir, "127.0.0.1:9")) as later,
        httpx.AsyncClient(
            base_url=f"http://{HOST}:{later.http.port}/v2/accounts/GreenLeaf1/",
            auth=(key.key, key.token),
        ) as client,
    ):
        found = (await client.get(f"bridges/{sid}")).json()
    assert (found["state"], found["leg_sids"]) == ("terminal", legs)


async def test_who_was_dialled_outlives_the_first_leg_until_its_own_limit_br_9_lg_61(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (dialer, _, _):
        caller = await dialer.leg("09876500001")
        party = {"contact_uri": "09876500002", "exophone": "08040000002"}
        await dialer.ask("POST", f"legs/{caller}/actions/dial", 202, **party)
        await until(lambda: "dial_success" in dialer.names("/legs", caller))
        success = next(
            event for event in dialer.told["/legs"] if event["event_name"] == "dial_success"
        )
        facts = success["event_data"]["data"]
        second, bridge = facts["second_leg_sid"], facts["bridge_sid"]
        for leg_sid in (caller, second):
            leg = await dialer.ask("GET", f"legs/{leg_sid}?bridge_status", 200)
            assert leg["additional_info"] == {"bridge_status": bridge}
        await dialer.ask("PUT", f"legs/{caller}", 200, time_limit=1)
        await until(lambda: "leg_terminated" in dialer.names("/legs", caller))
        leg = await dialer.ask("GET", f"legs/{second}?bridge_status", 200)
        assert (leg["state"], leg["additional_info"]) == (
            "connected",
            {"bridge_status": "not_in_bridge"},
        )
        await dialer.ask("POST", f"legs/{second}/actions/start_say", 202, text="They left.")
        await until(lambda: "say_started" in dialer.names("/legs", second))
        await dialer.ask("PUT", f"legs/{second}", 200, time_limit=1)
        await until(lambda: "leg_terminated" in dialer.names("/legs", second))
        assert (await dialer.ask("DELETE", f"legs/{second}", 200))["state"] == "terminal"
    for leg_sid in (caller, second):
        names = dialer.names("/legs", leg_sid)
        assert names.count("leg_terminated") == 1
        ended = next(
            event["event_data"]["data"]
            for event in dialer.told["/legs"]
            if event["event_name"] == "leg_terminated" and event["data"]["leg_sid"] == leg_sid
        )
        assert (ended["reason"], ended["hangup_by"]) == ("time-limit", "platform")
    assert dialer.names("/legs", caller)[-2:] == ["dial_completed", "leg_terminated"]
