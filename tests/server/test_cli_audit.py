"""agentstream audit: what commands changed, and what a running server was asked to change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server.cli import app
from agentstream.store.audit import ChangeQuery
from agentstream.store.sql_store import open_store
from agentstream.testing.calls_api import CALLER_ID, calls_api
from agentstream.testing.node import scripted_phone

pytestmark = pytest.mark.integration
Ask = Callable[..., str]
FLOW = "name: support\nstart: bye\napplets:\n  bye: {type: hangup}\n"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ann")
    (tmp_path / "support.yaml").write_text(FLOW)

    def asked(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, result.output
        return result.stdout

    return asked


def changes(ask: Ask, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask("audit", "--json", *words))
    return found


def test_each_command_that_changes_something_is_written_down(ask: Ask) -> None:
    ask("accounts", "create", "Green Leaf", "--sid", "greenleaf1")
    ask("flows", "apply", "support.yaml", "--publish")
    ask("numbers", "assign", "+918040000002", "support")
    made = json.loads(ask("keys", "create", "--role", "read-only", "--per-minute", "30", "--json"))
    ask("keys", "revoke", made["key"])
    ask("accounts", "change", "greenleaf1", "--streams", "7")
    ask("numbers", "release", "+918040000002")
    ask("keys", "list")
    ask("numbers", "release", "+918040000002", code=1)
    found = changes(ask)
    assert [change["what"] for change in reversed(found)] == [
        "accounts create",
        "flows apply support",
        "numbers assign +918040000002",
        "keys create read-only",
        "keys revoke",
        "accounts change",
        "numbers release +918040000002",
    ]
    assert {change["who"] for change in found} == {"command line (ann)"}
    assert found[3]["about"] == f"key {made['key']}"
    assert made["token"] not in json.dumps(found)


def test_changes_are_chosen_by_account_and_person_and_shown_as_a_table(ask: Ask) -> None:
    assert "nothing was changed" in ask("audit")
    ask("accounts", "create", "Green Leaf", "--sid", "greenleaf1")
    ask("accounts", "create", "Other", "--sid", "other")
    assert [one["account_sid"] for one in changes(ask, "--account", "other")] == ["other"]
    assert changes(ask, "--who", "key") == []
    assert len(changes(ask, "--hours", "1", "--limit", "1")) == 1
    assert "command line (ann)" in ask("audit")


def test_a_keys_role_and_rate_are_listed(ask: Ask) -> None:
    ask("accounts", "create", "Green Leaf", "--sid", "greenleaf1")
    ask("keys", "create", "--role", "read-only", "--per-minute", "30")
    listed = json.loads(ask("keys", "list", "--json"))
    assert sorted((key["role"], key["requests_per_minute"]) for key in listed) == [
        ("admin", None),
        ("read-only", 30),
    ]
    ask("keys", "create", "--role", "owner", code=2)


async def test_a_running_server_keeps_what_it_was_asked_to_change(tmp_path: Path) -> None:
    async with scripted_phone() as (_, address), calls_api(tmp_path, address) as api:
        form = {"From": "09876500001", "To": "09876500002", "CallerId": CALLER_ID}
        placed = (await api.client.post("Calls/connect.json", data=form)).json()["Call"]["Sid"]
        await api.client.get("Calls.json")
        await api.client.delete(f"Calls/{placed}")
    store = await open_store(tmp_path)
    ended, began = await store.audit.list(ChangeQuery())
    await store.close()
    assert (began.about, began.outcome) == (f"call {placed}", "200")
    assert ended.what == f"DELETE /v1/Accounts/GreenLeaf1/Calls/{placed}"
    assert began.who == ended.who == f"key {api.key.key}"
