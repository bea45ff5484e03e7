"""The whole server keeps the events of its calls, unless the operator does not want them.

While a call lives they are told by `agentstream explain`.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server.cli import app
from agentstream.server.config import Config
from agentstream.store.call_query import CallQuery
from agentstream.store.sql_store import open_store
from agentstream.testing.node import scripted_caller
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.scripted_bot import scripted_bot
from agentstream.testing.served import served
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
FLOW = "name: any\nstart: talk\napplets:\n  talk: {type: voicebot, url: '%s'}\n"


async def prepare(folder: Path, bot_url: str) -> None:
    store = await open_store(folder)
    account = await store.accounts.create("Green Leaf", "greenleaf1")
    flow = await store.flows.apply(account.sid, "any", FLOW % bot_url, publish=True)
    await store.numbers.assign("*", account.sid, flow.sid)
    await store.close()


def configuration(folder: Path, keep: bool) -> Config:
    low, high = media_range(4)
    return Config.model_validate(
        {
            "data_dir": folder,
            "sip": {"listeners": f"udp://{HOST}:{free_port()}"},
            "rtp": {"host": HOST, "port_low": low, "port_high": high, "workers": 1},
            "http": {"port": free_port()},
            "limits": {"calls": 4, "drain_seconds": 5},
            "speech": {"engine": "none"},
            "events": {"store": keep},
        }
    )


def target(config: Config) -> str:
    return f"sip:1000@{HOST}:{config.sip.listeners[0].port};transport=udp"


@pytest.mark.parametrize("keep", [True, False])
async def test_the_events_of_a_call_are_kept_if_they_are_wanted(tmp_path: Path, keep: bool) -> None:
    async with scripted_bot() as bot, scripted_caller() as caller:
        await prepare(tmp_path, bot.url)
        async with served(lambda: configuration(tmp_path, keep)) as config:
            call = await caller.dial(target(config))
            await until(lambda: bot.calls and bot.call.said("media"))
            await call.hang_up()
            await bot.ended()
    store = await open_store(tmp_path)
    [row] = await store.calls.list(CallQuery())
    kinds = [event.kind for event in await store.call_events.of(row.sid)]
    await store.close()
    if keep:
        assert (kinds[0], kinds[-1]) == ("call_started", "call_ended")
        assert {"stream_connected", "leg_counted", "call_hung_up"} <= set(kinds)
    else:
        assert kinds == []


async def explain(config: Config, *words: str) -> Any:
    """Run `agentstream explain` beside the server."""
    settings = {
        "AGENTSTREAM_DATA_DIR": str(config.data_dir),
        "AGENTSTREAM_HTTP__PORT": str(config.http.port),
    }
    return await asyncio.to_thread(CliRunner().invoke, app, ["explain", *words], env=settings)


async def test_a_call_is_explained_while_it_lives_and_after_its_end(tmp_path: Path) -> None:
    async with scripted_bot() as bot, scripted_caller() as caller:
        await prepare(tmp_path, bot.url)
        async with served(lambda: configuration(tmp_path, keep=True)) as config:
            assert "There is no live call" in (await explain(config, "live")).stderr
            call = await caller.dial(target(config))
            await until(lambda: bot.calls and bot.call.said("media"))
            sid = bot.call.said("start")[0]["start"]["call_sid"]
            for named in ("live", sid, sid[:6]):
                told = await explain(config, named)
                text = " ".join(told.stdout.split())
                assert f"call {sid}, inbound, in-progress" in text, told.output
                assert "flow any, version 1" in text
                assert "end still going after" in text
                assert "call answered" in text
                assert "bot the bot is connected in" in text
                assert "over, " not in text
            plain = json.loads((await explain(config, "live", "--json")).stdout)
            assert plain["call"]["is_live"]
            assert plain["events"][0]["kind"] == "call_started"
            assert "no call has ended yet" in (await explain(config, "last")).stderr
            assert "no call has ended yet" in (await explain(config, "zz")).stderr
            await call.hang_up()
            await bot.ended()
    ended = await explain(config, sid[:6])
    assert f"call {sid}, inbound, completed" in " ".join(ended.stdout.split())
    assert "is the server up?" in (await explain(config, "live")).stderr


async def test_a_server_that_keeps_no_events_says_so(tmp_path: Path) -> None:
    await prepare(tmp_path, "ws://127.0.0.1:9/")
    async with served(lambda: configuration(tmp_path, keep=False)) as config:
        assert "set store = true in [events]" in (await explain(config, "live")).stderr
