"""The whole server takes up a renewed certificate at SIGHUP, while a connection goes on."""

import asyncio
import os
import signal
import ssl
from pathlib import Path

import httpx
import pytest

from agentstream.net.tls_names import identities
from agentstream.server.config import Config
from agentstream.testing.certificates import Authority
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.served import served, small_config

pytestmark = pytest.mark.integration
PING, PONG = b"\r\n\r\n", b"\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int, authority: Authority) -> Streams:
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.check_hostname = False
    return await asyncio.open_connection(HOST, port, ssl=context)


def names(streams: Streams) -> tuple[str, ...]:
    return identities(streams[1].get_extra_info("peercert"))


async def test_sighup_renews_and_metrics_tell_until_when(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "authority")
    own = authority.issue("old.example", file_name="live")

    def configure() -> Config:
        port = free_port()
        secure = {"listeners": f"tls://{HOST}:{port}", "tls_key": own.key_file}
        sip = {**secure, "tls_certificate": own.chain_file}
        return small_config(tmp_path / "node", HOST, sip=sip)

    async with served(configure) as config, asyncio.timeout(20):
        port = config.sip.listeners[0].port
        old = await connected(port, authority)
        assert names(old) == ("old.example",)
        authority.issue("new.example", file_name="live")
        os.kill(os.getpid(), signal.SIGHUP)
        shown: tuple[str, ...] = ()
        while shown != ("new.example",):
            new = await connected(port, authority)
            shown = names(new)
            new[1].close()
            await new[1].wait_closed()
        old[1].write(PING)
        assert await old[0].readexactly(2) == PONG
        async with httpx.AsyncClient() as web:
            text = (await web.get(f"http://{HOST}:{config.http.port}/metrics")).text
        old[1].close()
        await old[1].wait_closed()
    label = f'agentstream_tls_certificate_expires_seconds{{file="{own.chain_file}"}}'
    (line,) = [line for line in text.splitlines() if line.startswith(label)]
    assert 29 * 86_400 < float(line.split()[-1]) < 31 * 86_400
    assert 'agentstream_sip_total{what="certificate_reloads"} 1.0' in text
