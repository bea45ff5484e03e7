"""`agentstream flows check`, `graph` and `schema`, without a server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agentstream.flows.schema import flow_schema_text
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.server.flow_check import check
from agentstream.store.sql_store import open_store

FINE = """\
name: fine
start: talk
applets:
  talk: {type: voicebot, url: "ws://bot.example.net:9000/ws", next: bye}
  bye: {type: hangup}
"""
WRONG = """\
name: wrong
start: welcome
applets:
  welcome: {type: greeting, text: "Grüße, 你好", next: talk, loops: 101}
  talk:
    type: voicebto
  bot:
    type: voicebot
    next: bye
  odd: {type: voicebot, url: "wss://me:hunter2@bot.example.net/ws", colour: red}
"""
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)

    def asked(*words: str, code: int = 0, typed: str | None = None) -> Any:
        result = CliRunner().invoke(app, ("flows", *words), input=typed)
        assert result.exit_code == code, result.output
        return result

    return asked


def test_a_fine_flow_is_exit_code_0_and_leaves_nothing_behind(ask: Ask, tmp_path: Path) -> None:
    Path("fine.yaml").write_text(FINE)
    assert ask("check", "fine.yaml").stdout == "fine.yaml: flow fine, 2 applets: nothing wrong\n"
    assert "nothing wrong" in ask("check", "-", typed=FINE).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["fine.yaml"]


def test_every_mistake_is_shown_on_its_line_with_a_caret(ask: Ask) -> None:
    Path("wrong.yaml").write_text(WRONG)
    lines = ask("check", "wrong.yaml", code=1).stdout.splitlines()
    assert lines[0].startswith("wrong.yaml:4:60: error: applet 'welcome' (greeting): field 'loops'")
    assert lines[1].endswith("loops: 101}")
    # 你好 is two columns wide each, so the caret stands two further right than its letters say
    assert lines[2] == " " * 6 + " │ " + " " * 61 + "^" * 10
    assert "type 'voicebto' is unknown; there are" in lines[3]
    assert lines[5].endswith("    ^^^^^^^^^^^^^^")
    assert "wrong.yaml:7:3: error: applet 'bot' (voicebot): field 'url' is missing" in lines
    assert lines[-1] == "wrong.yaml: 4 errors"


def test_a_line_that_is_shown_hides_its_credentials(ask: Ask) -> None:
    Path("wrong.yaml").write_text(WRONG)
    assert "hunter2" not in ask("check", "wrong.yaml", code=1).output
    assert "hunter2" not in ask("check", "wrong.yaml", "--json", code=1).output


def test_programs_get_json(ask: Ask) -> None:
    Path("wrong.yaml").write_text(WRONG)
    told = json.loads(ask("check", "wrong.yaml", "--json", code=1).stdout)
    assert (told["ok"], told["errors"], told["warnings"]) == (False, 4, 0)
    assert told["findings"][2] == {
        "severity": "error",
        "code": "invalid",
        "text": "applet 'bot' (voicebot): field 'url' is missing",
        "line": 7,
        "column": 3,
        "width": 3,
        "applet": "bot",
        "field": "url",
    }
    fine = json.loads(ask("check", "-", "--json", typed=FINE).stdout)
    assert (fine["ok"], fine["flow"], fine["applets"], fine["findings"]) == (True, "fine", 2, [])


def test_warnings_are_problems_only_when_asked_for(ask: Ask) -> None:
    odd = FINE.replace(", next: bye", "")
    told = ask("check", "-", typed=odd).stdout
    assert "-:4:3: warning: applet 'talk' (voicebot): nothing follows" in told
    assert "applet 'bye' (hangup): no exit leads here" in told
    assert "can be used, 2 warnings" in told
    ask("check", "-", "--strict", typed=odd, code=1)


def test_a_stream_setting_that_the_wire_does_not_have_is_an_error_of_the_applet(ask: Ask) -> None:
    odd = FINE.replace("next: bye}", "next: bye, settings: {frame_ms: 30}}")
    [finding] = json.loads(ask("check", "-", "--json", typed=odd, code=1).stdout)["findings"]
    assert (finding["applet"], finding["field"], finding["line"]) == ("talk", "settings", 4)
    assert "frame_ms: 30 is none of" in finding["text"]


LEADS = """\
name: leads
start: whom
applets:
  whom:
    type: connect
    numbers:
      - "+91 80 4000 0009"
      - "sip:nowhere"
      - "sip:ann@169.254.169.254"
      - "{TransferTo}"
    trunk: carrier
    on_conversation_ended: over
    on_nobody_answered: over
    on_nobody_dialled: other
  over: {type: transfer, flow: support}
  other: {type: transfer, flow: "{TransferTo}"}
"""


def findings(ask: Ask, text: str) -> list[tuple[str, str, str]]:
    told = json.loads(ask("check", "-", "--json", typed=text).stdout)["findings"]
    return [(one["code"], one["field"], one["text"].partition(": ")[2]) for one in told]


def test_the_targets_of_a_connect_are_looked_into(ask: Ask) -> None:
    no_trunk = ("no-road", "numbers.1", "There is no trunk named 'nowhere'.")
    metadata = ("no-road", "numbers.2", "169.254.169.254 is a metadata address.")
    assert findings(ask, LEADS) == [no_trunk, metadata]
    # A trunk of the account is a row, and this machine need not have it (FL-3).
    theirs = LEADS.replace("sip:nowhere", "sip:trdev1a0b1c2d3e4f5a6b7c8z1n0")
    assert findings(ask, theirs) == [metadata]
    odd = LEADS.replace("sip:nowhere", "+91-80-4000-CALL")
    assert "neither a number nor a sip address" in ask("check", "-", typed=odd, code=1).stdout
    Path("agentstream.toml").write_text('[trunks.other]\ntarget = "sip:sbc.example:5060"\n')
    missing = ("no-road", "numbers.0", "There is no trunk named 'carrier'.")
    assert missing in findings(ask, LEADS)
    Path("agentstream.toml").write_text('[trunks.carrier]\ntarget = "sip:sbc.example:5060"\n')
    assert missing not in findings(ask, LEADS)


def test_a_transfer_leads_to_a_flow_that_is_published_here(ask: Ask, tmp_path: Path) -> None:
    assert "no-flow" not in [code for code, *_ in findings(ask, LEADS)]
    assert list(tmp_path.iterdir()) == []  # a look makes no database

    async def publish(name: str) -> None:
        store = await open_store(tmp_path / "agentstream-data")
        accounts = await store.accounts.list()
        account = accounts[0] if accounts else await store.accounts.create("Green", "green1")
        await store.flows.apply(account.sid, name, FINE, publish=True)
        await store.close()

    run(publish("sales"))
    text = "no flow 'support' is published here; there are sales"
    assert ("no-flow", "flow", text) in findings(ask, LEADS)
    assert "no-flow" not in [code for code, *_ in findings(ask, LEADS.replace("support", "leads"))]
    run(publish("support"))
    assert "no-flow" not in [code for code, *_ in findings(ask, LEADS)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1,\n", ":2:1: error: this is neither YAML nor JSON"),
        ("", "error: the document is empty"),
        ("- 1\n", ":1:1: error: a flow document is a mapping"),
        ("name: x\nstart: gone\napplets: {a: {type: hangup}}\n", ":2:1: error: 'start' names"),
    ],
)
def test_what_is_no_flow_is_told_with_its_line(ask: Ask, text: str, says: str) -> None:
    assert says in ask("check", "-", typed=text, code=1).stdout


def test_a_file_that_cannot_be_read_is_exit_code_2(ask: Ask, tmp_path: Path) -> None:
    assert "none.yaml: No such file" in ask("check", "none.yaml", code=2).stderr
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in ask("check", "binary.yaml", code=2).stderr
    assert "No such file" in ask("graph", "none.yaml", code=2).stderr
    assert str(tmp_path) in ask("check", str(tmp_path), code=2).stderr


def test_one_long_line_is_cut_around_what_is_wrong(ask: Ask) -> None:
    applets = ", ".join(f'"a{n}": {{"type": "hangup"}}' for n in range(50))
    text = f'{{"name": "x", "start": "a0", "applets": {{{applets}, "z": {{"type": "no"}}}}}}'
    lines = ask("check", "-", typed=text, code=1).stdout.splitlines()
    assert max(map(len, lines[1:3])) < 100
    assert lines[1][lines[2].index("^") :].startswith('"type": "no"')


@given(st.text() | st.text("{}[]:,-\"' \n\t\u2028ab1", max_size=60))
def test_any_text_gives_a_report_with_lines_that_exist(text: str) -> None:
    for finding in check(text).findings:
        assert finding.line <= text.count("\n") + len(text) + 1
        assert finding.column >= 1
        assert finding.width >= 1


def test_a_flow_is_drawn_into_a_file_or_to_standard_output(ask: Ask) -> None:
    Path("fine.yaml").write_text(FINE)
    svg = ask("graph", "fine.yaml").stdout
    assert svg.startswith("<svg ")
    assert "fine.svg: 2 applets" in ask("graph", "fine.yaml", "-o", "fine.svg").stdout
    assert Path("fine.svg").read_text() == svg
    assert "No such file" in ask("graph", "fine.yaml", "-o", "no/where.svg", code=1).stderr
    assert "line 4: applet" in ask("graph", "-", typed=WRONG, code=1).stderr


def test_the_schema_is_printed_as_it_is_published(ask: Ask) -> None:
    assert ask("schema").stdout == flow_schema_text()


@pytest.mark.parametrize("command", ["check", "graph", "schema"])
def test_every_command_has_help_with_examples(ask: Ask, command: str) -> None:
    assert f"agentstream flows {command}" in ask(command, "--help").stdout
