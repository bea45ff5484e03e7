"""docs/howto/partners: each preset has a page, whose command works and prints what it says."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from agentstream.server import presets
from agentstream.server.cli import app
from agentstream.server.config import Config
from agentstream.server.config_sources import load_config
from agentstream.testing.local_presets import local_preset

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "howto" / "partners"
ONE_HOST = ROOT / "deploy" / "livekit-one-host"
SECTIONS = ["At the platform", "Transfers", "When it is silent"]
BLOCK = re.compile(r"```sh\n(agentstream trunks create .*?)\n```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")


def page_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def command_in(text: str) -> list[str]:
    found = BLOCK.search(text)
    assert found
    return shlex.split(found[1].replace("\\\n", " "))[1:]


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_has_a_page_with_the_same_three_sections(name: str) -> None:
    text = page_of(name)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[:3] == SECTIONS
    assert f"({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", presets.names())
def test_the_command_of_a_page_works_and_prints_the_fields_that_the_page_has(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local_preset(tmp_path / "agentstream-data", name, {})
    runner, text = CliRunner(), page_of(name)
    runner.invoke(app, ["accounts", "create", "Main", "--sid", "acct1"])
    result = runner.invoke(app, [*command_in(text), "--json"])
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert made["preset"] == name
    assert made["flow"]["numbers"] == ["+918040000002"]
    # The page shows the best way that the platform has; the others differ in one line at most.
    preset = presets.load(name)
    for field in preset.paste:
        if field.over in ("", "tls" if preset.speaks[0] == "tls" else "clear"):
            assert f"\n{field.where}" in text, field.where
    if preset.paste:
        assert f"(looked up on {preset.checked_on})" in text


@pytest.mark.parametrize("name", ["README", *presets.names()])
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    for link in LINK.findall(page_of(name)):
        if not link.startswith("http"):
            assert (PAGES / link).exists(), link


def test_livekit_and_we_fit_on_one_machine_pn_12a() -> None:
    services = yaml.safe_load((ONE_HOST / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert all(one["network_mode"] == "host" for one in services.values())
    theirs = yaml.safe_load(
        re.sub(r"\$\{[^}]*\}", "x", services["sip"]["environment"]["SIP_CONFIG_BODY"])
    )
    ours = load_config(ONE_HOST / "agentstream.toml")
    assert theirs["sip_port"] not in {listener.port for listener in ours.sip.listeners}
    low, high = map(int, theirs["rtp_port"].split("-"))
    assert high < ours.rtp.port_low or low > ours.rtp.port_high
    usual = Config()
    assert (ours.rtp.port_low, ours.rtp.port_high) == (usual.rtp.port_low, usual.rtp.port_high)
    [goal, _] = presets.fill(
        presets.load("livekit-self-hosted"), {"host": f"127.0.0.1:{theirs['sip_port']}"}
    ).destinations
    assert goal.uri == "sip:127.0.0.1:5080;transport=tcp"
