import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import agentstream
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.store.sql_store import open_store
from agentstream.testing.records import a_call, a_stream

FLOW = """
name: {name}
start: talk
applets:
  talk: {{type: voicebot, url: "ws://bot.example.net:9000/ws", next: bye}}
  bye: {{type: hangup}}
"""
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command in a folder of its own; `code` is the exit code that is expected."""
    monkeypatch.chdir(tmp_path)

    def asked(*words: str, code: int = 0, typed: str | None = None) -> Any:
        result = CliRunner().invoke(app, words, input=typed)
        assert result.exit_code == code, result.output
        return result

    return asked


@pytest.fixture
def house(ask: Ask) -> Ask:
    ask("accounts", "create", "Green Leaf", "--sid", "GreenLeaf1")
    Path("support.yaml").write_text(FLOW.format(name="support"))
    return ask


def test_a_flow_goes_from_a_file_to_a_number(house: Ask) -> None:
    assert "draft, calls do not enter" in house("flows", "apply", "support.yaml").stdout
    assert "a draft: publish it" in house("numbers", "assign", "1000", "support").stdout
    assert "version 1 is published" in house("flows", "publish", "support").stdout
    Path("support.yaml").write_text(FLOW.format(name="support") + "# changed\n")
    edited = house("flows", "apply", "support.yaml").stdout
    assert "version 2, published" in edited  # AP-60
    house("numbers", "assign", "+91 80 4000 0002", "support")
    rows = json.loads(house("numbers", "list", "--json").stdout)
    assert [(row["number"], row["flow"]) for row in rows] == [
        ("+918040000002", "support"),
        ("1000", "support"),
    ]
    assert "support" in house("numbers", "list").stdout
    assert "# changed" in house("flows", "show", "support").stdout
    assert "# changed" not in house("flows", "show", "support", "--version", "1").stdout


def test_an_edit_may_be_kept_from_calls(house: Ask) -> None:
    house("flows", "apply", "support.yaml", "--publish")
    text = FLOW.format(name="support") + "# later\n"
    draft = json.loads(house("flows", "apply", "-", "--draft", "--json", typed=text).stdout)
    assert (draft["latest_version"], draft["published_version"]) == (2, 1)
    [row] = json.loads(house("flows", "list", "--json").stdout)
    assert (row["name"], row["published"], row["latest"]) == ("support", 1, 2)
    assert "exclude" in house("flows", "apply", "-", "--draft", "--publish", code=1).stderr


def test_a_mistake_in_a_flow_names_the_applet_and_the_line(house: Ask) -> None:
    Path("bad.yaml").write_text("name: bad\nstart: a\napplets:\n  a: {type: voicebto}\n")
    result = house("flows", "apply", "bad.yaml", code=1)
    assert result.stderr.startswith("error: bad.yaml: line 4: ")
    assert "voicebto" in result.stderr
    assert "Traceback" not in result.output
    assert json.loads(house("flows", "list", "--json").stdout) == []


def test_a_stream_setting_that_the_wire_does_not_have_is_refused(house: Ask) -> None:
    Path("bad.yaml").write_text(
        "name: bad\nstart: a\napplets:\n"
        "  a: {type: voicebot, url: 'ws://b.example/', settings: {frame_ms: 30}}\n"
    )
    result = house("flows", "apply", "bad.yaml", code=1)
    assert (
        "applet 'a' (voicebot): settings: frame_ms: 30 is none of 20, 40, 60, 100" in result.stderr
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("flows", "apply", "none.yaml"), "none.yaml: No such file"),
        (("flows", "publish", "none"), "account GreenLeaf1 has no flow none"),
        (("flows", "show", "none"), "has no flow none"),
        (("flows", "list", "--account", "nobody"), "no account nobody"),
        (("numbers", "assign", "1", "none"), "has no flow none"),
        (("numbers", "release", "1"), "no number 1"),
        (("keys", "revoke", "x"), "no key x"),
        (("accounts", "create", "x", "--sid", "greenleaf1"), "greenleaf1 exists already"),
        (("calls", "show", "x"), "no ended call x"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    house: Ask, words: tuple[str, ...], says: str
) -> None:
    result = house(*words, code=1)
    assert says in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_wrong_configuration_is_exit_code_2(ask: Ask) -> None:
    Path("agentstream.toml").write_text("[http]\nport = 70000\n")
    result = ask("flows", "list", code=2)
    assert result.stderr == (
        "error: agentstream.toml: http.port: "
        "input should be less than or equal to 65535, not 70000\n"
    )
    assert ask("--config", "none.toml", "check", code=2).stderr.startswith("error: none.toml")


def test_keys_are_shown_once_and_can_be_revoked(house: Ask) -> None:
    made = json.loads(house("keys", "create", "--label", "laptop", "--json").stdout)
    assert len(made["token"]) == 48
    listed = house("keys", "list").stdout
    assert made["key"] in listed
    assert made["token"] not in listed
    house("keys", "revoke", made["key"])
    rows = json.loads(house("keys", "list", "--json").stdout)
    assert [row["state"] for row in rows if row["key"] == made["key"]] == ["revoked"]
    assert "shown only now" in house("keys", "create").stdout


def test_a_new_account_may_have_as_many_streams_as_the_configuration_says(ask: Ask) -> None:
    Path("agentstream.toml").write_text("[limits]\nstreams_per_account = 7\n")  # AS-50
    ask("accounts", "create", "Small")
    [row] = json.loads(ask("accounts", "list", "--json").stdout)
    assert row["stream_limit"] == 7


def test_several_accounts_must_be_told_apart(house: Ask) -> None:
    house("accounts", "create", "Other", "--sid", "other")
    result = house("flows", "apply", "support.yaml", code=1)
    assert "add --account, one of GreenLeaf1, other" in result.stderr
    house("flows", "apply", "support.yaml", "--account", "OTHER")
    assert json.loads(house("flows", "list", "-a", "GreenLeaf1", "--json").stdout) == []
    rows = json.loads(house("accounts", "list", "--json").stdout)
    assert [row["sid"] for row in rows] == ["GreenLeaf1", "other"]


def test_an_accounts_limits_can_be_changed(house: Ask) -> None:
    done = house("accounts", "change", "greenleaf1", "--streams", "7", "--allow", "10.0.0.0/8,a.b")
    assert "7 streams, may reach 10.0.0.0/8, a.b" in done.stdout
    assert (
        "no host name" in house("accounts", "change", "greenleaf1", "--allow", "a b", code=2).stderr
    )


def test_an_empty_house_says_what_to_do(ask: Ask) -> None:
    assert "accounts create" in ask("keys", "create", code=1).stderr
    assert "flows apply" in ask("flows", "list").stdout
    assert "numbers assign" in ask("numbers", "list").stdout
    assert "no call has ended" in ask("calls", "list").stdout


def test_ended_calls_are_listed_newest_first(house: Ask, tmp_path: Path) -> None:
    async def fill() -> None:
        store = await open_store(tmp_path / "agentstream-data")
        await store.calls.write([a_call("c1"), a_stream("s1", "c1")])
        await store.close()

    run(fill())
    table = house("calls", "list").stdout
    assert "2027-01-12 10:04:05" in table
    assert "normal" in table
    [row] = json.loads(house("calls", "list", "--json", "--limit", "1").stdout)
    assert (row["sid"], row["status"]) == ("c1", "completed")
    shown = json.loads(house("calls", "show", "c1").stdout)
    assert [stream["sid"] for stream in shown["streams"]] == ["s1"]


def test_the_configuration_can_be_shown(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTSTREAM_DATABASE_URL", "postgresql+x://me:hunter2@db/x")
    text = ask("print-config").stdout
    assert "[sip]" in text
    assert "hunter2" not in text
    assert json.loads(ask("print-config", "--json").stdout)["http"]["port"] == 8080


def test_the_first_start_makes_an_account_and_shows_its_key_once(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    monkeypatch.setattr("agentstream.server.run.run", started.append)
    monkeypatch.setattr("agentstream.server.logs.set_up_logs", lambda _config: None)
    monkeypatch.setattr("agentstream.server.check.raise_file_limit", lambda _config: False)
    first = ask("up").stdout
    again = ask("up").stdout
    assert "API token" in first
    assert "sip:1000@" in first
    assert "API token" not in again
    assert "sip:NUMBER@" in again
    assert len(started) == 2
    [flow] = json.loads(ask("flows", "list", "--json").stdout)
    assert (flow["name"], flow["published"]) == ("hello", 1)
    [number] = json.loads(ask("numbers", "list", "--json").stdout)
    assert number["number"] == "1000"


def test_a_bot_can_be_called_by_name_only_with_one_voice(ask: Ask) -> None:
    url = "ws://localhost:1"
    assert "either" in ask("call", url, "--say", "x.wav", "--text", "hi", code=1).stderr
    assert "x.wav" in ask("call", url, "--say", "x.wav", code=1).stderr


def test_the_demo_is_loaded_when_asked_for(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_demo(save: Path | None) -> int:
        assert save == Path("x.wav")
        return 3

    monkeypatch.setattr("agentstream.server.demo.run", run_demo)
    ask("demo", "--save", "x.wav", code=3)


def test_the_version_is_told(ask: Ask) -> None:
    assert ask("--version").stdout.strip() == f"agentstream {agentstream.__version__}"


COMMANDS = [
    *(("flows", name) for name in ("apply", "list", "publish", "show")),
    *(("numbers", name) for name in ("assign", "list", "release")),
    ("exoml", "check"),
    *(("accounts", name) for name in ("create", "list", "change")),
    *(("keys", name) for name in ("create", "list", "revoke")),
    *(("calls", name) for name in ("list", "show", "tail")),
    *((name,) for name in ("up", "demo", "call", "check", "print-config")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(ask: Ask, command: tuple[str, ...]) -> None:
    text = ask(*command, "--help").stdout
    assert "Examples:\n" in text
    assert f"agentstream {' '.join(command)}" in text


def test_a_number_is_attached_to_a_server_of_documents_xr_1(house: Ask) -> None:
    url = "https://crm.example.test/ivr?to={CallTo}"
    told = house("numbers", "assign", "1000", url).stdout
    assert told == "1000 rings flow documents 1000\n"
    again = house("numbers", "assign", "1000", "https://b.test/").stdout
    assert again == told  # a new version of the same flow
    document = json.loads(house("flows", "show", "documents 1000").stdout)
    assert document["applets"] == {"ivr": {"type": "exoml", "url": "https://b.test/"}}
    house("numbers", "assign", "1000", url, "--events", url, code=1)
    refused = house("numbers", "assign", "1000", "https://b.test/{Who}", code=1)
    assert "applet 'ivr' (exoml): field 'url': '{Who}' is no variable" in refused.output


def test_a_number_is_attached_to_an_endpoint_lg_114(house: Ask) -> None:
    url = "https://u:pw@hooks.example.test/legs"
    told = house("numbers", "assign", "1000", "--events", url, "--manual").stdout
    assert told == "1000 rings legs whose events go to https://***@hooks.example.test/legs\n"
    [row] = json.loads(house("numbers", "list", "--json").stdout)
    assert (row["flow"], row["events"]) == (None, "https://***@hooks.example.test/legs")
    for words in (("1000",), ("1000", "f", "--events", url), ("1000", "f", "--manual")):
        house("numbers", "assign", *words, code=1)
    refused = house("numbers", "assign", "1000", "--events", "http://h.test/", code=1)
    assert "allow_plain_http" in refused.output
