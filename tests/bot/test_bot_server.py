"""The SDK on real sockets: a handler per call, events in, audio out."""

import asyncio
import json
from base64 import b64decode
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agentstream.base.errors import CommandError
from agentstream.bot import (
    Answered,
    Audio,
    BotServer,
    Call,
    CallEnded,
    CallStarted,
    Digit,
    Event,
    MarkPlayed,
    listen,
    serve,
)
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import AskRefused, Unknown

START = json.dumps(
    {
        "event": "start",
        "sequence_number": "1",
        "stream_sid": "s1",
        "start": {"stream_sid": "s1", "call_sid": "c1", "account_sid": "a", "from": "1", "to": "2"},
    }
)


async def begin(socket: ClientConnection) -> None:
    await socket.send('{"event":"connected"}')
    await socket.send(START)


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


async def test_a_call_is_heard_from_its_start_to_its_end() -> None:
    heard: list[Event] = []

    async def talk(call: Call) -> None:
        assert (call.call_sid, call.rate_hz) == ("c1", 16000)
        heard.extend([event async for event in call])

    async with listen(talk) as bot, connect(f"{bot.url}/?sample-rate=16000") as socket:
        await begin(socket)
        await socket.send('{"event":"media","media":{"timestamp":"0","payload":"AQI="}}')
        await socket.send('{"event":"dtmf","dtmf":{"digit":"5","duration":"100"}}')
        await socket.send('{"event":"mark","mark":{"name":"m"}}')
        await socket.send('{"event":"something new"}')
        await socket.send('{"event":"stop","stop":{"reason":"callended"}}')
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == 1000
    assert heard == [
        CallStarted("s1", "c1", "a", "1", "2"),
        Audio(b"\1\2", 0),
        Digit("5", 100),
        MarkPlayed("m"),
        CallEnded("callended"),
    ]


async def test_play_mark_clear_and_stop_are_sent_in_order_and_cut_into_pieces() -> None:
    async def talk(call: Call) -> None:
        await call.play(bytes(range(200)) * 36)
        await call.mark("m")
        await call.clear()
        await call.stop()
        with pytest.raises(CommandError):
            await call.play(b"odd")
        await call.close()
        await call.play(b"late")

    async with listen(talk) as bot, connect(bot.url) as socket:
        await begin(socket)
        messages = [await receive(socket) for _ in range(5)]
    pieces = [b64decode(message["media"]["payload"]) for message in messages[:2]]
    assert [len(piece) for piece in pieces] == [3200, 4000]
    assert b"".join(pieces) == bytes(range(200)) * 36
    assert messages[2:] == [
        {"event": "mark", "mark": {"name": "m"}, "stream_sid": "s1"},
        {"event": "clear", "stream_sid": "s1"},
        {"event": "stop", "stream_sid": "s1"},
    ]


async def test_control_events_are_sent_as_the_protocol_page_shows_them_op1() -> None:
    async def talk(call: Call) -> None:
        await call.hang_up()
        await call.hang_up(after_mark="bye", ask_id="7")
        await call.hang_up(drain=False)
        await call.transfer("+14155550100", ask_id=8)
        await call.transfer(flow="night desk")
        await call.send_dtmf("12#")
        await call.set_rate(16_000)
        for wrong in (call.transfer(), call.transfer("1", flow="a")):
            with pytest.raises(CommandError):
                await wrong

    async with listen(talk) as bot, connect(bot.url) as socket:
        await begin(socket)
        messages = [await receive(socket) for _ in range(7)]
    assert [message[message["event"]] for message in messages] == [
        {},
        {"after_mark": "bye", "id": "7"},
        {"drain": False},
        {"to": "+14155550100", "id": 8},
        {"flow": "night desk"},
        {"digits": "12#"},
        {"sample_rate": 16_000},
    ]
    for message in messages:
        ask = exotel.read_said(json.dumps(message), has_controls=True)
        assert not isinstance(ask.text, AskRefused | Unknown)


async def test_a_call_has_its_new_rate_from_the_answer_on_op1() -> None:
    rates: list[int] = []

    async def talk(call: Call) -> None:
        await call.set_rate(16_000)
        async for event in call:
            rates.append(call.rate_hz)
            if isinstance(event, Answered) and event.is_accepted:
                return

    async with listen(talk) as bot, connect(bot.url) as socket:
        await begin(socket)
        await receive(socket)
        for status in ("refused", "accepted"):
            body = {"event": "set_rate", "status": status}
            await socket.send(json.dumps({"event": "ack", "ack": body}))
        await socket.wait_closed()
    assert rates == [8_000, 8_000, 16_000]


@pytest.mark.parametrize("code", [1000, 1011])
async def test_a_lost_call_ends_as_lost(code: int) -> None:
    ended: asyncio.Queue[Event] = asyncio.Queue()

    async def talk(call: Call) -> None:
        async for event in call:
            ended.put_nowait(event)

    async with listen(talk) as bot:
        async with connect(bot.url) as socket:
            await begin(socket)
            await socket.close(code)
        async with asyncio.timeout(5):
            assert isinstance(await ended.get(), CallStarted)
            assert await ended.get() == CallEnded("lost")


@pytest.mark.parametrize("first", ["nonsense", '{"event":"media","media":{"payload":""}}'])
async def test_a_platform_that_breaks_the_protocol_is_closed_with_1002(first: str) -> None:
    async def talk(call: Call) -> None:
        raise AssertionError

    async with listen(talk) as bot, connect(bot.url) as socket:
        await socket.send(first)
        await socket.send(first)
        with pytest.raises(ConnectionClosed):
            await receive(socket)
        assert socket.close_code == 1002


async def test_a_platform_that_goes_before_the_start_is_no_error() -> None:
    async def talk(call: Call) -> None:
        raise AssertionError

    async with listen(talk) as bot, connect(bot.url) as socket:
        await socket.close()


async def test_credentials_are_asked_for_as35() -> None:
    async def talk(call: Call) -> None:
        await call.mark("hello")

    async with listen(talk, credentials=("ana", "p@ss")) as bot:
        with pytest.raises(InvalidStatus):
            await connect(bot.url)
        async with connect(bot.url.replace("//", "//ana:p%40ss@")) as socket:
            await begin(socket)
            assert (await receive(socket))["mark"] == {"name": "hello"}


async def test_serving_lasts_until_it_is_cancelled() -> None:
    async def talk(call: Call) -> None:
        raise AssertionError

    serving = asyncio.create_task(serve(talk, "127.0.0.1", 0))
    done, _ = await asyncio.wait({serving}, timeout=0.05)
    assert not done
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


def test_a_bots_address_is_a_url() -> None:
    assert BotServer("127.0.0.1", 5000).url == "ws://127.0.0.1:5000"
    assert BotServer("::1", 5000).url == "ws://[::1]:5000"
