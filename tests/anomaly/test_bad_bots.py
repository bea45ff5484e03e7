"""Bots that refuse, stall, talk nonsense, flood, never read or die, in a call from end to end."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from agentstream.calls.causes import Cause, Party
from agentstream.calls.record import CallRecord
from agentstream.testing.node import ANY_FLOW
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.scene import CHUNK, SceneBot, converse, mark, media, raw_server, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
HASTY = {"connect_timeout_ms": 300, "connect_retries": 0, "close_reply_ms": 200}


def failure(record: CallRecord) -> str:
    """Check that the stream failed and that this ended the call; returns the stream's error."""
    (stream,) = record.streams
    assert stream.outcome.status == "failed", record
    assert (record.status, record.cause) == ("completed", Cause.STREAM_FAILED), record
    assert stream.outcome.error in record.text
    return stream.outcome.error


async def call_to(folder: Path, url: str, **stream: int) -> CallRecord:
    """Call a flow with this bot; the node ends the call."""
    async with scene(folder, stream=HASTY | stream) as night:
        await night.node.flow(ANY_FLOW % url)
        call = await night.dial()
        assert (await call.wait_ended()).by == "remote"
        return await night.record()


async def test_nobody_listens_at_the_bots_address(tmp_path: Path) -> None:
    """AS-46, AS-166: tried twice, and the record names the phase and the reason."""
    port = free_port()
    record = await call_to(tmp_path, f"ws://{HOST}:{port}/", connect_retries=1)
    error = failure(record)
    assert error == f"3009 failed to establish ws conn: tcp connection refused by {HOST}:{port}"
    assert record.ended_by is Party.SYSTEM


async def test_the_bots_address_is_no_address(tmp_path: Path) -> None:
    error = failure(await call_to(tmp_path, "ws://bot.invalid:9/"))
    assert error.startswith("3009 failed to establish ws conn: dns")
    assert "bot.invalid" in error


async def speaks_smtp(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def forbids(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def says_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def hangs_up_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (speaks_smtp, "upgrade the bot's answer is not HTTP"),
        (forbids, "upgrade HTTP 403 the bot answered HTTP 403 Forbidden"),
        (says_nothing, "did not answer the WebSocket upgrade within 300 ms"),
        (hangs_up_at_once, "3009 failed to establish ws conn: "),
    ],
)
async def test_a_server_that_is_no_bot(
    tmp_path: Path,
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    says: str,
) -> None:
    """AS-45, AS-47."""
    async with raw_server(talk) as port:
        record = await call_to(tmp_path, f"ws://{HOST}:{port}/")
    assert says in failure(record)


async def nonsense(socket: ServerConnection, bot: SceneBot) -> None:
    """Everything that is no message, then a good one."""
    for text in ["hello", "[1]", '{"event":', '{"event":"media"}', '{"event":"mark"}', "", "\x00"]:
        await socket.send(text)
    for payload in ["%%%", "AAAAA", "AB CD==", "A" * 500_000 + "!"]:
        await socket.send(json.dumps({"event": "media", "media": {"payload": payload}}))
    for event in ["media", "mark", "clear", "start", "stopp"]:
        wrong = {"event": event, "stream_sid": "somebody-else", "sequence_number": "-1"}
        await socket.send(json.dumps(wrong))
    await socket.send(bytes(range(256)) * 100)
    await socket.send("\N{PILE OF POO}" * 1000)
    await converse(socket, bot)


async def test_nonsense_is_ignored_and_the_talk_goes_on(tmp_path: Path) -> None:
    """AS-5, AS-115, AS-157: binary, non-JSON, wrong base64, unknown shapes, wrong ids."""
    async with scene(tmp_path) as night:
        night.bot.talk = nonsense
        call = await night.talk()
        await until(lambda: "heard" in night.bot.marks, 10_000)
        await call.hang_up()
        record = await night.record()
        assert night.node.saw("StreamWarned")
    assert (record.status, record.ended_by) == ("completed", Party.CALLER)
    assert record.text == "The caller hung up."
    assert record.streams[0].outcome.error == ""


async def test_a_message_that_is_too_long_ends_the_stream(tmp_path: Path) -> None:
    """AS-155: 1009, and the flow goes on."""

    async def huge(socket: ServerConnection, bot: SceneBot) -> None:
        await socket.send(media(bytes(900_000)))
        await bot.listen(socket)

    async with scene(tmp_path) as night:
        night.bot.talk = huge
        await (await night.dial()).wait_ended()
        record = await night.record()
    assert failure(record).startswith("1009 a message was too big")


async def test_a_minute_of_audio_in_one_burst_is_taken_and_cleared(tmp_path: Path) -> None:
    """AS-125, AS-128: the socket is always read; clear drops what was not heard."""

    async def floods(socket: ServerConnection, bot: SceneBot) -> None:
        for _ in range(300):
            await socket.send(media(CHUNK))
        await socket.send(mark("minute"))
        await socket.send('{"event":"clear"}')
        await converse(socket, bot)

    async with scene(tmp_path) as night:
        night.bot.talk = floods
        call = await night.talk()
        await until(lambda: "heard" in night.bot.marks, 10_000)
        await call.hang_up()
        record = await night.record()
        (cleared,) = night.node.saw("PlayoutCleared")
    assert record.ended_by is Party.CALLER
    assert 50_000 < getattr(cleared, "dropped_ms", 0) <= 60_000
    assert night.bot.marks[:2] == ["minute", "heard"]


async def test_a_flood_beyond_the_buffer_is_dropped_and_said(tmp_path: Path) -> None:
    """AS-125, AS-156."""

    async def floods(socket: ServerConnection, bot: SceneBot) -> None:
        for _ in range(100):
            await socket.send(media(CHUNK))
        await socket.send('{"event":"clear"}')
        await converse(socket, bot)

    async with scene(tmp_path, stream={"buffer_seconds": 1}) as night:
        night.bot.talk = floods
        call = await night.talk()
        await until(lambda: "heard" in night.bot.marks, 10_000)
        await call.hang_up()
        record = await night.record()
        warnings = [getattr(fact, "text", "") for fact in night.node.saw("StreamWarned")]
    assert record.ended_by is Party.CALLER
    assert any("its buffer was full" in warning for warning in warnings), warnings


async def test_a_flood_of_unknown_events_does_not_end_the_call(tmp_path: Path) -> None:
    async def chatters(socket: ServerConnection, bot: SceneBot) -> None:
        for number in range(20_000):
            await socket.send(f'{{"event":"x{number}"}}')
        await converse(socket, bot)

    async with scene(tmp_path) as night:
        night.bot.talk = chatters
        call = await night.talk()
        await until(lambda: "heard" in night.bot.marks, 20_000)
        await call.hang_up()
        record = await night.record()
    assert record.ended_by is Party.CALLER, record


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer an upgrade by hand."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    keys = [line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key")]
    magic = keys[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def test_a_bot_that_never_reads_does_not_hold_the_call(tmp_path: Path) -> None:
    """AS-100, AS-118: the caller hangs up, and nobody waits for a close reply for ever."""
    never = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await never.wait()

    async with raw_server(deaf) as port, scene(tmp_path, stream=HASTY) as night:
        await night.node.flow(ANY_FLOW % f"ws://{HOST}:{port}/")
        call = await night.dial()
        await until(lambda: night.node.saw("StreamOpened"))
        await call.hang_up()
        record = await night.record()
        assert record.ended_by is Party.CALLER
        assert record.streams[0].outcome.status == "cancelled"
        never.set()


async def test_a_bot_without_pongs_is_given_up(tmp_path: Path) -> None:
    """AS-118."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await reader.read(-1)

    pings = {"ping_interval_ms": 50, "pong_timeout_ms": 250}
    async with raw_server(silent) as port:
        record = await call_to(tmp_path, f"ws://{HOST}:{port}/", **pings)
    assert "no pong within 250 ms" in failure(record)


async def test_a_bot_that_dies_in_mid_word_ends_the_stream_with_1006(tmp_path: Path) -> None:
    """ST-16, AS-165."""

    async def dies(socket: ServerConnection, _bot: SceneBot) -> None:
        await socket.send(media())
        socket.transport.abort()

    async with scene(tmp_path) as night:
        night.bot.talk = dies
        await (await night.dial()).wait_ended()
        record = await night.record()
    assert "1006 the connection broke without a close frame" in failure(record)
    assert record.ended_by is Party.BOT


@pytest.mark.parametrize("code", [1008, 1011])
async def test_a_bot_that_closes_in_anger_fails_the_stream(tmp_path: Path, code: int) -> None:
    """AS-165, ST-32."""

    async def closes(socket: ServerConnection, _bot: SceneBot) -> None:
        await socket.close(code, "no more")

    async with scene(tmp_path) as night:
        night.bot.talk = closes
        await (await night.dial()).wait_ended()
        record = await night.record()
    error = failure(record)
    assert error.startswith(str(code))
    assert "'no more'" in error
    assert record.ended_by is Party.BOT
