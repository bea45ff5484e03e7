"""The whole server in this process: `agentstream up` with its HTTP interface, on its own ports."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentstream.base.errors import ConfigError
from agentstream.server.config import Config
from agentstream.server.run import serve
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.waiting import until

_STOP_S = 20


def small_config(folder: Path, phone: str, **sections: Mapping[str, Any]) -> Config:
    """Return the configuration of a server for six calls, in India, that dials `phone`.

    `phone` is host:port; `sections` replace those of here. Its ports are free now.
    """
    low, high = media_range(6)
    usual: dict[str, Any] = {
        "data_dir": folder,
        "country_code": "91",
        "sip": {"listeners": f"udp://{HOST}:{free_port()}"},
        "rtp": {"host": HOST, "port_low": low, "port_high": high, "workers": 1},
        "http": {"port": free_port()},
        "limits": {"calls": 6, "drain_seconds": 0},
        "trunks": {"one": {"target": f"sip:{phone}"}},
        "dial": {"trunk": "one"},
        "legs": {"allow_plain_http": True},
    }
    return Config.model_validate(usual | sections)


@asynccontextmanager
async def served(configure: Callable[[], Config]) -> AsyncIterator[Config]:
    """Run a server, and stop it as an operator does; what it changes of the process is given back.

    `configure` finds ports that are free; it is asked a few times, as others may take them.
    """
    usual = gc.get_threshold()
    try:
        config, serving = await _up(configure)
        try:
            yield config
        finally:
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(_STOP_S):
                await serving
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


async def _up(configure: Callable[[], Config]) -> tuple[Config, asyncio.Task[None]]:
    for _ in range(10):
        config, started = configure(), asyncio.Event()
        serving = asyncio.create_task(serve(config, started=started))
        await until(lambda: started.is_set() or serving.done())  # noqa: B023  (at once)
        if not serving.done():
            return config, serving
        try:
            await serving
        except ConfigError:
            continue
    raise AssertionError("no free ports")
