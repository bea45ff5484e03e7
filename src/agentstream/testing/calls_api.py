"""The whole server with an account, a key, a number and a flow, for tests of the calls API.

async with scripted_phone() as (phone, address), calls_api(folder, address) as api:
    await api.client.post("Calls/connect.json", data={"CallerId": CALLER_ID, ...})
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from agentstream.net.tls import Certificate
from agentstream.server.config import Config
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.served import served

ACCOUNT_SID: Final = "GreenLeaf1"
CALLER_ID: Final = "08040000002"
FLOW_NAME: Final = "support"
HANG_UP: Final = "name: support\nstart: bye\napplets:\n  bye: {type: hangup}\n"


@dataclass
class CallsApi:
    """A running server, and a client with a key of its account."""

    config: Config
    key: NewKey
    client: httpx.AsyncClient  # its base is the account's part of v1

    @property
    def port(self) -> int:
        """Where HTTP is served."""
        return self.config.http.port


@asynccontextmanager
async def calls_api(
    folder: Path,
    phone: str,
    flow: str = HANG_UP,
    *,
    calls: int = 6,
    key: NewKey | None = None,
    **sections: Mapping[str, Any],
) -> AsyncIterator[CallsApi]:
    """Run a server whose numbers all lead to the phone at "127.0.0.1:5060".

    `flow` is published as FLOW_NAME; `sections` are added to the configuration. With the `key` of
    an earlier run in the folder everything is as that run left it.
    """
    key = key or await _prepare(folder, flow)
    async with (
        served(lambda: _configuration(folder, phone, calls, sections)) as config,
        httpx.AsyncClient(
            base_url=f"http://{HOST}:{config.http.port}/v1/Accounts/{ACCOUNT_SID}/",
            auth=(key.key, key.token),
            timeout=20,
        ) as client,
    ):
        yield CallsApi(config, key, client)


@asynccontextmanager
async def tls_door(certificate: Certificate, port: int) -> AsyncIterator[int]:
    """Let TLS in, as a proxy in front of the server does; gives the port it listens on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain_file, certificate.key_file)

    visits: set[asyncio.Task[None]] = set()

    def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_pass_on(reader, writer, port))
        visits.add(task)
        task.add_done_callback(visits.discard)

    server = await asyncio.start_server(visit, HOST, 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in visits:
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
    back = asyncio.create_task(_pipe(inner_reader, writer))
    try:
        await _pipe(reader, inner_writer)  # until the client has gone
    finally:
        back.cancel()
        inner_writer.close()
        writer.transport.abort()  # a close would wait half a minute for the client's


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


async def _prepare(folder: Path, flow: str) -> NewKey:
    store = await open_store(folder, country_code="91")
    try:
        account = await store.accounts.create("Green Leaf", ACCOUNT_SID)
        applied = await store.flows.apply(account.sid, FLOW_NAME, flow, publish=True)
        await store.numbers.assign(CALLER_ID, account.sid, applied.sid)
        return await store.accounts.create_key(account.sid)
    finally:
        await store.close()


def _configuration(
    folder: Path, phone: str, calls: int, sections: Mapping[str, Mapping[str, Any]]
) -> Config:
    low, high = media_range(calls)
    ours: dict[str, dict[str, Any]] = {
        "sip": {"listeners": f"udp://{HOST}:{free_port()}"},
        "rtp": {"host": HOST, "port_low": low, "port_high": high, "workers": 1, "port_rest_ms": 0},
        "http": {"port": free_port()},
        "limits": {"calls": calls, "drain_seconds": 0},
        "speech": {"engine": "none"},
        "trunks": {"one": {"target": f"sip:{phone}"}},
        "dial": {"trunk": "one"},
    }
    merged = {name: {**ours.get(name, {}), **sections.get(name, {})} for name in {*ours, *sections}}
    return Config.model_validate({"data_dir": folder, "country_code": "91", **merged})
