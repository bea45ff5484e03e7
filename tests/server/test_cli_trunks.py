"""`agentstream trunks`: trunks of accounts from the command line (TR-30 to TR-72)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server.cli import app

Ask = Callable[..., Any]
PLACE = "127.0.0.1:5061;transport=tls"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command in a folder of its own; `code` is the exit code that is expected."""
    monkeypatch.chdir(tmp_path)

    def asked(*words: str, code: int = 0, typed: str = "") -> Any:
        result = CliRunner().invoke(app, words, input=typed)
        assert result.exit_code == code, result.output
        return result

    asked("accounts", "create", "Green Leaf", "--sid", "GreenLeaf1")
    return asked


@pytest.fixture
def trunk(ask: Ask) -> dict[str, Any]:
    made = ask(
        *("trunks", "create", "bot", "--destination", PLACE, "--user", "bot"),
        *("--number", "+918000000042", "--number", "+918000000043=flow"),
        *("--allow", "203.0.113.0/24", "--set", "as_srtp=required", "--json"),
    )
    shown: dict[str, Any] = json.loads(made.stdout)
    assert "password of bot: " in made.stderr
    password = made.stderr.split()[3]
    assert password not in ask("trunks", "show", "bot").stdout
    return shown


def test_a_trunk_is_made_on_one_line(ask: Ask, trunk: dict[str, Any]) -> None:
    assert trunk == {
        "name": "bot",
        "state": "active",
        "auth": "all of acl and credentials",
        "numbers": "+918000000042, +918000000043=flow",
        "destinations": f"sip:{PLACE}",
        "settings": "as_srtp=required",
        "account": "GreenLeaf1",
        "sid": trunk["sid"],
        "domain": "greenleaf1.pstn.agentstream.internal",
        "nso_code": "ANY-ANY",
        "secure": False,
        "networks": "203.0.113.0/24",
        "users": "bot",
    }
    assert trunk["sid"] in ask("trunks", "list").stdout
    [row] = json.loads(ask("trunks", "list", "--account", "greenleaf1", "--json").stdout)
    assert row == trunk
    assert json.loads(ask("trunks", "show", trunk["sid"], "--json").stdout) == trunk


def test_settings_are_written_and_forgotten(ask: Ask, trunk: dict[str, Any]) -> None:
    ask("trunks", "set", "bot", "as_cps=5", "as_srtp=", "--secure", "--inactive")
    row = json.loads(ask("trunks", "show", "bot", "--json").stdout)
    assert (row["settings"], row["secure"], row["state"]) == ("as_cps=5", True, "inactive")
    assert "no setting as_srtp" in ask("trunks", "set", "bot", "as_srtp=", code=1).stderr
    assert "as_cps: a whole number" in ask("trunks", "set", "bot", "as_cps=x", code=1).stderr
    assert "nothing to set" in ask("trunks", "set", "bot", code=1).stderr
    assert "NAME=VALUE" in ask("trunks", "set", "bot", "as_cps", code=1).stderr


def test_a_secret_setting_is_asked_for_and_never_shown(ask: Ask, trunk: dict[str, Any]) -> None:
    """PN-2: neither in a shell's history, nor by show, list or audit."""
    words = ("as_destination_user=us", "as_destination_password=-")
    shown = ask("trunks", "set", "bot", *words, typed="s3cret!\n").stdout
    told = shown + ask("trunks", "list").stdout + ask("audit").stdout
    assert "as_destination_password=***" in shown
    assert "s3cret" not in told


def test_a_trunk_is_forgotten_and_all_of_it_written_down(ask: Ask, trunk: dict[str, Any]) -> None:
    assert "bot is gone" in ask("trunks", "delete", "bot").stdout
    assert "no trunk yet" in ask("trunks", "list").stdout
    assert "has no trunk bot" in ask("trunks", "delete", "bot", code=1).stderr
    told = ask("audit").stdout
    assert "trunks delete bot" in told
    assert "trunks create bot" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("my-trunk",), "alphanumeric and _"),
        (("b", "--domain", "x.example"), "should end with .pstn.exotel.com"),
        (("b", "--destination", "no.such.host.invalid"), "not a valid Ip or Fqdn"),
        (("b", "--number", "0800"), "Invalid PhoneNumber"),
        (("b", "--allow", "203.0.113.0/8"), "mask should be in-between 16 and 32"),
        (("b", "--set", "colour=red"), "there is no setting 'colour'"),
        (("b", "--set", "colour"), "NAME=VALUE"),
        (("b", "--nso-code", "X"), "Nso code is invalid"),
        (("bot",), "there is a trunk bot already"),
        (("b", "--number", "+918000000042"), "mapped to a trunk already"),
    ],
)
def test_nothing_is_kept_of_a_trunk_that_cannot_be(
    ask: Ask, trunk: dict[str, Any], words: tuple[str, ...], says: str
) -> None:
    assert says in ask("trunks", "create", *words, code=1).stderr
    assert len(json.loads(ask("trunks", "list", "--json").stdout)) == 1
