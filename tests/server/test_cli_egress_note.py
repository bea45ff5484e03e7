"""A second account is told what an open egress policy means when tenants share a server."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentstream.server.cli import app


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_the_second_account_of_an_open_house_brings_a_note(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTSTREAM_EGRESS__MODE", mode)
    first = CliRunner().invoke(app, ("accounts", "create", "One"))
    second = CliRunner().invoke(app, ("accounts", "create", "Two", "--json"))
    assert first.stderr == ""
    assert ("may reach its private networks" in second.stderr) == (mode == "open")
