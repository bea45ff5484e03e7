"""An applet's http address: asked when the call comes, for the address of the bot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {%s}}
"""


@dataclass
class Resolver:
    """A web server that answers every request alike, and keeps what was asked."""

    status: int = 200
    body: str = "{}"
    port: int = 0
    redirects: int = 0  # so many requests are sent elsewhere first
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/where"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = self.body.encode()
        head = f"HTTP/1.1 {self.status} X\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        if self.redirects >= len(self.heads):
            head = f"HTTP/1.1 302 X\r\nLocation: /{len(self.heads)}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def resolver(body: str, status: int = 200) -> AsyncIterator[Resolver]:
    web = Resolver(status, body)
    async with await asyncio.start_server(web.answer, "127.0.0.1", 0) as server:
        web.port = server.sockets[0].getsockname()[1]
        yield web


async def greet(call: BotCall) -> None:
    await call.until("media")
    await call.close()


async def test_the_resolver_is_asked_once_and_its_address_is_dialled(tmp_path: Path) -> None:
    """AS-13 to AS-16, AS-29, ST-2: the answer's own query and credentials count."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        at = bot.url.replace("ws://", "ws://leaf:p%40ss@") + "?sample-rate=16000&tenant=blue"
        async with resolver(json.dumps({"success": True, "url": at, "room": 42})) as web:
            call = house.dial(web.url + "?key=mine")
            stream = await call.stream()
    assert len(web.heads) == 1
    method, target, _ = web.heads[0].splitlines()[0].split(" ")
    asked = parse_qs(urlsplit(target).query, keep_blank_values=True)
    assert method == "GET"
    assert asked["key"] == ["mine"], "AP-1: what the URL had stays"
    assert asked["CallSid"] == [call.call_sid]
    assert asked["CallFrom"] == asked["From"] == ["+919876500001"]
    assert asked["CallTo"] == asked["To"] == ["+918040000002"]
    assert asked["Direction"] == ["incoming"]

    assert bot.call.target == "/bot?sample-rate=16000&tenant=blue"
    assert bot.call.header("Authorization") == "Basic bGVhZjpwQHNz"
    assert bot.call.start["custom_parameters"] == {"tenant": "blue"}
    assert bot.call.start["media_format"]["sample_rate"] == "16000"
    assert stream.outcome.status == "completed"
    assert "p%40ss" not in stream.outcome.url


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (200, "<Response><Connect/></Response>", "XML"),
        (200, '{"stream": "wss://bots.example.net"}', "stream"),
        (200, "wss://bots.example.net", "not JSON"),
        (200, '{"url": "https://bots.example.net"}', "ws://"),
        (500, '{"url": "wss://bots.example.net"}', "500"),
        (302, "", "302"),
        (200, '{"url": "' + "x" * 70_000 + '"}', "65536"),
    ],
)
async def test_a_wrong_answer_fails_the_stream_and_says_why(
    tmp_path: Path, status: int, body: str, hint: str
) -> None:
    """AS-17, AS-18, ST-3, ST-30: `failed`, `NA`, with the rule that was broken."""
    async with resolver(body, status) as web, file_calls(tmp_path) as house:
        outcome = (await house.dial(web.url).stream()).outcome
    assert (outcome.status, outcome.disconnected_by) == ("failed", "NA")
    assert hint in outcome.error


async def test_three_redirects_are_followed_and_no_more(tmp_path: Path) -> None:
    """AS-17."""
    async with (
        scripted_bot(greet) as bot,
        resolver(json.dumps({"url": bot.url})) as web,
        file_calls(tmp_path) as house,
    ):
        web.redirects = 3
        near = (await house.dial(web.url).stream()).outcome
        web.heads.clear()
        web.redirects = 4
        far = (await house.dial(web.url).stream()).outcome
    assert near.status == "completed"
    assert far.status == "failed"
    assert "redirects" in far.error
    assert len(bot.calls) == 1


async def test_a_silent_resolver_is_given_up(tmp_path: Path) -> None:
    """AS-17, ST-3: after 5 s unless set."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(stall, "127.0.0.1", 0) as server,
        file_calls(tmp_path, stream={"resolver_timeout_ms": 200}) as house,
    ):
        port = server.sockets[0].getsockname()[1]
        stream = await house.dial(f"http://127.0.0.1:{port}/").stream()
    assert stream.outcome.status == "failed"
    assert "no answer" in stream.outcome.error
    assert 200 <= stream.ended_ms - stream.requested_ms < 5_000


async def test_an_http_address_may_be_refused_or_taken_as_a_socket(tmp_path: Path) -> None:
    """AS-19: by setting."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        url = bot.url.replace("ws://", "http://")
        rewritten = await house.dial(FLOW % (url, "stream_url_https: rewrite")).stream()
        refused = await house.dial(FLOW % (url, "stream_url_https: reject")).stream()
    assert rewritten.outcome.status == "completed"
    assert refused.outcome.status == "failed"
    assert "ws://" in refused.outcome.error
    assert len(bot.calls) == 1


async def test_a_failure_says_where_the_flow_goes_on(tmp_path: Path) -> None:
    """AS-17, AS-170, ST-20: the applet behind a bot that was never found is run."""
    document = """
name: two
start: first
applets:
  first: {type: voicebot, url: "%s", next: second}
  second: {type: voicebot, url: "%s"}
"""
    async with scripted_bot(greet) as bot, resolver("no") as web, file_calls(tmp_path) as house:
        record = await house.dial(document % (web.url, bot.url)).record()
    assert [stream.outcome.status for stream in record.streams] == ["failed", "completed"]
    assert len(bot.calls) == 1


async def test_the_length_of_an_address_has_a_limit(tmp_path: Path) -> None:
    """AS-11: 600 characters are dialled, 601 are not."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        longest = f"{bot.url}?x=".ljust(600, "y")
        good = await house.dial(longest).stream()
        bad = await house.dial(longest + "y").stream()
    assert bot.call.target == longest[longest.index("/bot") :]
    assert good.outcome.status == "completed"
    assert bad.outcome.status == "failed"
    assert "600" in bad.outcome.error
