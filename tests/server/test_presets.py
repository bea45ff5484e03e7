"""Presets of platforms: each one can be read, filled and pasted (PN-63)."""

from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.server import presets
from agentstream.server.presets import Preset
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_options import options_of

ALL = presets.names()


def examples(preset: Preset) -> dict[str, str]:
    return {name: asked.example for name, asked in preset.ask.items()}


def test_every_platform_of_the_dossier_has_one() -> None:
    wanted = {"livekit", "elevenlabs", "openai", "vapi", "retell", "ultravox", "bolna", "pbx"}
    assert wanted | {
        "rapida",
        "smallest",
        "nlpearl",
        "daily",
        "streamkit",
        "omnidimension",
        "livekit-self-hosted",
    } == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_preset_is_whole_when_its_questions_are_answered(name: str) -> None:
    preset = presets.load(name)
    assert preset.checked_on >= date(2026, 11, 1)
    assert preset.title
    assert preset.about
    for region in ("", *preset.regions):
        filled = presets.fill(preset, examples(preset), region)
        for goal in filled.destinations:
            uri = parse_uri(goal.uri)
            assert uri.transport in {"udp", "tcp", "tls"}
            assert "{" not in goal.uri
        assert all(ip_network(network) for network in filled.allow)
        assert options_of(tuple(filled.settings.items())).preset == name
        pasted = filled.to_paste(dict.fromkeys(presets.FACTS, "x"))
        assert all("{" not in value for _, value in pasted)
        if preset.trunk.auth == "acl":
            assert filled.allow


def test_what_is_missing_is_asked_for_with_an_example() -> None:
    with pytest.raises(
        ConfigError, match=r"livekit needs project: .*--answer project=acme-4f2k9c1q"
    ):
        presets.fill(presets.load("livekit"), {})


@pytest.mark.parametrize(
    ("answers", "region", "text"),
    [
        ({"project": "a b"}, "", "project is 1 to 256"),
        ({"project": "a;x=1"}, "", "project is 1 to 256"),
        ({"project": "a", "other": "b"}, "", "does not ask for 'other'; it asks: project"),
        ({"project": "a"}, "mars", "has no region 'mars'; there are: india"),
    ],
)
def test_a_wrong_answer_is_named(answers: dict[str, str], region: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        presets.fill(presets.load("livekit"), answers, region)


def test_a_region_has_destinations_of_its_own() -> None:
    filled = presets.fill(presets.load("livekit"), {"project": "acme"}, "india")
    assert filled.destinations[0].uri == "sip:acme.india.sip.livekit.cloud:5061;transport=tls"


def test_openai_is_dialled_by_its_project_over_tls_pn_30() -> None:
    (goal,) = presets.fill(presets.load("openai"), {"project": "proj_1"}).destinations
    assert goal.uri == "sip:proj_1@sip.api.openai.com:5061;transport=tls"


def test_an_operators_file_takes_the_place_of_ours(tmp_path: Path) -> None:
    text = (presets.SHIPPED / "retell.toml").read_text(encoding="utf-8")
    (tmp_path / "retell.toml").write_text(text.replace("sip.retellai.com:5061", "new.example:5061"))
    (tmp_path / "mine.toml").write_text('title="M"\nchecked_on=2026-01-01\nabout="Mine."\n')
    assert presets.load("retell", tmp_path).destinations[0].uri.startswith("sip:new.example")
    assert "mine" in presets.names(tmp_path)
    assert presets.load("mine", tmp_path).trunk.auth == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "Invalid value"),
        ('title="M"\nchecked_on=2026-01-01\nabout="M"\nhue=1', "hue"),
        (
            'title="M"\nchecked_on=2026-01-01\nabout="M"\ndestinations=[{uri="sip:{x}"}]',
            "names x, which nobody asks",
        ),
        (
            'title="M"\nchecked_on=2026-01-01\nabout="M"\ntrunk={auth="acl",settings={as_srtp="y"}}',
            "as_srtp: one of disabled, allowed, required",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_mistake(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        presets.load("mine", tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["nobody", "../livekit", "livekit.toml", ""])
def test_only_known_names_are_opened(name: str) -> None:
    with pytest.raises(ConfigError, match="there are: bolna, daily"):
        presets.load(name)


def test_transfers_are_allowed_by_presets_of_those_who_begin_them_sip_63() -> None:
    """Never to the telephone network: that is opted in; and platforms are known by a login."""
    modes = {name: options_of(presets.load(name).trunk.settings.items()).refer for name in ALL}
    for name in ("livekit", "elevenlabs", "vapi", "retell", "openai"):
        assert modes[name] == "allow"
    assert "allow_pstn" not in modes.values()
    for name in ("livekit", "elevenlabs", "retell", "ultravox", "bolna"):
        assert presets.load(name).trunk.auth == "digest"
        assert not presets.load(name).trunk.allow
