"""A bot that is reached while its call rings, by SIP and a real WebSocket (OP-6, AS-51)."""

import asyncio
import http
import json
import time
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.events import CallAnswered, StreamHeld, StreamOpened, StreamRequested
from agentstream.hooks.call_events import CallEvents
from agentstream.server.explain.cast import Happening
from agentstream.server.explain.lines import lines_of
from agentstream.store.call_events import Story
from agentstream.testing.node import Node, running_node, scripted_caller
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

FLOW = """
name: ahead
start: talk
applets:
  talk: {type: voicebot, url: "%s", preconnect_ms: 5000, next: bye%s}
  sorry: {type: greeting, text: "Sorry", next: bye}
  bye: {type: hangup}
"""


def at_ms(node: Node, kind: type) -> int:
    [fact] = [fact for fact in node.facts if isinstance(fact.event, kind)]
    return fact.at_ms


async def test_the_socket_is_open_before_the_answer_and_start_comes_after_it(
    tmp_path: Path,
) -> None:
    told_ms: list[int] = []

    async def greet(call: BotCall) -> None:
        await call.until("connected")
        told_ms.append(round(time.monotonic() * 1_000))
        await call.until("media")
        await call.close()

    upgrade, may_go_on = asyncio.Event(), asyncio.Event()

    async def hesitate(*_: Any) -> None:
        upgrade.set()
        await may_go_on.wait()

    async with (
        scripted_bot(greet, process_request=hesitate) as bot,
        running_node(tmp_path, bot.url) as node,
        scripted_caller() as caller,
    ):
        await node.flow(FLOW % (bot.url, ""))
        dialling = asyncio.create_task(caller.dial(node.target()))
        await upgrade.wait()
        await until(lambda: caller.rang == [180])
        assert not dialling.done()
        assert node.saw("CallAnswered") == []
        may_go_on.set()
        call = await dialling
        await call.wait_ended()
        await node.records()
    assert bot.call.messages[0] == {"event": "connected"}
    assert [m["event"] for m in bot.call.messages[1:3]] == ["start", "media"]
    assert bot.call.said("media")[0]["media"]["timestamp"] == "100", "nothing of before"
    assert at_ms(node, StreamHeld) <= at_ms(node, CallAnswered) <= at_ms(node, StreamOpened)
    assert told_ms[0] >= at_ms(node, CallAnswered)
    spared_ms = at_ms(node, StreamHeld) - at_ms(node, StreamRequested)
    assert f"the bot waits for the answer: {spared_ms} ms of silence spared" in told(node)


async def test_a_bot_that_is_not_there_leads_to_the_failures_exit(tmp_path: Path) -> None:
    def refuse(connection: Any, request: Any) -> Any:
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no room\n")

    async with (
        scripted_bot(process_request=refuse) as bot,
        running_node(tmp_path, bot.url) as node,
        scripted_caller() as caller,
    ):
        await node.flow(FLOW % (bot.url, ", on_failure: sorry"))
        call = await caller.dial(node.target())
        await call.wait_ended()
        await node.flow(FLOW.replace(", next: bye", "", 1) % (bot.url, ""))
        with pytest.raises(CommandError, match="500"):
            await caller.dial(node.target())
        records = await node.records(2)
    assert [record.status for record in records] == ["completed", "failed"]
    assert [len(record.streams) for record in records] == [1, 1]
    assert len(node.saw("PromptFinished")) == 1


async def test_a_caller_who_gives_up_while_it_rings_closes_the_bots_socket(tmp_path: Path) -> None:
    upgrade, is_over = asyncio.Event(), asyncio.Event()

    async def hesitate(*_: Any) -> None:
        upgrade.set()
        await is_over.wait()

    async with (
        scripted_bot(process_request=hesitate) as bot,
        running_node(tmp_path, bot.url) as node,
    ):
        await node.flow(FLOW % (bot.url, ""))
        async with scripted_caller() as caller:
            dialling = asyncio.create_task(caller.dial(node.target()))
            await upgrade.wait()
        with pytest.raises(CommandError, match="487"):
            await dialling
        [record] = await node.records()
        assert await node.is_idle()
        is_over.set()
    assert record.status == "canceled"


def told(node: Node) -> str:
    """Return the story of the call as `agentstream explain` tells it."""
    stories: list[Story] = []
    keeper = CallEvents(stories.append)
    for fact in node.facts:
        keeper.hear(fact)
    [story] = stories
    rows = [Happening(each.at_ms, each.kind, json.loads(each.body)) for each in story.events]
    return "\n".join(line.text for line in lines_of(rows))
