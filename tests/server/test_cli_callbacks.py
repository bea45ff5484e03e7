"""agentstream callbacks list, show, redeliver: without a server, on the same database."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.store.outbox import Claim, Outcome
from agentstream.store.sql_store import open_store
from agentstream.testing.records import a_webhook

pytestmark = pytest.mark.integration
Ask = Callable[..., Any]
URL = "https://me:hidden@shop.example/s?key=hidden&order=7"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command over one dead webhook, one that waits for its turn, and one of others."""
    monkeypatch.chdir(tmp_path)
    now = SystemClock().wall()

    async def prepare() -> None:
        store = await open_store(Path("agentstream-data"))
        await store.accounts.create("Green Leaf", "greenleaf1")
        await store.accounts.create("Other", "other")
        await store.calls.write([a_webhook("w1", url=URL, created_at=now, next_at=now)])
        [claimed] = await store.outbox.claim(Claim(now, now, 1, 1))
        await store.outbox.settle([Outcome(claimed, now, 410, "it answered 410")])
        later = now + timedelta(minutes=5)
        others = a_webhook("x1", "c2", account_sid=AccountSid("other"), next_at=later)
        await store.calls.write([a_webhook("w2", next_at=later), others])
        await store.close()

    run(prepare())

    def asked(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ("callbacks", *words))
        assert result.exit_code == code, result.output
        return result

    return asked


def sids(ask: Ask, *words: str) -> list[str]:
    return [row["sid"] for row in json.loads(ask("list", "--json", *words).stdout)]


def test_what_waits_and_what_is_dead_is_listed(ask: Ask) -> None:
    text = ask("list").stdout
    [dead] = [line for line in text.splitlines() if line.rstrip().endswith("w1")]
    assert "dead" in dead
    assert "it answered 410" in dead
    assert sids(ask) == ["x1", "w2", "w1"]
    assert sids(ask, "--dead") == ["w1"]
    assert sids(ask, "--account", "other") == ["x1"]
    assert sids(ask, "--call", "c1", "--limit", "1") == ["w2"]
    assert ask("list", "--call", "c9").stdout == "nothing waits, and nothing is dead\n"


def test_one_is_shown_with_its_body_and_without_its_secrets(ask: Ask) -> None:
    text = ask("show", "w1").stdout
    assert "***@shop.example/s?key=***&order=7" in text
    assert text.endswith('{"CallSid":"c1"}\n')
    shown = json.loads(ask("show", "w1", "--json").stdout)
    assert (shown["state"], shown["last_status"], shown["attempts"]) == ("dead", 410, 1)
    assert "hidden" not in text + str(shown) + ask("list", "--json").stdout
    assert "no callback w9: it was delivered, or never was" in ask("show", "w9", code=1).stderr


def test_a_dead_one_is_sent_again_when_it_is_wanted(ask: Ask) -> None:
    assert ask("redeliver", "w1").stdout == "1 to be sent again\n"
    shown = json.loads(ask("show", "w1", "--json").stdout)
    assert (shown["state"], shown["attempts"]) == ("waiting", 0)
    assert sids(ask, "--dead") == []


def test_all_dead_ones_are_sent_again_at_once(ask: Ask) -> None:
    assert ask("redeliver", "--all-dead").stdout == "1 to be sent again\n"
    assert ask("redeliver", "--all-dead").stdout == "0 to be sent again\n"


def test_it_must_be_said_which(ask: Ask) -> None:
    assert "no callback w9" in ask("redeliver", "w9", code=1).stderr
    for words in ((), ("w1", "--all-dead")):
        assert "give either a sid or --all-dead" in ask("redeliver", *words, code=1).stderr
