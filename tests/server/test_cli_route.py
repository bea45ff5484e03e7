"""`agentstream route` and `agentstream trunks test`, as an operator runs them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server.cli import app
from agentstream.store.sql_store import open_store

Ask = Callable[..., Any]
CONFIG = """
data_dir = "data"
country_code = "91"
[trunks.carrier]
target = "sip:sbc.carrier.test:5070"
user = "acct"
password = "hunter2"
from_user = "acct"
plus = false
[dial]
trunk = "carrier"
"""
FLOW = "name: support\nstart: bye\napplets:\n  bye: {type: hangup}\n"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentstream.toml").write_text(CONFIG)
    asyncio.run(_fill(tmp_path / "data"))

    def asked(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, result.output
        assert "hunter2" not in result.output
        return result

    return asked


async def _fill(folder: Path) -> None:
    store = await open_store(folder, country_code="91")
    account = await store.accounts.create("Green Leaf", "greenleaf1")
    flow = await store.flows.apply(account.sid, "support", FLOW, publish=True)
    draft = await store.flows.apply(account.sid, "draft", FLOW.replace("support", "draft"))
    await store.numbers.assign("08040000002", account.sid, flow.sid)
    await store.numbers.assign("08040000003", account.sid, draft.sid)
    await store.close()


def test_a_call_in_is_told_with_its_account_flow_and_version(ask: Ask) -> None:
    told = ask("route", "08040000002").stdout
    assert "08040000002 is +918040000002" in told
    assert "Green Leaf (greenleaf1)" in told
    assert "version 1" in told
    assert "✘" not in told.partition("a call out")[0]


def test_a_call_out_is_told_with_its_trunk_numbers_and_first_hop(ask: Ask) -> None:
    told = ask("route", "09876500001", "--from", "08040000002").stdout
    assert "sip:919876500001@sbc.carrier.test:5070" in told
    assert "918040000002 <acct>" in told
    assert "sbc.carrier.test:5070, udp, logs in as acct" in told


def test_what_keeps_a_call_out_is_told(ask: Ask) -> None:
    told = ask("route", "08040000003").stdout
    assert "its flow draft is not published" in told
    refused = ask("route", "+12125550100", code=1).stdout
    assert "no account has this number" in refused
    assert "[dial] countries does not name their country" in refused


def test_programs_get_the_same_as_json(ask: Ask) -> None:
    plans = json.loads(ask("route", "08040000002", "--json").stdout)
    assert [plan["leads_somewhere"] for plan in plans] == [True, True]
    assert plans[0]["steps"][1]["name"] == "account"


def test_an_unknown_trunk_is_an_error_that_names_the_known_ones(ask: Ask) -> None:
    told = ask("route", "08040000002", "--trunk", "nobody", code=1)
    assert "the configuration has carrier" in told.stderr


def test_a_trunk_that_leads_nowhere_is_told_and_what_their_form_wants_sd_4(ask: Ask) -> None:
    """SD-4."""
    told = ask("trunks", "test", "carrier", code=1).stdout
    assert "✘ DNS" in told
    assert "for their form" in told
    assert "UDP 20000 to 23999" in told
