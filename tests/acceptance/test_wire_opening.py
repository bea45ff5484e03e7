"""How a stream opens, seen from its bot: the request, `connected`, `start`, their settings."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from agentstream.testing.file_calls import FileCalls, file_calls
from agentstream.testing.scripted_bot import BotCall, ScriptedBot, listen, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

SETTINGS_FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {%s}}
"""


def flow(url: str, **settings: object) -> str:
    """Return a flow that is one bot with settings of its own."""
    texts = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return SETTINGS_FLOW % (url, texts)


async def greet(call: BotCall) -> None:
    """Hear the first audio and a key, then leave."""
    await call.until("media", 2)
    await call.close()


async def opened(house: FileCalls, bot: ScriptedBot, document: str) -> BotCall:
    """Place a call to a bot that leaves by itself; returns what the bot saw of it."""
    before = len(bot.calls)
    record = await house.dial(document).record()
    assert record.streams[-1].outcome.status == "completed"
    return bot.calls[before]


async def test_connected_and_start_come_once_and_before_any_media(tmp_path: Path) -> None:
    """AS-60, AS-61, AS-62, AS-65 to AS-69, AS-71, CX-11, CX-17, ST-4, ST-34."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url + "?order=7781")
        record = await call.record()
    seen = bot.call
    assert seen.texts[0] == '{"event":"connected"}'
    assert [m["event"] for m in seen.messages] == ["connected", "start", "media", "media"]
    sid = record.streams[0].stream_sid
    assert seen.messages[1] == {
        "event": "start",
        "sequence_number": "1",
        "stream_sid": sid,
        "start": {
            "stream_sid": sid,
            "call_sid": call.call_sid,
            "account_sid": "greenleaf1",
            "from": "+919876500001",
            "to": "+918040000002",
            "custom_parameters": {"order": "7781"},
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        },
    }
    for identifier in (sid, call.call_sid):
        assert len(identifier) == 32
        assert set(identifier) <= set("0123456789abcdef")


async def test_the_request_has_the_query_as_given_and_no_extras(tmp_path: Path) -> None:
    """AS-1, AS-5, AS-6, AS-10, AS-20: order, case and percent signs stay."""
    query = "?sample-rate=16000&B=%41%2f&a=x+y&a=&sample_rate=8000"
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        seen = await opened(house, bot, bot.url + query)
    assert seen.target == "/bot" + query
    assert seen.header("Sec-WebSocket-Protocol") is None
    assert seen.header("Sec-WebSocket-Extensions") is None
    assert seen.header("Authorization") is None
    assert seen.start["media_format"]["sample_rate"] == "16000", "CX-6: the hyphen wins"


async def test_credentials_are_decoded_into_a_header_and_shown_to_nobody(tmp_path: Path) -> None:
    """AS-35, AS-37."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        url = bot.url.replace("ws://", "ws://green%40leaf:p%3Ass%40@")
        call = house.dial(url)
        outcome = (await call.stream()).outcome
        told = repr(call.notes)
    expected = b64encode(b"green@leaf:p:ss@").decode()
    assert bot.call.header("Authorization") == f"Basic {expected}"
    assert bot.call.target == "/bot"
    assert outcome.url == bot.url.replace("ws://", "ws://***@")
    assert "p%3Ass" not in told
    assert "p:ss" not in told


@pytest.mark.parametrize(
    ("query", "parameters", "warned"),
    [
        ("", None, False),
        ("?sample-rate=8000", None, False),
        ("?order=7781", {"order": "7781"}, False),
        ("?a=1&sample-rate=8000&b=%40&c=x+y", {"a": "1", "b": "@", "c": "x y"}, False),
        ("?a=1&b=2&c=3&d=4", {"a": "1", "b": "2", "c": "3"}, True),
        ("?a=1&b=" + "x" * 256, {"a": "1"}, True),
    ],
)
async def test_the_query_becomes_custom_parameters_within_limits(
    tmp_path: Path, query: str, parameters: dict[str, str] | None, warned: bool
) -> None:
    """AS-25 to AS-28 with none, one, three and four pairs; CX-12."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url + query)
        await call.record()
    assert bot.call.start.get("custom_parameters") == parameters
    assert bool([text for text in call.warnings if "custom parameters" in text]) is warned


async def test_the_limits_of_custom_parameters_are_settings(tmp_path: Path) -> None:
    """AS-27, AS-28."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        url = bot.url + "?a=1&b=2&c=3&d=4"
        more = await opened(house, bot, flow(url, max_pairs=4))
        none = await opened(house, bot, flow(bot.url, always_send_custom_parameters="true"))
        refused = await house.dial(flow(url, on_violation="reject")).stream()
    assert more.start["custom_parameters"] == {"a": "1", "b": "2", "c": "3", "d": "4"}
    assert none.start["custom_parameters"] == {}
    assert refused.outcome.status == "failed"
    assert "custom parameters" in refused.outcome.error
    assert len(bot.calls) == 2


def camel(message: Mapping[str, Any]) -> set[str]:
    return {key for key in message if key != key.lower()}


async def test_the_shape_of_messages_follows_the_settings(tmp_path: Path) -> None:
    """CX-1, CX-2, CX-3, CX-5, CX-9 and the two presets, each variant by its setting."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        plain = await opened(house, bot, bot.url)
        numbers = await opened(house, bot, flow(bot.url, numbers_as="number"))
        docs = await opened(house, bot, flow(bot.url, media_format_profile="docs"))
        top = await opened(house, bot, flow(bot.url, camel_keys="top"))
        full = await opened(house, bot, flow(bot.url, camel_keys="full"))
        national = await opened(house, bot, flow(bot.url, number_format="national0"))

    media = plain.said("media")[0]
    assert (media["sequence_number"], media["media"]["chunk"]) == ("2", "1")
    assert not camel(plain.said("start")[0]) | camel(plain.start)

    media = numbers.said("media")[0]
    assert (media["sequence_number"], media["media"]["chunk"]) == (2, 1)
    assert media["media"]["timestamp"] == "100"
    assert numbers.said("start")[0]["sequence_number"] == 1

    assert docs.start["media_format"] == {
        "encoding": "audio/x-raw",
        "sample_rate": "8000",
        "bit_rate": "16",
    }

    assert camel(top.said("media")[0]) == {"streamSid", "sequenceNumber"}
    assert not camel(top.start), "Pipecat still knows the vendor (AS-68)"
    assert full.start["streamSid"] == full.start["stream_sid"]
    assert full.start["callSid"] == full.start["call_sid"]

    assert national.start["from"] == "09876500001"
    assert national.start["to"] == "08040000002"


async def test_the_presets_are_chosen_for_all_bots_or_for_one(tmp_path: Path) -> None:
    """CX-3, CX-9: `docs` and `field`."""
    one = 'name: docs\nstart: talk\napplets: {talk: {type: voicebot, url: "%s", profile: docs}}\n'
    async with scripted_bot(greet) as bot, file_calls(tmp_path, stream={"preset": "field"}) as all_:
        field = await opened(all_, bot, bot.url)
        docs = await opened(all_, bot, one % bot.url)
    assert field.start["from"] == "09876500001"
    assert field.start["media_format"]["encoding"] == "base64"
    assert docs.start["from"] == "+919876500001"
    assert docs.start["media_format"]["encoding"] == "audio/x-raw"


async def test_a_bot_that_never_answers_is_tried_twice_and_given_up(tmp_path: Path) -> None:
    """AS-45, AS-46, AS-166, ST-5, ST-6: each attempt has its own limit."""
    attempts: list[asyncio.StreamWriter] = []

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)
        await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(stall, "127.0.0.1", 0) as server,
        file_calls(tmp_path, stream={"connect_timeout_ms": 200}) as house,
    ):
        port = server.sockets[0].getsockname()[1]
        stream = await house.dial(f"ws://127.0.0.1:{port}/").stream()
    assert len(attempts) == 2
    assert stream.outcome.status == "failed"
    assert stream.outcome.error.startswith("3009 failed to establish ws conn: upgrade")
    assert stream.ended_ms - stream.requested_ms >= 400


async def test_a_refused_connection_is_tried_twice(tmp_path: Path) -> None:
    """AS-46, AS-166, ST-30: `failed`, `NA`, and the phase that failed."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    async with file_calls(tmp_path) as house:
        call = house.dial(f"ws://127.0.0.1:{port}/")
        outcome = (await call.stream()).outcome
    failures = [note for note in call.notes if type(note).__name__ == "StreamAttemptFailed"]
    assert len(failures) == 2
    assert (outcome.status, outcome.disconnected_by, outcome.duration_s) == ("failed", "NA", 0)
    assert outcome.error.startswith("3009 failed to establish ws conn: tcp")


class Doorman:
    """Answers upgrades with these HTTP statuses, one after the other; then lets everybody in."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked = 0

    def __call__(self, socket: ServerConnection, request: Request) -> Response | None:
        self.asked += 1
        if not self.statuses:
            return None
        return socket.respond(self.statuses.pop(0), "not now\n")


async def test_the_second_try_succeeds(tmp_path: Path) -> None:
    """AS-46: 503, then 101; the bot sees one stream."""
    door = Doorman(503)
    async with scripted_bot(greet, process_request=door) as bot, file_calls(tmp_path) as house:
        outcome = (await house.dial(bot.url).stream()).outcome
    assert door.asked == 2
    assert (outcome.status, outcome.disconnected_by) == ("completed", "bot")
    assert len(bot.calls) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 503])
async def test_a_bot_that_refuses_twice_is_reported_with_its_status(
    tmp_path: Path, status: int
) -> None:
    """AS-47, AS-166."""
    door = Doorman(status, status)
    async with scripted_bot(greet, process_request=door) as bot, file_calls(tmp_path) as house:
        outcome = (await house.dial(bot.url).stream()).outcome
    assert door.asked == 2
    assert outcome.status == "failed"
    assert f"HTTP {status}" in outcome.error


async def test_the_number_of_tries_is_a_setting(tmp_path: Path) -> None:
    """CX-19."""
    door = Doorman(503, 503, 503)
    async with scripted_bot(greet, process_request=door) as bot, file_calls(tmp_path) as house:
        never = await house.dial(flow(bot.url, connect_retries=0)).stream()
        assert door.asked == 1
        often = await house.dial(flow(bot.url, connect_retries=2)).stream()
    assert never.outcome.status == "failed"
    assert often.outcome.status == "completed"


async def test_plain_sockets_can_be_forbidden(tmp_path: Path) -> None:
    """AS-10, CX-18: ws:// works unless a setting asks for TLS."""
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        stream = await house.dial(flow(bot.url, require_wss="true")).stream()
    assert stream.outcome.status == "failed"
    assert "wss://" in stream.outcome.error
    assert not bot.calls


async def test_a_caller_who_leaves_while_the_bot_is_dialled_sends_no_message(
    tmp_path: Path,
) -> None:
    """AC-4, ST-7, ST-30: `cancelled`, `user`."""
    asked, is_over = asyncio.Event(), asyncio.Event()

    async def hold(_socket: ServerConnection, _request: Request) -> None:
        asked.set()
        await is_over.wait()

    async with scripted_bot(listen, process_request=hold) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await asyncio.wait_for(asked.wait(), 10)
        counted = house.house.parts.stream_limits
        assert counted.total == 1, "AC-4: from the handshake's start"
        call.hang_up()
        stream = await call.stream()
        assert counted.total == 0
        is_over.set()
    assert (stream.outcome.status, stream.outcome.disconnected_by) == ("cancelled", "user")
    assert stream.opened_ms is None
    assert not bot.calls


async def test_an_account_has_only_so_many_streams(tmp_path: Path) -> None:
    """AS-50, ST-1, ST-30: `failed`, `NA`, and the words that Passthru promises."""
    async with scripted_bot(listen) as bot, file_calls(tmp_path, stream_limit=1) as house:
        first = house.dial(bot.url)
        await until(lambda: bot.calls, 10_000)
        second = (await house.dial(bot.url).stream()).outcome
        first.hang_up()
        await first.record()
        third = house.dial(bot.url)
        await until(lambda: len(bot.calls) == 2, 10_000)
        third.hang_up()
        assert (await third.stream()).outcome.status == "cancelled"
    assert (second.status, second.disconnected_by) == ("failed", "NA")
    assert second.detailed_status == "Streaming_call_throttled"
