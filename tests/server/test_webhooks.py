"""A whole node tells a customer's server how a placed call goes, over real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.ids import CallSid
from agentstream.calls.record import CallbackEvent, CallSetup, StatusCallback
from agentstream.hooks.call_records import CallRecords
from agentstream.net.signature import signature_headers, signing_key
from agentstream.server.webhooks import Webhooks
from agentstream.store.outbox import WebhookQuery
from agentstream.store.sql_store import open_store
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.node import Node, running_node
from agentstream.testing.placed import placed_call, placed_setup
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
EVENTS: frozenset[CallbackEvent] = frozenset({"answered", "terminal"})
QUICK = {"retry_seconds": [1], "timeout_ms": 2_000}


@dataclass
class Shop:
    """A node and a customer's server."""

    node: Node
    server: Customer

    @property
    def webhooks(self) -> Webhooks:
        return self.node.house.parts.webhooks

    def setup(self, path: str = "/status", sid: str = "c1", *, is_json: bool = True) -> CallSetup:
        wanted = StatusCallback(self.server.url(path), EVENTS, is_json)
        setup = placed_setup(wanted, two_numbers=True, call_sid=CallSid(sid))
        return replace(setup, started_at=SystemClock().wall() - timedelta(minutes=1))

    def happen(self, setup: CallSetup) -> None:
        for fact in placed_call(setup):
            self.node.house.parts.feed.publish(fact)

    async def left(self) -> list[str]:
        found = await self.node.house.parts.store.outbox.list(WebhookQuery())
        return [webhook.sid for webhook in found]


@asynccontextmanager
async def shop(folder: Path, **sections: Any) -> AsyncIterator[Shop]:
    async with (
        customer(status=Reply(200)) as server,
        running_node(folder, "ws://127.0.0.1:9/", **sections) as node,
    ):
        parts = node.house.parts
        records = CallRecords(parts.writer.write, parts.webhooks.callbacks.ended)
        parts.feed.subscribe(records.hear, CallRecords.KINDS)
        yield Shop(node, server)


def events(asked: list[Asked]) -> list[tuple[str, list[str | None]]]:
    told = [json.loads(request.body) for request in asked]
    return [(body["EventType"], [leg["Status"] for leg in body["Legs"]]) for body in told]


async def test_a_two_number_call_is_told_step_by_step_cb_7_cb_13(tmp_path: Path) -> None:
    async with shop(tmp_path) as here:
        here.happen(here.setup("/status?key=7"))
        await here.server.until_asked("/status", 3)
        assert events(here.server.requests) == [
            ("answered", ["in-progress", None]),
            ("answered", ["in-progress", "in-progress"]),
            ("terminal", ["completed", "completed"]),
        ]
        for request in here.server.requests:
            assert (request.method, request.query) == ("POST", {"key": "7"})
            assert "webhook-signature" not in request.headers  # KX-6
        names = [request.headers["webhook-id"] for request in here.server.requests]
        assert names == ["c1-1", "c1-2", "c1-end"]
    store = await open_store(tmp_path)
    assert await store.outbox.list(WebhookQuery()) == []
    await store.close()


async def test_a_form_reaches_a_server_as_one_cb_1(tmp_path: Path) -> None:
    async with shop(tmp_path) as here:
        here.happen(here.setup(is_json=False))
        await here.server.until_asked("/status", 3)
    last = here.server.requests[-1]
    head = f"Content-Type: {last.headers['content-type']}\r\n\r\n".encode()
    names = {
        str(part.get_param("name", header="content-disposition"))
        for part in BytesParser(policy=HTTP).parsebytes(head + last.body).iter_parts()
    }
    assert {"CallSid", "EventType", "Legs[0][Status]", "Legs[1][OnCallDuration]"} <= names


async def test_with_a_secret_they_are_signed_and_a_repetition_has_the_same_name_oc_3(
    tmp_path: Path,
) -> None:
    answers = [Reply(500), Reply(200), Reply(200), Reply(200)]
    async with shop(tmp_path, requests={"signing_secret": [SECRET]}, callbacks=QUICK) as here:
        here.server.answers["/status"] = lambda _: answers.pop(0)
        here.happen(here.setup())
        await here.server.until_asked("/status", 4)
    assert [request.headers["webhook-id"] for request in here.server.requests] == [
        "c1-1",
        "c1-1",
        "c1-2",
        "c1-end",
    ]
    for request in here.server.requests:
        name, sent_s = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        wanted = signature_headers((signing_key(SECRET),), name, sent_s, request.body)
        assert request.headers["webhook-signature"] == wanted["webhook-signature"]


async def test_at_a_stop_servers_are_told_of_the_calls_that_it_ended(tmp_path: Path) -> None:
    async with shop(tmp_path) as here:
        here.happen(here.setup())
    assert [event for event, _ in events(here.server.requests)] == [
        "answered",
        "answered",
        "terminal",
    ]


async def test_what_lies_there_is_counted_for_metrics(tmp_path: Path) -> None:
    async with shop(tmp_path, callbacks={"retry_seconds": []}) as here:
        here.server.answers["/status"] = Reply(410)
        here.happen(here.setup())
        await until(lambda: here.webhooks.counts()["died"] == 3)
        counts = here.webhooks.counts()
        assert (counts["delivered"], counts["failed_attempts"]) == (0, 3)
        assert await here.left() == ["c1-end", "c1-2", "c1-1"]
