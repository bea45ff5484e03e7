"""`agentstream explain`: over a real call from a SIP caller to bots, and over stories made up."""

import asyncio
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.base.ids import CallSid
from agentstream.hooks.call_events import CallEvents
from agentstream.hooks.call_records import CallRecords
from agentstream.server.cli import app
from agentstream.server.config import EventsConfig
from agentstream.store.call_events import CallEvent, Story
from agentstream.store.sql_store import open_store
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.ports import free_port
from agentstream.testing.records import a_call, a_story, a_stream
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.waiting import until

Ask = Callable[..., Any]
FLOW = """
name: any
start: hello
applets:
  hello: {type: greeting, text: "Hello there", next: talk}
  talk: {type: voicebot, url: "%s", next: second}
  second: {type: voicebot, url: "%s", next: bye}
  bye: {type: hangup}
"""


@dataclass(frozen=True)
class Told:
    """A real call that has ended, and where its rows are."""

    data_dir: Path
    sid: str


async def chatty(call: BotCall) -> None:
    """Speak, ask for marks, wait for a key, take back what is not yet heard."""
    await call.until("start")
    for number in range(4):
        await call.media(b"\x10\x20" * 1_600)
        await call.mark(f"part {number}")
    await call.until("mark", 4)
    await call.until("dtmf")
    await call.media(b"\x10\x20" * 40_000)
    await call.send({"event": "clear"})
    await call.mark("end")
    await call.until("mark", 5)
    await call.close()


async def place_call(folder: Path) -> Told:
    async with (
        scripted_bot(chatty) as bot,
        running_node(folder, bot.url) as node,
        scripted_caller() as caller,
    ):
        parts = node.house.parts
        parts.feed.subscribe(CallEvents(parts.stories.write).hear)
        parts.feed.subscribe(CallRecords(parts.writer.write).hear, CallRecords.KINDS)
        url = bot.url.replace("ws://", "ws://me:hunter2@")
        await node.flow(FLOW % (url, f"ws://127.0.0.1:{free_port()}/"))
        call = await caller.dial(node.target())
        await until(lambda: len(node.saw("MarkEchoed")) >= 4)
        call.press("7")
        await call.wait_ended(20)
        [record] = await node.records()
    return Told(folder, record.setup.call_sid)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return asyncio.run(place_call(tmp_path_factory.mktemp("node")))


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command; `data_dir` is whose rows it looks at."""
    monkeypatch.chdir(tmp_path)

    def asked(*words: str, code: int = 0, data_dir: Path = tmp_path / "data") -> Any:
        monkeypatch.setenv("AGENTSTREAM_DATA_DIR", str(data_dir))
        result = CliRunner().invoke(app, ("explain", *words))
        assert result.exit_code == code, result.output
        return result

    return asked


def story_of(*happened: tuple[int, str, dict[str, Any]], sid: str = "c1") -> Story:
    """Return a made-up story."""
    start = datetime(2027, 1, 12, 10, 4, 5, tzinfo=UTC)
    rows = [
        CallEvent(CallSid(sid), seq, at_ms, start, kind, json.dumps(body))
        for seq, (at_ms, kind, body) in enumerate(happened)
    ]
    return a_story(rows)


def fill(data_dir: Path, *rows: Any) -> None:
    """Write rows and stories into a store of its own."""

    async def job() -> None:
        store = await open_store(data_dir)
        await store.calls.write([row for row in rows if not isinstance(row, Story)])
        await store.call_events.write([row for row in rows if isinstance(row, Story)])
        await store.close()

    asyncio.run(job())


def test_a_real_call_is_told_from_its_first_ring_to_its_end(told: Told, ask: Ask) -> None:
    text = " ".join(ask(told.sid, data_dir=told.data_dir).stdout.split())
    for part in (
        f"call {told.sid}, inbound, completed",
        "+919876500001 → 1000",
        "flow any, version 2",
        "end The server ended the call: the stream to the bot failed.",
        "Q.850 41 temporary failure",
        "call answered",
        "flow enters hello (greeting)",
        "flow prompt begins",
        "flow prompt played",
        "flow leaves hello by next to talk",
        "bot dials the bot of talk: ws://***@127.0.0.1:",
        "the bot of talk is connected in",
        "bot first sound of the bot of talk,",
        "the caller presses a key (",
        "the bot of talk: 5 marks reached, clears once, 5.0 s unheard",
        "the bot closed, close code 1000",
        "! bot attempt 1 failed (tcp): connection refused",
        "! bot attempt 2 failed (tcp): connection refused",
        "! flow leaves second by on_failure to bye",
        "over, ",
        "quality of the caller: PCMU,",
        "dialog of the caller: Call-ID ",
        ", first audio in after ",
        ", PCMU, ended by system",
        "where the time went The caller heard",
        "of silence between the answer and the first prompt, all of it preparing the prompt.",
        "The time in applets:",
        " talk (voicebot) ",
    ):
        assert part in text, part
    order = [text.index(part) for part in ("answered", "prompt played", "first sound", "over, ")]
    assert order == sorted(order)


def test_no_secret_of_the_call_is_told(told: Told, ask: Ask) -> None:
    for words in ((told.sid,), (told.sid, "--all"), (told.sid, "--json")):
        assert "hunter2" not in ask(*words, data_dir=told.data_dir).output


def test_a_pipe_gets_a_hundred_columns_and_no_colour(told: Told, ask: Ask) -> None:
    text = ask(told.sid, data_dir=told.data_dir).stdout
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_all_tells_each_mark(told: Told, ask: Ask) -> None:
    text = ask(told.sid, "--all", data_dir=told.data_dir).stdout
    for name in ("part 0", "part 3", "end"):
        assert f"mark {name} reached" in text
    assert "clears: 5.0 s of speech unheard" in text


def test_the_beginning_of_a_sid_is_enough_and_last_is_the_newest(told: Told, ask: Ask) -> None:
    assert told.sid in ask(told.sid[:6], data_dir=told.data_dir).stdout
    assert told.sid in ask("last", data_dir=told.data_dir).stdout
    assert told.sid in ask("last", "-a", "GreenLeaf1", data_dir=told.data_dir).stdout


def test_programs_get_json(told: Told, ask: Ask) -> None:
    got = json.loads(ask(told.sid, "--json", data_dir=told.data_dir).stdout)
    assert set(got) == {
        *("call", "streams", "recordings", "events", "story", "quality", "times", "conclusions"),
        *("sip", "hints"),
    }
    assert got["call"]["flow"] == "any"
    assert [stream["status"] for stream in got["streams"]] == ["completed", "failed"]
    kinds = [event["kind"] for event in got["events"]]
    assert (kinds[0], kinds[-1]) == ("call_started", "call_ended")
    assert {"stream_connected", "bot_spoke", "leg_counted", "prompt_began"} <= set(kinds)
    assert got["times"]["first_sound"] == "the first prompt"
    assert [line["tone"] for line in got["story"]].count("warning") == 4


def test_an_unknown_sid_is_one_line_that_names_the_newest_calls(ask: Ask, tmp_path: Path) -> None:
    assert "no call has ended yet" in ask("x", code=1).stderr
    assert "no call has ended yet" in ask("last", code=1).stderr
    fill(tmp_path / "data", a_call("c1aa"), a_call("c1bb"))
    error = ask("zz", code=1).stderr
    assert error.startswith("error: no ended call zz; the newest are c1bb, c1aa; ")
    assert error.count("\n") == 1
    assert "several calls begin with c1: c1bb, c1aa" in ask("c1", code=1).stderr


def test_a_whole_sid_is_meant_even_when_others_begin_with_it(ask: Ask, tmp_path: Path) -> None:
    others = [a_call(f"c1{number}") for number in range(9)]
    fill(tmp_path / "data", *others, a_call("c1"))
    assert "c1, inbound, completed" in ask("c1").stdout


def test_a_call_without_events_is_told_from_its_rows(ask: Ask, tmp_path: Path) -> None:
    fill(tmp_path / "data", a_call("c1", packets_received=10), a_stream("s1", "c1"))
    text = ask("c1").stdout
    assert "No event was kept of this call" in text
    assert "quality of the caller: PCMU, 10 packets in" in text
    assert "where the time went" not in text
    assert json.loads(ask("c1", "--json").stdout)["events"] == []


def test_help_has_examples(ask: Ask) -> None:
    assert "agentstream explain last" in ask("--help").stdout


def test_the_page_about_it_gives_the_settings_as_they_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "explain-a-call.md").read_text()
    written = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    assert written == {"events": EventsConfig().model_dump()}
