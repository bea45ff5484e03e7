"""Calls to a flow and to a bot, placed over HTTP: what is told of them, in which order (CB-9)."""

import json
from pathlib import Path

import pytest

from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, FLOW_NAME, calls_api
from agentstream.testing.customer import Reply, customer
from agentstream.testing.node import scripted_phone
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance


async def leave(call: BotCall) -> None:
    await call.until("media")
    await call.close()


@pytest.mark.parametrize("mode", ["flow", "bot"])
async def test_it_rings_is_answered_and_ends_whatever_follows_the_answer_cb_4_cb_9_cc_61(
    tmp_path: Path, mode: str
) -> None:
    async with (
        customer(told=Reply(200)) as server,
        scripted_bot(leave) as robot,
        scripted_phone() as (_, address),
        calls_api(tmp_path, address) as api,
    ):
        follow = {
            "flow": {"Url": f"http://my.example/{ACCOUNT_SID}/exoml/start_voice/{FLOW_NAME}"},
            "bot": {"StreamUrl": robot.url, "StreamType": "bidirectional"},
        }
        form = {
            "From": "09876500001",
            "CallerId": CALLER_ID,
            "CustomField": "order-5531",
            "StatusCallback": server.url("/told"),
            "StatusCallbackEvents[]": ["terminal", "answered", "ringing"],
            "StatusCallbackContentType": "application/json",
            **follow[mode],
        }
        answer = await api.client.post("Calls/connect.json", data=form)
        assert answer.status_code == 200, answer.text
        await server.until_asked("/told", 3)
    told = [json.loads(asked.body) for asked in server.requests]
    assert [(one["EventType"], one["Status"]) for one in told] == [
        ("ringing", "ringing"),
        ("answered", "in-progress"),
        ("terminal", "completed"),
    ]
    assert {one["CustomField"] for one in told} == {"order-5531"}  # CB-10
    assert {one["CallSid"] for one in told} == {answer.json()["Call"]["Sid"]}
    assert [leg["Status"] for leg in told[-1]["Legs"]] == ["completed"]
