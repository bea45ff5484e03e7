"""`agentstream presets`, and a trunk with a platform on one line (PN-63, FL-3, SIP-2)."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server import presets
from agentstream.server.cli import app
from agentstream.testing.local_presets import local_preset

Ask = Callable[..., Any]
NUMBER = "+918000000042"
EXAMPLES = {
    name: [
        word
        for asked, one in presets.load(name).ask.items()
        for word in ("--answer", f"{asked}={one.example}")
    ]
    for name in presets.names()
}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command in a folder of its own, whose platforms are all on this machine."""
    monkeypatch.chdir(tmp_path)
    for name in presets.names():
        local_preset(tmp_path / "agentstream-data", name, {"tls": 5061, "tcp": 5060, "udp": 5060})

    def asked(*words: str, code: int = 0, **variables: str) -> Any:
        result = CliRunner(env=variables).invoke(app, words)
        assert result.exit_code == code, result.output
        return result

    asked("accounts", "create", "Green Leaf", "--sid", "GreenLeaf1")
    return asked


def trunk_of(name: str) -> str:
    return name.replace("-", "_")[:16]


def made(ask: Ask, name: str, *words: str, **variables: str) -> dict[str, Any]:
    """Make a trunk by a preset, named like it."""
    trunk = trunk_of(name)
    line = ("trunks", "create", trunk, "--preset", name, *EXAMPLES[name], "--json", *words)
    shown: dict[str, Any] = json.loads(ask(*line, **variables).stdout)
    return shown


def flow_of(ask: Ask, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ask("flows", "show", name).stdout)
    return document


def test_every_platform_is_listed_and_shown(ask: Ask) -> None:
    rows = json.loads(ask("presets", "--json").stdout)
    assert [row["name"] for row in rows] == presets.names()
    assert all(row["title"] and row["checked on"] and row["about"] for row in rows)
    table = ask("presets").stdout
    assert "LiveKit SIP" in table
    assert "2026-" in table
    for name in presets.names():
        shown = ask("presets", "show", name).stdout
        assert presets.load(name).title in shown
        assert json.loads(ask("presets", "show", name, "--json").stdout)["name"] == name
    assert "there are: bolna" in ask("presets", "show", "nobody", code=2).stderr


def test_one_command_makes_trunk_flow_and_number_and_says_what_to_paste(ask: Ask) -> None:
    """PN-63, FL-3: a call to the number reaches the trunk by `sip:TRUNK_SID`."""
    told = made(ask, "livekit", "--number", NUMBER, AGENTSTREAM_SIP__PUBLIC_HOST="203.0.113.9")
    trunk = told["trunk"]
    assert trunk["numbers"] == NUMBER
    assert trunk["destinations"].startswith("sip:127.0.0.1:5061;transport=tls, sip:127.0.0.1:5060")
    assert "as_preset=livekit" in trunk["settings"]
    assert (trunk["auth"], trunk["users"]) == ("credentials", "livekit")
    assert told["flow"]["numbers"] == [NUMBER]
    talk = flow_of(ask, "to livekit")["applets"]["talk"]
    assert talk["numbers"] == [f"sip:{trunk['sid']}"]
    assert (talk["ring_seconds"], talk["retries"]) == (60, 0)
    rung = json.loads(ask("numbers", "list", "--json").stdout)
    assert [(one["number"], one["flow"]) for one in rung] == [(NUMBER, "to livekit")]
    pasted = {one["where"]: one["value"] for one in told["paste"]}
    assert pasted["Outbound trunk, address"] == "203.0.113.9:5060"
    assert pasted["Outbound trunk, transport"] == "tcp"
    assert pasted["Outbound trunk, media encryption"] == "disable"
    assert len(told["password"]) == 24
    assert pasted["Outbound trunk, username and password"] == f"livekit / {told['password']}"
    assert told["password"] not in ask("trunks", "show", "livekit").stdout + ask("audit").stdout
    assert told["warnings"] == ["calls go there by tls, which no listener of [sip] speaks: add one"]


def test_what_to_paste_is_a_table_for_people(ask: Ask) -> None:
    shown = ask("trunks", "create", "eleven", "--preset", "elevenlabs", "--number", NUMBER).stdout
    assert "looked up on 2026-11-29" in shown
    assert re.search(r"SIP trunk username and password +eleven / [0-9a-f]{24}", shown)
    assert "shown only now" in shown
    assert f"{NUMBER} rings it and reaches ElevenLabs Agents" in shown
    assert "set [sip] public_host" in shown


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_makes_what_it_says(ask: Ask, name: str) -> None:
    preset = presets.load(name)
    told = made(ask, name, "--number", NUMBER)
    assert told["flow"] is not None
    talk = flow_of(ask, f"to {trunk_of(name)}")["applets"]["talk"]
    assert talk["type"] == ("voicebot" if preset.bot else "connect")
    assert (told["trunk"] is None) == (preset.kind == "websocket")
    assert bool(told["password"]) == (preset.trunk.auth == "digest")
    assert all("?" not in one["value"] for one in told["paste"])


def test_a_bot_takes_the_calls_of_a_contact_centre_with_its_headers(ask: Ask) -> None:
    """FL-2, SIP-22: the number is in flow mode, and the bot is told what the headers said."""
    told = made(ask, "streamkit", "--number", NUMBER)
    assert told["trunk"]["numbers"] == f"{NUMBER}=flow"
    assert told["trunk"]["networks"] == "198.51.100.20/32"
    talk = flow_of(ask, "to streamkit")["applets"]["talk"]
    assert talk["url"] == "wss://bot.example/ws?ticket={X-Ticket}"
    assert {"where": "Route, header X-Exotel-AccountSid", "value": "GreenLeaf1"} in told["paste"]


def test_without_a_bot_a_contact_centres_number_waits_for_a_flow(ask: Ask) -> None:
    line = ("trunks", "create", "cc", "--preset", "streamkit", "--answer", "network=198.51.100.20")
    told = json.loads(ask(*line, "--number", NUMBER, "--json").stdout)
    assert told["flow"] is None
    assert json.loads(ask("numbers", "list", "--json").stdout) == []
    wrong = ask(*line, "--deliver", code=1)
    assert "nowhere to deliver calls to: give --answer bot=" in wrong.stderr


def test_a_program_says_where_calls_of_rooms_go_pn_56(ask: Ask) -> None:
    made(ask, "daily", "--number", NUMBER)
    talk = flow_of(ask, "to daily")["applets"]["talk"]
    assert (talk["url"], talk["mode"]) == ("https://rooms.example.net/connect", "programmable")


def test_a_number_that_rings_something_is_taken_over_or_left_only_by_word(ask: Ask) -> None:
    made(ask, "omnidimension", "--number", NUMBER)
    line = ("trunks", "create", "eleven", "--preset", "elevenlabs", "--number", NUMBER, "--json")
    assert "rings something already" in ask(*line, code=1).stderr
    assert json.loads(ask("trunks", "list", "--json").stdout) == []
    assert json.loads(ask(*line, "--no-deliver").stdout)["flow"] is None
    [rung] = json.loads(ask("numbers", "list", "--json").stdout)
    assert rung["flow"] == "to omnidimension"
    ask("trunks", "delete", "eleven")
    assert json.loads(ask(*line, "--deliver").stdout)["flow"]["numbers"] == [NUMBER]
    [rung] = json.loads(ask("numbers", "list", "--json").stdout)
    assert rung["flow"] == "to eleven"
    ask("trunks", "delete", "eleven")
    again = json.loads(ask(*line).stdout)  # it rings the flow of this name already
    talk = flow_of(ask, "to eleven")["applets"]["talk"]
    assert talk["numbers"] == [f"sip:{again['trunk']['sid']}"]


def test_what_stands_on_the_line_is_added_or_counts_instead(ask: Ask) -> None:
    told = made(
        ask,
        "vapi",
        *("--allow", "203.0.113.7", "--set", "as_srtp=required", "--user", "me"),
        AGENTSTREAM_TRUNK_PASSWORD="my-secret-0815",
    )
    assert told["trunk"]["networks"].endswith("203.0.113.7/32")
    assert "as_srtp=required" in told["trunk"]["settings"]
    assert told["trunk"]["settings"].count("as_srtp") == 1
    assert told["trunk"]["users"] == "me"
    assert "my-secret-0815" not in json.dumps(told)


def test_a_region_has_its_own_place(ask: Ask) -> None:
    told = made(ask, "vapi", "--region", "eu")
    assert told["trunk"]["destinations"] == "sip:127.0.0.1:5060;transport=udp"
    assert told["trunk"]["networks"] == "44.233.34.47/32, 44.233.34.48/32"


def test_who_speaks_nothing_that_we_listen_to_is_warned_of(ask: Ask) -> None:
    listeners = {"AGENTSTREAM_SIP__LISTENERS": "udp://127.0.0.1:5070"}
    told = made(ask, "elevenlabs", **listeners)
    assert "speaks tls, tcp, and we listen to udp alone" in told["warnings"][0]
    bolna = made(ask, "bolna", **listeners)
    assert bolna["paste"][0]["value"] == "127.0.0.1:5070"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--preset", "livekit"), 2, "livekit needs project: "),
        (("--preset", "livekit"), 2, "--answer project=acme-4f2k9c1q"),
        (("--preset", "livekit", "--answer", "project"), 1, "write NAME=VALUE"),
        (("--preset", "nobody"), 2, "there is no preset 'nobody'"),
        (("--preset", "retell", "--region", "mars"), 2, "has no region 'mars'"),
        (("--preset", "retell", "--answer", "x=y"), 2, "does not ask for 'x'"),
        (("--preset", "omnidimension", "--answer", "url=sip:x"), 2, "url is an address such as"),
        (
            ("--preset", "omnidimension", "--answer", "url=wss://b.example", "--user", "u"),
            1,
            "without a trunk",
        ),
        (
            ("--preset", "omnidimension", "--answer", "url=wss://b.example", "--no-deliver"),
            1,
            "leaves nothing",
        ),
        (("--region", "india"), 1, "go with --preset"),
        (("--deliver",), 1, "go with --preset"),
        (("--preset", "retell", "--number", "0800"), 1, "Invalid PhoneNumber"),
        (("--preset", "retell", "--destination", "no.such.invalid"), 1, "no.such.invalid: "),
    ],
)
def test_nothing_is_kept_of_what_cannot_be(
    ask: Ask, words: tuple[str, ...], code: int, says: str
) -> None:
    assert says in ask("trunks", "create", "b", *words, code=code).stderr
    assert json.loads(ask("trunks", "list", "--json").stdout) == []
    assert json.loads(ask("flows", "list", "--json").stdout) == []


def test_another_accounts_number_is_left_alone(ask: Ask) -> None:
    made(ask, "omnidimension", "--number", NUMBER)
    ask("accounts", "create", "Other", "--sid", "Other1")
    line = ("trunks", "create", "b", "--preset", "retell", "--number", NUMBER, "--deliver")
    assert "belongs to another account" in ask(*line, "--account", "Other1", code=1).stderr
    assert json.loads(ask("trunks", "list", "--json").stdout) == []


def test_an_operators_preset_is_made_like_ours(ask: Ask, tmp_path: Path) -> None:
    mine = 'title="Mine"\nchecked_on=2025-01-01\nabout="M."\ndestinations=[{uri="sip:127.0.0.1"}]\n'
    paste = '[[paste]]\nwhere="Host"\nvalue="{our_host}"\n'
    (tmp_path / "agentstream-data" / "presets" / "mine.toml").write_text(mine + paste)
    told = json.loads(
        ask("trunks", "create", "m", "--preset", "mine", "--number", NUMBER, "--json").stdout
    )
    assert told["flow"]["numbers"] == [NUMBER]
    assert any("looked up on 2025-01-01" in text for text in told["warnings"])


def test_a_person_at_a_terminal_is_asked_for_what_is_missing(ask: Ask, tmp_path: Path) -> None:
    program = "from agentstream.server.cli import app; app()"
    words = ("trunks", "create", "lk", "--preset", "livekit", "--number", NUMBER)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
    ) as child:
        os.close(theirs)
        seen = b""
        while b"project: " not in seen:
            seen += os.read(ours, 4_096)
        os.write(ours, b"acme\n")
        try:
            while chunk := os.read(ours, 4_096):
                seen += chunk
        except OSError:  # a terminal's other end is gone
            pass
    os.close(ours)
    assert child.returncode == 0, seen
    assert b"such as acme-4f2k9c1q" in seen
    assert b"is published" in seen
