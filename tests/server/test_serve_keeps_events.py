"""The whole server keeps the events of its calls, unless the operator does not want them."""

import asyncio
import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.server.config import Config
from agentstream.server.run import serve
from agentstream.store.protocols import CallQuery
from agentstream.store.sql_store import open_store
from agentstream.testing.node import scripted_caller
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.scripted_bot import scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
FLOW = "name: any\nstart: talk\napplets:\n  talk: {type: voicebot, url: '%s'}\n"


@pytest.fixture(autouse=True)
def _usual_garbage() -> Iterator[None]:
    """Give back what the server changes of its process."""
    usual = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*usual)


async def prepare(folder: Path, bot_url: str) -> None:
    store = await open_store(folder)
    account = await store.accounts.create("Green Leaf", "greenleaf1")
    flow = await store.flows.apply(account.sid, "any", FLOW % bot_url, publish=True)
    await store.numbers.assign("*", account.sid, flow.sid)
    await store.close()


def configuration(folder: Path, sip_port: int, keep: bool) -> Config:
    low, high = media_range(4)
    return Config.model_validate(
        {
            "data_dir": folder,
            "sip": {"listeners": f"udp://{HOST}:{sip_port}"},
            "rtp": {"host": HOST, "port_low": low, "port_high": high, "workers": 1},
            "http": {"port": free_port()},
            "limits": {"calls": 4, "drain_seconds": 5},
            "speech": {"engine": "none"},
            "events": {"store": keep},
        }
    )


async def up(folder: Path, keep: bool) -> tuple[int, asyncio.Task[None]]:
    """Start a server on ports that are free; tried a few times, as others may take them."""
    for _ in range(10):
        sip_port, started = free_port(), asyncio.Event()
        serving = asyncio.create_task(serve(configuration(folder, sip_port, keep), started=started))
        try:
            await until(lambda: started.is_set() or serving.done())  # noqa: B023  (at once)
            if not serving.done():
                return sip_port, serving
            await serving
        except ConfigError:
            continue
    raise AssertionError("no free ports")


@pytest.mark.parametrize("keep", [True, False])
async def test_the_events_of_a_call_are_kept_if_they_are_wanted(tmp_path: Path, keep: bool) -> None:
    async with scripted_bot() as bot, scripted_caller() as caller:
        await prepare(tmp_path, bot.url)
        sip_port, serving = await up(tmp_path, keep)
        call = await caller.dial(f"sip:1000@{HOST}:{sip_port};transport=udp")
        await until(lambda: bot.calls and bot.call.said("media"))
        await call.hang_up()
        await bot.ended()
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await serving
    store = await open_store(tmp_path)
    [row] = await store.calls.list(CallQuery())
    kinds = [event.kind for event in await store.call_events.of(row.sid)]
    await store.close()
    if keep:
        assert (kinds[0], kinds[-1]) == ("call_started", "call_ended")
        assert {"stream_connected", "leg_counted", "call_hung_up"} <= set(kinds)
    else:
        assert kinds == []
