"""The bot's server: one task and one `Call` for each call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection, basic_auth
from websockets.asyncio.server import serve as serve_sockets
from websockets.exceptions import ConnectionClosed

from agentstream.base.errors import PeerError
from agentstream.bot.call import Call, wait_for_start

Talk = Callable[[Call], Awaitable[None]]

START_TIMEOUT_S = 10.0
MESSAGE_LIMIT_BYTES = 1_048_576

_log = logging.getLogger("agentstream.bot")


@dataclass(frozen=True, slots=True)
class BotServer:
    """A bot that listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What to give AgentStream as the bot's address."""
        return (
            f"ws://[{self.host}]:{self.port}"
            if ":" in self.host
            else f"ws://{self.host}:{self.port}"
        )


async def serve(
    talk: Talk, host: str, port: int, credentials: tuple[str, str] | None = None
) -> None:
    """Serve calls until cancelled. `talk` is run for each call; when it returns, the stream ends.

    With `credentials` (user, password) a caller without them is answered 401 (AS-35).
    """
    async with listen(talk, host, port, credentials):
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def listen(
    talk: Talk, host: str = "127.0.0.1", port: int = 0, credentials: tuple[str, str] | None = None
) -> AsyncIterator[BotServer]:
    """Serve calls while the block runs; port 0 takes a free one."""

    async def one_call(socket: ServerConnection) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                started = await wait_for_start(socket)
            await talk(Call(socket, started))
        except ConnectionClosed:
            _log.info("event=closed_before_start")
        except (PeerError, TimeoutError) as error:
            _log.warning("event=protocol_error text=%r", str(error))
            await socket.close(1002, str(error)[:120])

    check = basic_auth(realm="bot", credentials=credentials) if credentials else None
    async with serve_sockets(
        one_call,
        host,
        port,
        compression=None,  # AS-5: base64 audio does not compress
        max_size=MESSAGE_LIMIT_BYTES,
        process_request=check,
    ) as server:
        bound_host, bound_port = next(iter(server.sockets)).getsockname()[:2]
        yield BotServer(bound_host, bound_port)
