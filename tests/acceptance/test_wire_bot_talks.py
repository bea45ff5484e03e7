"""What a bot may send, and what comes of it: marks, clear, odd spellings, nonsense and too much."""

import asyncio
import json
from base64 import b64encode
from hashlib import sha1
from pathlib import Path

import pytest

from agentstream.switch import feed
from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {%s}}
"""
LOUD = b"\x01\x10"  # one sample


def said(ms: int, sample: bytes = LOUD) -> bytes:
    """Return sound of 8000 Hz that is never silent."""
    return sample * (8 * ms)


def payload(ms: int = 20) -> str:
    return b64encode(said(ms)).decode()


async def test_a_mark_fires_at_once_when_nothing_is_queued(tmp_path: Path) -> None:
    """AS-95, AS-127, ST-11: it asks when playback begins."""

    async def talk(call: BotCall) -> None:
        await call.until("start")
        await call.mark("m-17")
        message = await call.until("mark")
        assert set(message) == {"event", "sequence_number", "stream_sid", "mark"}
        assert message["mark"] == {"name": "m-17"}
        assert message["stream_sid"] == call.start["stream_sid"]
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        stats = await house.dial(bot.url).stats()
    assert bot.call.marks() == ["m-17"]
    assert (stats.marks, stats.played_ms) == (1, 0)


async def test_marks_are_ordered_with_the_audio_around_them(tmp_path: Path) -> None:
    """AS-111, AS-117, AS-127, AS-132: between pieces, several at one place, names of any kind."""
    names = ["before", "one", "one", 'a "name" \u00e9 \\', "", "x" * 300, "end"]

    async def talk(call: BotCall) -> None:
        await call.mark(names[0])
        await call.media(said(100))
        for name in names[1:6]:
            await call.mark(name)
        await call.media(said(60))
        await call.mark(names[6])
        await call.until("mark", len(names))
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await call.record()
    assert bot.call.marks() == names
    echoed = [note for note in call.notes if isinstance(note, feed.MarkEchoed)]
    assert [note.played_ms for note in echoed] == [0, 100, 100, 100, 100, 100, 160]


async def test_a_mark_before_and_after_each_piece_as_bolna_sends_them(tmp_path: Path) -> None:
    """AS-127, CL-3: the first one comes back before the sound, the others after their piece."""

    async def talk(call: BotCall) -> None:
        for piece in range(3):
            await call.mark(f"pre-{piece}")
            await call.media(said(40))
            await call.mark(f"post-{piece}")
        await call.until("mark", 6)
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await call.record()
    echoed = [(n.name, n.played_ms) for n in call.notes if isinstance(n, feed.MarkEchoed)]
    assert echoed == [
        ("pre-0", 0),
        ("post-0", 40),
        ("pre-1", 40),
        ("post-1", 80),
        ("pre-2", 80),
        ("post-2", 120),
    ]


@pytest.mark.parametrize("setting", ["echo", "drop"])
async def test_clear_silences_the_line_and_returns_or_forgets_the_marks(
    tmp_path: Path, setting: str
) -> None:
    """AS-112, AS-126, AS-128, AS-132, ST-12: both designs; what follows is heard."""

    async def talk(call: BotCall) -> None:
        await call.media(said(30_000))
        for name in ("a", "b"):
            await call.mark(name)
        await call.until("media", 10)
        await call.send({"event": "clear"})
        await call.media(said(60, b"\x02\x20"))
        await call.mark("after")
        while "after" not in call.marks():
            await call.receive()
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(FLOW % (bot.url + "?frame-ms=20", f"marks_on_clear: {setting}"))
        heard, stats = await call.heard(), await call.stats()
    assert bot.call.marks() == (["a", "b", "after"] if setting == "echo" else ["after"])
    cleared = [note for note in call.notes if isinstance(note, feed.PlayoutCleared)]
    assert len(cleared) == 1
    assert cleared[0].dropped_ms > 20_000
    old = heard.count(LOUD) // 8
    assert old <= cleared[0].played_ms + 20, "what was in flight, and no more"
    assert heard.count(b"\x02\x20") == 480
    assert stats.clears == 1
    assert stats.clear_to_silence_max_ms <= 40, "AS-126"


async def test_a_clear_is_read_behind_minutes_of_audio(tmp_path: Path) -> None:
    """AS-125: the socket is always read, so a clear is never stuck behind the audio."""

    async def talk(call: BotCall) -> None:
        piece = said(10_000)
        for _ in range(30):
            await call.media(piece)
        await call.send({"event": "clear"})
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        stream = await house.dial(bot.url).stream()
    assert bot.call.marks() == ["end"]
    assert stream.ended_ms - stream.requested_ms < 15_000, "of 300 s of sound"


async def test_what_the_buffer_cannot_hold_is_dropped_and_told(tmp_path: Path) -> None:
    """AS-125: the newest payloads give way; marks still pass."""

    async def talk(call: BotCall) -> None:
        await call.media(said(900))
        await call.media(said(900))
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(FLOW % (bot.url, "buffer_seconds: 1"))
        stats = await call.stats()
    assert stats.media_dropped_in_ms == 900
    assert stats.played_ms == 900
    assert any("900 ms" in text for text in call.warnings)


async def test_every_way_of_writing_media_is_heard(tmp_path: Path) -> None:
    """AS-5, AS-110, AS-113, AS-114, AS-115, CX-1, CX-2, CX-5, CL-8, US-5."""
    here = {"payload": payload()}
    stamped = {"chunk": "4", "timestamp": "80", "sequenceNumber": "9", **here}
    numbered = {"chunk": 4, "timestamp": 80, "track": "outbound", **here}

    async def talk(call: BotCall) -> None:
        await call.until("start")
        sid = call.start["stream_sid"]
        messages: list[dict[str, object] | str | bytes] = [
            {"event": "media", "stream_sid": sid, "media": here},
            {"event": "media", "streamSid": sid, "media": here},
            {"event": "media", "media": here},
            {"event": "media", "stream_sid": "somebody-else", "media": here},
            {"event": "media", "stream_sid": sid, "sequence_number": "3", "media": stamped},
            {"event": "media", "stream_sid": sid, "sequence_number": 3, "media": numbered},
            {"media": here, "x": [{"event": "clear"}], "stream_sid": sid, "event": "media"},
            {"Event": "media", "stream_sid": sid, "media": here},
            json.dumps({"event": "media", "media": here}).encode(),
            json.dumps({"event": "media", "media": here}, indent=2),
        ]
        for message in messages:
            await call.send(message)
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        heard, stats = await call.heard(), await call.stats()
    assert stats.media_received == 10
    assert heard.count(LOUD) == 10 * 160
    assert bot.call.code == 1000


async def test_nonsense_is_counted_and_the_stream_goes_on(tmp_path: Path) -> None:
    """AS-105, AS-106, AS-115, AS-157, CL-7, CL-9: echoes, unknown events, no JSON, no base64."""
    bad: list[dict[str, object] | str | bytes] = [
        {"event": "connected"},
        {"event": "start", "start": {}},
        {"event": "dtmf", "dtmf": {"digit": "5"}},
        {"event": "mark", "sequence_number": "4", "mark": {"name": "mine"}},
        {"event": "clear", "stream_sid": "x"},
        {"event": "transfer", "to": "+919000000001"},
        {"event": "media"},
        {"event": "media", "media": {"payload": 7}},
        {"event": "media", "media": {"payload": "***"}},
        {"event": "mark", "mark": {}},
        {"hello": "bot"},
        "hello",
        "",
        "[]",
        "{",
        b"\xff\xfe\x00",
    ]

    async def talk(call: BotCall) -> None:
        for message in bad:
            await call.send(message)
        await call.media(said(40))
        await call.mark("end")
        while "end" not in call.marks():
            await call.receive()
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        heard, stats = await call.heard(), await call.stats()
    assert heard.count(LOUD) == 320
    assert stats.payloads_undecodable == 1
    assert stats.messages_ignored > 0
    assert {m["event"] for m in bot.call.messages} <= {"connected", "start", "media", "mark"}
    assert (await call.stream()).outcome.status == "completed"
    assert any("transfer" in text for text in call.warnings)


async def test_a_message_above_the_limit_closes_with_1009(tmp_path: Path) -> None:
    """AS-155, AS-167, CX-7: by default above 1 MiB; the flow sees a failure of nobody."""

    async def talk(call: BotCall) -> None:
        await call.send("x" * 1_048_577)

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        outcome = (await house.dial(bot.url).stream()).outcome
    assert bot.call.code == 1009
    assert (outcome.status, outcome.disconnected_by) == ("failed", "NA")
    assert outcome.error.startswith("1009 ")


@pytest.mark.parametrize(
    ("setting", "size", "code"),
    [
        ("max_message_bytes: 2000", 2_001, 1009),
        ("max_message_bytes: 2000", 2_000, 1000),
        ("chunk_policy: strict", 140_000, 1009),
        ("chunk_policy: warn", 140_000, 1000),
    ],
)
async def test_the_size_limit_is_a_setting(
    tmp_path: Path, setting: str, size: int, code: int
) -> None:
    """AS-155, CX-7."""

    async def talk(call: BotCall) -> None:
        await call.send("x" * size)
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(FLOW % (bot.url, setting)).record()
    assert bot.call.code == code


async def test_small_pieces_are_played_and_told_once_unless_that_is_switched_off(
    tmp_path: Path,
) -> None:
    """AS-150, AS-152, AS-153, AS-156, CX-8."""

    async def talk(call: BotCall) -> None:
        for _ in range(3):
            await call.media(said(10))
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        warned = house.dial(bot.url)
        silent = house.dial(FLOW % (bot.url, "chunk_policy: lenient"))
        assert (await warned.heard()).count(LOUD) == 240
        assert (await silent.heard()).count(LOUD) == 240
    assert len([text for text in warned.warnings if "below 3200 bytes" in text]) == 1
    assert len([text for text in warned.warnings if "multiple of 320" in text]) == 1
    assert silent.warnings == []


async def test_the_bots_pings_are_answered(tmp_path: Path) -> None:
    """AS-118."""
    answered: list[float] = []

    async def talk(call: BotCall) -> None:
        for _ in range(3):
            pong = await call.socket.ping()
            answered.append(await asyncio.wait_for(pong, 10))
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(bot.url).record()
    assert len(answered) == 3


async def test_we_ping_and_a_bot_that_never_answers_is_given_up_by_setting(tmp_path: Path) -> None:
    """AS-118: 20 s and 60 s unless set."""
    done = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(_accept(head))
        await done.wait()
        writer.close()

    async with (
        await asyncio.start_server(deaf, "127.0.0.1", 0) as server,
        file_calls(tmp_path, stream={"ping_interval_ms": 100, "pong_timeout_ms": 300}) as house,
    ):
        port = server.sockets[0].getsockname()[1]
        outcome = (await house.dial(f"ws://127.0.0.1:{port}/").stream()).outcome
        done.set()
    assert outcome.status == "failed"
    assert outcome.error


def _accept(head: bytes) -> bytes:
    """Answer an upgrade by hand, as a server does that then forgets the rules (RFC 6455, 4.2.2)."""
    key = next(
        line.split(b":")[1].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    digest = sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324  (the RFC wants it)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + b64encode(digest) + b"\r\n\r\n"
    )
