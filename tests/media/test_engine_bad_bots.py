"""Bots that refuse, stall, talk nonsense, die or do not listen: the leg goes on by rule."""

import asyncio
import base64
import json
import socket as sockets
from typing import Any

import pytest

from agentstream import _media

Socket = Any


async def listen_to(socket: Socket, bot: Any) -> None:
    async for text in socket:
        bot.heard.append(json.loads(text))


async def test_nobody_listens(rig: Any) -> None:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        rig.leg().open_stream(rig.stream(port))
        failed = await rig.until(_media.StreamFailed)
    assert (failed.phase, failed.http_status) == ("tcp", 0)
    assert failed.detail == f"connection refused by 127.0.0.1:{port}"


async def test_the_second_address_is_tried_when_the_first_refuses(rig: Any) -> None:
    bot = await rig.bot()
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        first = f"127.0.0.1:{free.getsockname()[1]}"
        plan = rig.stream(bot.port, addresses=(first, f"127.0.0.1:{bot.port}"))
        rig.leg().open_stream(plan)
        await rig.until(_media.StreamOpen)


async def test_a_refused_upgrade_reports_the_http_status(rig: Any) -> None:
    """AS-47: 401, 403 and 404 are told apart."""

    def refuse(connection: Any, _request: Any) -> Any:
        return connection.respond(403, "not for you\n")

    bot = await rig.bot(process_request=refuse)
    rig.leg().open_stream(rig.stream(bot.port))
    failed = await rig.until(_media.StreamFailed)
    assert (failed.phase, failed.http_status) == ("upgrade", 403)
    assert failed.detail == "the bot answered HTTP 403 Forbidden"


async def test_an_answer_that_is_not_http_fails_the_upgrade(rig: Any) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    rig.leg().open_stream(rig.stream(await rig.raw_bot(talk)))
    failed = await rig.until(_media.StreamFailed)
    assert (failed.phase, failed.http_status) == ("upgrade", 0)
    assert failed.detail == "the bot's answer is not HTTP"


async def test_a_bot_that_stalls_is_given_up_at_the_deadline(rig: Any) -> None:
    """AS-45: one limit over TCP, TLS and upgrade."""
    held = asyncio.Event()

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    port = await rig.raw_bot(talk)
    leg = rig.leg()
    leg.open_stream(rig.stream(port, connect_timeout_ms=150))
    failed = await rig.until(_media.StreamFailed)
    assert failed.phase == "upgrade"
    assert "did not answer the WebSocket upgrade within 150 ms" in failed.detail
    leg.open_stream(rig.stream(port, secure=True, connect_timeout_ms=150, stream_sid="s2"))
    failed = await rig.until(_media.StreamFailed, lambda event: event.stream_sid == "s2")
    assert failed.phase == "tls"
    held.set()


async def test_a_stream_can_be_aborted_while_it_connects(rig: Any) -> None:
    """ST-7: the caller hangs up first; no message is sent."""
    held = asyncio.Event()

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    leg = rig.leg()
    leg.open_stream(rig.stream(await rig.raw_bot(talk)))
    leg.close_stream("s1", 1000, "", "never sent")
    failed = await rig.until(_media.StreamFailed)
    assert failed.phase == "aborted"
    held.set()


async def test_a_certificate_is_not_asked_of_a_bot_without_tls(rig: Any) -> None:
    bot = await rig.bot()
    rig.leg().open_stream(rig.stream(bot.port, secure=True))
    failed = await rig.until(_media.StreamFailed)
    assert failed.phase == "tls"
    assert failed.detail


async def test_nonsense_is_counted_and_the_stream_goes_on(rig: Any) -> None:
    """AS-115, AS-157: non-JSON, wrong base64, unknown shapes; AS-5: JSON in a binary frame."""
    good = json.dumps(
        {
            "Event": "media",
            "media": {"Payload": base64.b64encode(rig.pcm_of(b"\x10" * 160)).decode()},
        }
    )

    async def talk(socket: Socket, bot: Any) -> None:
        for text in ["hello", "[1,2]", '{"event":"media"}', '{"event":', '{"event":"mark"}', ""]:
            await socket.send(text)
        await socket.send(bytes([0xFF, 0xFE, 0x00]))
        for payload in ["%%%", "AAAAA", "AB CD=="]:
            await socket.send(json.dumps({"event": "media", "media": {"payload": payload}}))
        await socket.send(good.encode())
        await socket.send('{"event":"connected"}')
        await listen_to(socket, bot)

    phone, leg, _ = await rig.call(talk)
    await rig.until(_media.BotMessage)
    await rig.until_true(lambda: b"\x10" * 160 in phone.payload)
    leg.close()
    stats = (await rig.until(_media.StreamClosed)).stats
    assert stats.messages_ignored == 7
    assert stats.payloads_undecodable >= 2


async def test_a_message_in_fragments_is_one_message(rig: Any) -> None:
    async def talk(socket: Socket, bot: Any) -> None:
        text = rig.media(rig.pcm_of(b"\x10" * 160))
        await socket.send([text[:5], text[5:100], text[100:]])
        await listen_to(socket, bot)

    phone, _, _ = await rig.call(talk)
    await rig.until_true(lambda: b"\x10" * 160 in phone.payload)


async def test_a_message_that_is_too_long_closes_with_1009(rig: Any) -> None:
    """AS-155."""
    seen: list[int | None] = []

    async def talk(socket: Socket, _bot: Any) -> None:
        await socket.send(rig.media(bytes(100_000)))
        await socket.wait_closed()
        seen.append(socket.close_code)

    _, leg, _ = await rig.call(talk, max_message_bytes=100_000)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1009, "us")
    await rig.until_true(lambda: seen == [1009])
    leg.close()
    await rig.until(_media.LegClosed)


async def test_a_media_message_of_one_mebibyte_is_played(rig: Any) -> None:
    """AS-155: the default limit."""

    async def talk(socket: Socket, bot: Any) -> None:
        text = rig.media(rig.pcm_of(b"\x10" * 320) + bytes(780_000))
        await socket.send(text[:-1] + " " * (1_048_576 - len(text)) + "}")
        await listen_to(socket, bot)

    phone, _, _ = await rig.call(talk)
    await rig.until_true(lambda: b"\x10" * 320 in phone.payload)


async def test_a_bot_that_dies_in_mid_word_is_a_network_close(rig: Any) -> None:
    """ST-16, AS-165: 1006; what it said before is heard."""

    async def talk(socket: Socket, _bot: Any) -> None:
        await socket.send(rig.media(rig.pcm_of(b"\x10" * 1600)))
        socket.transport.abort()

    await rig.call(talk)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1006, "network")


async def test_a_bot_that_never_reads_loses_media_and_then_the_stream(rig: Any) -> None:
    """AS-118: media gives way first; control texts have their own bound."""

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(_reader, writer)
        await held.wait()
        writer.transport.abort()

    held = asyncio.Event()
    leg = rig.leg()
    plan = rig.stream(await rig.raw_bot(talk), send_buffer_bytes=1000, rate_hz=24_000)
    leg.open_stream(plan)
    await rig.until(_media.StreamOpen)
    flood = json.dumps({"event": "x", "filler": "x" * 1_000_000})
    for _ in range(10):
        leg.send_text("s1", flood)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1006, "network")
    assert closed.reason == "the bot does not read"
    held.set()


async def test_a_bot_without_pongs_is_given_up(rig: Any) -> None:
    """AS-118: own pings, and a limit for the answer."""

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(_reader, writer)
        await held.wait()
        writer.transport.abort()

    held = asyncio.Event()
    port = await rig.raw_bot(talk)
    rig.leg().open_stream(rig.stream(port, ping_interval_ms=50, pong_timeout_ms=200))
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1006, "network")
    assert closed.reason == "no pong within 200 ms"
    held.set()


async def test_pings_are_answered_and_our_own_keep_the_stream(rig: Any) -> None:
    """AS-118."""
    answered: list[float] = []

    async def talk(socket: Socket, bot: Any) -> None:
        answered.append(await (await socket.ping()))
        await listen_to(socket, bot)

    _, _, bot = await rig.call(talk, ping_interval_ms=40, pong_timeout_ms=100)
    await rig.until_true(lambda: answered != [] and len(bot.said("media")) > 20)
    assert rig.all(_media.StreamClosed) == []


@pytest.mark.parametrize("code", [1001, 1011, 4003])
async def test_the_bots_close_code_is_reported(rig: Any, code: int) -> None:
    """AS-165."""

    async def talk(socket: Socket, _bot: Any) -> None:
        await socket.close(code, "reasons")

    await rig.call(talk)
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.reason, closed.who) == (code, "reasons", "bot")


async def test_a_close_without_a_code_is_1005(rig: Any) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\x88\x00")
        await reader.read()
        writer.close()

    rig.leg().open_stream(rig.stream(await rig.raw_bot(talk)))
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1005, "bot")


async def test_a_close_reply_that_never_comes_does_not_hold_the_leg(rig: Any) -> None:
    """AS-100: stop is the last message; the leg's end waits for the reply, but not for ever."""
    held = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await held.wait()
        writer.close()

    leg = rig.leg()
    leg.open_stream(rig.stream(await rig.raw_bot(talk)))
    await rig.until(_media.StreamOpen)
    leg.close_stream("s1", 1000, "done", '{"event":"stop"}')
    await asyncio.sleep(0.05)
    held.set()
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.reason, closed.who) == (1000, "done", "us")
    leg.close()
    await rig.until(_media.LegClosed)


async def test_a_frame_that_breaks_the_rules_closes_with_1002(rig: Any) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\xf1\x00")
        await reader.read()
        writer.close()

    rig.leg().open_stream(rig.stream(await rig.raw_bot(talk)))
    closed = await rig.until(_media.StreamClosed)
    assert (closed.code, closed.who) == (1002, "us")


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer an upgrade by hand, as a server does that then forgets the rules."""
    import hashlib

    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    keys = [line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key")]
    magic = keys[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
