import asyncio
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from rich.console import Console
from typer.testing import CliRunner

from agentstream.api.app import create_app
from agentstream.api.doors import Doors
from agentstream.api.live import LiveHub, fact_text
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.server.cli_tail import Board, line_of
from agentstream.store.sql_store import open_store
from agentstream.switch.feed import Feed
from agentstream.testing.calls import CALL, STARTED_AT
from agentstream.testing.facts import whole_call
from agentstream.testing.memory_store import MemoryStore


@dataclass
class Served:
    url: str
    feed: Feed
    hub: LiveHub
    loop: asyncio.AbstractEventLoop
    store: MemoryStore

    def tell_when_watched(self) -> None:
        """Tell a whole call once somebody watches, then end the feed."""

        def tell() -> None:
            if self.hub.watchers == 0:
                self.loop.call_later(0.005, tell)
                return
            for fact in whole_call():
                self.feed.publish(fact)
            self.hub.close()

        self.loop.call_soon_threadsafe(tell)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)

    async def token() -> str:
        store = await open_store(tmp_path / "agentstream-data")
        await store.close()
        return store.operator_token

    operator_token = run(token())
    ready = threading.Event()
    made: list[Served] = []
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        feed, store = Feed(), MemoryStore()
        hub = LiveHub(feed)
        doors = Doors(store.accounts, hub, lambda: "", lambda: b"", lambda _sid: 0, operator_token)
        config = uvicorn.Config(
            create_app(doors), "127.0.0.1", 0, log_config=None, lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        servers.append(server)
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  (it has no event to wait for)
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        made.append(
            Served(f"http://127.0.0.1:{port}", feed, hub, asyncio.get_running_loop(), store)
        )
        ready.set()
        await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield made[0]
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.integration
def test_live_calls_are_told_to_whoever_can_read_the_data_folder(served: Served) -> None:
    served.tell_when_watched()
    result = CliRunner().invoke(app, ["calls", "tail", "--url", served.url])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == len(whole_call())
    assert "call_started" in lines[0]
    assert lines[-1].endswith("call_ended status=completed cause=normal ended_by=caller")
    assert "the server has stopped" in result.stderr


@pytest.mark.integration
def test_scripts_get_json(served: Served) -> None:
    served.tell_when_watched()
    result = CliRunner().invoke(app, ["calls", "tail", "--url", served.url, "--json"])
    facts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [fact["event"] for fact in facts][:2] == ["call_started", "call_answered"]
    assert {fact["call_sid"] for fact in facts} == {CALL}


@pytest.mark.integration
def test_a_wrong_key_is_one_clear_line(served: Served) -> None:
    words = ["calls", "tail", "--url", served.url, "--key", "k", "--token", "wrong"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.stderr == f"error: {served.url} answered 401: Wrong API key or token\n"


@pytest.mark.integration
def test_a_stopping_server_is_not_held_up_by_watchers(served: Served) -> None:
    auth = ("operator", "x")
    assert httpx.get(f"{served.url}/v1/live", auth=auth).status_code == 401
    assert httpx.get(f"{served.url}/health").status_code == 200


def test_no_server_and_no_folder_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = CliRunner().invoke(app, ["calls", "tail"])
    assert nowhere.exit_code == 1
    assert "holds no server" in nowhere.stderr
    words = ["calls", "tail", "--url", "http://127.0.0.1:1", "--key", "k", "--token", "t"]
    down = CliRunner().invoke(app, words)
    assert down.exit_code == 1
    assert "does not answer: is the server up?" in down.stderr
    odd = CliRunner().invoke(app, [*words[:3], "http://[", *words[4:]])
    assert odd.exit_code == 1


def test_the_board_shows_calls_while_they_live() -> None:
    board, story = Board(), [json.loads(fact_text(fact)) for fact in whole_call()]
    for happening in story[:4]:
        board.take(happening)
    assert board.calls[CALL].state == "talking"
    assert board.calls[CALL].stream == "open"
    output = Console(width=120, file=io.StringIO(), record=True)
    output.print(board.shown(STARTED_AT + timedelta(seconds=75)))
    text = output.export_text()
    assert "1 live, 0 ended" in text
    assert "+919876500001" in text
    assert "1:15" in text
    for happening in story[4:]:
        board.take(happening)
    assert (len(board.calls), board.ended) == (0, 1)


def test_a_fact_is_one_line_for_a_person() -> None:
    happening = {"event": "facts_lost", "count": 3}
    assert line_of(happening).strip() == "facts_lost count=3"
