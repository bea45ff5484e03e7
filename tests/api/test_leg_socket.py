"""The event socket over ASGI: who may listen, what is told, what it is closed for (LD-9)."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from agentstream.api.rate_limit import RateLimits
from agentstream.api.v2 import leg_socket
from agentstream.base.ids import AccountSid
from agentstream.flows.legs.verbs import StopSay
from agentstream.testing.waiting import until


@dataclass
class Socket:
    """The client's end of one WebSocket."""

    said: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    heard: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: dict[str, Any]) -> None:
        self.heard.append(dict(message))
        await self.gate.wait()

    def say(self, **words: Any) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": json.dumps(words)})

    @property
    def told(self) -> list[dict[str, Any]]:
        texts = [one["text"] for one in self.heard if one["type"] == "websocket.send"]
        return [json.loads(text) for text in texts]

    @property
    def closed(self) -> int | None:
        codes = [one["code"] for one in self.heard if one["type"] == "websocket.close"]
        return codes[0] if codes else None


@asynccontextmanager
async def opened(site: Any, auth: Any = None, **query: Any) -> AsyncIterator[Socket]:
    socket = Socket()
    socket.gate.set()
    key, token = auth or site.auth
    pair = b64encode(f"{key}:{token}".encode())
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": "/v2/Accounts/greenleaf1/events",
        "raw_path": b"/v2/Accounts/greenleaf1/events",
        "query_string": urlencode(query).encode(),
        "headers": [(b"authorization", b"Basic " + pair)],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "scheme": "ws",
        "server": ("house", 80),
        "client": ("127.0.0.1", 1),
    }
    socket.said.put_nowait({"type": "websocket.connect"})
    running = asyncio.create_task(site.app(scope, socket.said.get, socket.send))
    await until(lambda: socket.heard or running.done())
    yield socket
    socket.gate.set()
    socket.said.put_nowait({"type": "websocket.disconnect", "code": 1000})
    async with asyncio.timeout(5):
        await running
    assert site.events.listeners == 0


async def test_events_are_told_as_they_happen_in_the_bytes_of_every_transport_ld_7(
    site: Any,
) -> None:
    async with opened(site) as socket:
        await until(lambda: site.events.listeners == 1)
        sid = await site.begin_leg()
        await site.begin_leg("other001", account_sid=AccountSid("other"))
        await until(lambda: socket.told)
    [told] = [one for one in socket.told if one["event"]["data"]["leg_sid"] == sid]
    assert (told["type"], told["event"]["event_name"]) == ("event", "leg_connecting")
    [text] = [one["text"] for one in socket.heard if one["type"] == "websocket.send"][:1]
    assert site.told[0].body in text


async def test_what_is_wanted_can_be_narrowed_ld_9(site: Any) -> None:
    async with opened(site, leg_sid="leg00002", event_name="say_started") as socket:
        await until(lambda: site.events.listeners == 1)
        for leg in ("leg00001", "leg00002"):
            sid = await site.begin_leg(leg)
            site.tells(sid, "say_started")
        await until(lambda: socket.told)
    [told] = socket.told
    assert told["event"]["data"]["leg_sid"] == "leg00002"


async def test_what_was_missed_is_told_first_and_once_ld_9(site: Any) -> None:
    sid = await site.begin_leg()
    for name in ("leg_ringing", "leg_answered"):
        site.tells(sid, name)
    async with opened(site, leg_sid=sid, since=1) as socket:
        await until(lambda: len(socket.told) == 2)
        site.tells(sid, "say_started")
        await until(lambda: len(socket.told) == 3)
    assert [one["event"]["sequence"] for one in socket.told] == [2, 3, 4]


@pytest.mark.parametrize(
    ("auth", "query", "status"),
    [
        (("nobody", "wrong"), {}, 401),
        (None, {"since": 1}, 400),
        (None, {"leg_sid": "nothere1", "since": 1}, 404),
        (None, {"leg_sid": "nothere1", "since": "soon"}, 400),
    ],
)
async def test_a_refusal_is_an_http_answer_in_the_envelope_ld_9(
    site: Any, auth: Any, query: dict[str, Any], status: int
) -> None:
    async with opened(site, auth, **query) as socket:
        await until(lambda: len(socket.heard) >= 2)
    start, body = socket.heard[:2]
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert json.loads(body["body"])["response"]["status"] == "failure"


async def test_so_many_sockets_and_no_more(site: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(leg_socket, "SOCKETS_LIMIT", 0)
    async with opened(site) as socket:
        assert socket.heard[0]["status"] == 429


async def test_actions_are_answered_under_their_id_ld_9(site: Any) -> None:
    sid = await site.begin_leg()
    async with opened(site) as socket:
        socket.say(type="action", id="1", leg_sid=sid, exoml="<Flow><StopSay/></Flow>")
        socket.say(type="action", id=2, leg_sid=sid, action="stop_say", body={})
        socket.say(type="action", id="3", leg_sid="nothere1", exoml="<Flow><StopSay/></Flow>")
        socket.say(type="action", id="4", exoml="<Flow/>")
        socket.say(type="action", id="5", leg_sid=sid, action="stop_say", body=[])
        socket.say(type="song", id="6")
        socket.say(type="ack", event_sid="e1")
        await until(lambda: len(socket.told) == 6)
        site.legs.refusal = "not now"
        socket.say(type="action", id="7", leg_sid=sid, action="stop_say")
        await until(lambda: len(socket.told) == 7)
    answers = [(one["id"], one["http_code"]) for one in socket.told]
    assert answers == [
        ("1", 202),
        (2, 202),
        ("3", 404),
        ("4", 400),
        ("5", 400),
        ("6", 400),
        ("7", 409),
    ]
    assert [act.verbs for act in site.legs.acts] == [(StopSay(),), (StopSay(),)]
    first, last = socket.told[0]["response"], socket.told[-1]["response"]
    assert first["data"]["action_sid"] == site.legs.acts[0].action_sid
    assert (last["error_data"]["code"], last["error_data"]["message"]) == (1020, "not now")


async def test_a_read_only_key_listens_and_steers_nothing(site: Any) -> None:
    sid = await site.begin_leg()
    key = await site.store.accounts.create_key(AccountSid("GreenLeaf1"), "wall", "read-only")
    async with opened(site, (key.key, key.token)) as socket:
        await until(lambda: site.events.listeners == 1)
        site.tells(sid, "leg_ringing")
        socket.say(type="action", id="1", leg_sid=sid, action="stop_say")
        await until(lambda: len(socket.told) == 2)
    [answer] = [one for one in socket.told if one["type"] == "result"]
    assert (answer["http_code"], answer["response"]["error_data"]["code"]) == (403, 1003)
    assert not site.legs.acts


async def test_who_steered_which_leg_stands_in_the_audit_log(site: Any) -> None:
    sid = await site.begin_leg()
    async with opened(site) as socket:
        socket.say(type="action", id="1", leg_sid=sid, action="stop_say")
        socket.say(type="ack", event_sid="e1")
        await until(lambda: socket.told)
    [change] = site.changes
    assert (change.who, change.outcome, change.about) == (
        f"key {site.key.key}",
        "202",
        f"leg {sid}",
    )
    assert change.what == "SOCKET /v2/accounts/greenleaf1/events"


@pytest.mark.parametrize(
    ("message", "code"),
    [({"bytes": b"{}", "text": None}, 1003), ({"text": "x" * 131_073}, 1009)],
)
async def test_what_cannot_be_read_closes_it(site: Any, message: dict[str, Any], code: int) -> None:
    async with opened(site) as socket:
        socket.said.put_nowait({"type": "websocket.receive", **message})
        await until(lambda: socket.closed is not None)
    assert socket.closed == code


async def test_a_reader_that_is_too_slow_is_let_go_and_costs_no_memory(
    site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(leg_socket, "QUEUE_LIMIT", 3)
    async with opened(site) as socket:
        await until(lambda: site.events.listeners == 1)
        socket.gate.clear()
        sid = await site.begin_leg()
        for _ in range(20):
            site.tells(sid, "say_started")
        socket.gate.set()
        await until(lambda: socket.closed is not None)
    assert socket.closed == 1013
    assert len(socket.told) <= 4


async def test_to_open_one_costs_a_key_one_of_its_requests_er_7(site: Any) -> None:
    account = AccountSid("GreenLeaf1")
    key = await site.store.accounts.create_key(account, "wall", requests_per_minute=2)
    auth = (key.key, key.token)
    for left in (b"1", b"0"):
        async with opened(site, auth) as socket:
            await until(lambda: site.events.listeners == 1)
        accepted = socket.heard[0]
        assert accepted["type"] == "websocket.accept"
        assert dict(accepted["headers"])[b"x-ratelimit-remaining"] == left
    async with opened(site, auth) as socket:
        await until(lambda: len(socket.heard) >= 2)
    refusal = socket.heard[0]
    headers = dict(refusal["headers"])
    assert (refusal["type"], refusal["status"]) == ("websocket.http.response.start", 429)
    assert (headers[b"x-ratelimit-limit"], headers[b"x-ratelimit-remaining"]) == (b"2", b"0")
    assert 1 <= int(headers[b"retry-after"]) <= 60


@pytest.mark.parametrize(
    ("query", "sequences"),
    [({}, [1, 3, 3]), ({"bridge_sid": f"{5:032x}"}, [1, 2, 3])],  # the legs' own, the bridge's
)
async def test_bridges_are_heard_and_who_asks_for_one_hears_its_own_numbers_ld_9(
    site: Any, query: dict[str, str], sequences: list[int]
) -> None:
    legs = [await site.begin_leg(f"leg0000{number}") for number in (1, 2)]
    for leg_sid in legs:
        site.tells(leg_sid, "leg_answered")
    async with opened(site, **query) as socket:
        body = {"leg_sids": legs, "bridge_event_endpoint": "https://hooks.example.test/bridges"}
        answer = await site.ask("POST", "/v2/accounts/GreenLeaf1/bridges", json=body)
        assert answer.json()["bridge_sid"] == f"{5:032x}", "of the same counted sids"
        await until(lambda: len(socket.told) == 3)
    events = [one["event"] for one in socket.told]
    names = ["bridge_created", "leg_joined_bridge", "leg_joined_bridge"]
    assert [event["event_name"] for event in events] == names
    assert [event["sequence"] for event in events] == sequences


@pytest.mark.parametrize("limits", [RateLimits(legs=3)])
async def test_actions_count_against_the_rate_of_the_account_lg_13(site: Any) -> None:
    sid = await site.begin_leg()
    async with opened(site) as socket:  # the first of the three
        for number in range(3):
            socket.say(type="action", id=number, leg_sid=sid, action="stop_say")
        socket.say(type="ack", event_sid="e1")
        await until(lambda: len(socket.told) == 3)
    assert [one["http_code"] for one in socket.told] == [202, 202, 429]
    refusal = socket.told[-1]["response"]["error_data"]
    assert refusal["code"] == 1030
    assert refusal["message"] == "This account may make 3 such requests in a minute"
    assert len(site.legs.acts) == 2


async def test_actions_count_against_the_rate_of_the_key_er_7(site: Any) -> None:
    sid = await site.begin_leg()
    account = AccountSid("GreenLeaf1")
    key = await site.store.accounts.create_key(account, "wall", requests_per_minute=2)
    async with opened(site, (key.key, key.token)) as socket:
        for number in range(2):
            socket.say(type="action", id=number, leg_sid=sid, action="stop_say")
        await until(lambda: len(socket.told) == 2)
    assert [one["http_code"] for one in socket.told] == [202, 429]
    assert socket.told[1]["response"]["error_data"]["message"] == (
        "This key may make 2 requests in a minute"
    )
