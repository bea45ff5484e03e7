"""`agentstream exoml check`, without a server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentstream.server.cli import app

FINE = '<Response>\n<Gather action="next"><Say>Press one</Say></Gather>\n<Hangup/></Response>\n'
ODD = '<Response>\n<Record trim="x"/></Response>'
WRONG = "<Response>\n<Fly/></Response>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*words: str, code: int = 0, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, ("exoml", "check", *words), input=typed)
    assert result.exit_code == code, result.output
    return result


def test_a_fine_document_is_exit_code_0_xr_1(folder: Path) -> None:
    (folder / "menu.xml").write_text(FINE)
    assert check("menu.xml").stdout == "menu.xml: Gather → Hangup: it can be run\n"
    assert check("-", typed="<Response/>").stdout == "-: no verb: it can be run\n"


def test_what_means_nothing_is_told_and_may_count_ex_3() -> None:
    told = "-: line 2: <Record>: attribute 'trim' means nothing here\n-: Record: it can be run\n"
    assert check("-", typed=ODD).stdout == told
    assert check("-", "--strict", typed=ODD, code=1).stdout == told


def test_what_is_wrong_is_told_with_its_line_ex_3() -> None:
    told = check("-", typed=WRONG, code=1).stdout
    assert told.startswith("-: line 2: <Fly> is no verb; there are Dial, Gather")
    assert "menu.xml: No such file" in check("menu.xml", code=2).output


def test_scripts_read_json_with_whole_addresses() -> None:
    url = "https://crm.example.com/ivr/menu"
    told = json.loads(check("-", "--url", url, "--json", typed=FINE).stdout)
    gather, hangup = told["verbs"]
    assert (gather["verb"], gather["line"], hangup["verb"]) == ("Gather", 2, "Hangup")
    assert gather["action"] == {"url": "https://crm.example.com/ivr/next", "method": "POST"}
    odd = json.loads(check("-", "--json", typed=ODD).stdout)
    assert odd["remarks"]
    assert odd["verbs"][0]["wish"]["end_keys"] == sorted("0123456789*#")
    wrong = json.loads(check("-", "--json", typed=WRONG, code=1).stdout)
    assert wrong["error"].startswith("line 2: <Fly> is no verb")
