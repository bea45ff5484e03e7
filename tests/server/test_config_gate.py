"""Who may call, in the configuration."""

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.server.config import Config, as_toml
from agentstream.server.config_sources import load_config
from agentstream.switch.gatekeeper import SCANNERS
from agentstream.switch.trunk_gate import GateSettings

FILE = """
country_code = "91"

[sip]
unknown_callers = "refuse"
from_host_check = "strict"
cli_fallback = "alias, first"
challenge_status = 401
digest_algorithms = ["md5", "SHA-256"]
verbose_rejects = "never"
strict_headers = true
trunk_header = true
trunk_certificates = true
trunk_daily_minutes = 600
invites_per_s = 7
invite_burst = 9
ban_after = 3
ban_seconds = 60
scanners = ["probe"]

[trunks.carrier]
target = "sip:sbc.carrier.example"
sources = ["198.51.100.0/24", "2001:db8::1"]

[trunks.second]
target = "sip:sbc.second.example"
sources = "203.0.113.7"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "agentstream.toml").write_text(FILE)
    return load_config(tmp_path / "agentstream.toml", environ={})


def test_the_file_says_who_may_call(config: Config) -> None:
    gate = config.gate()
    assert gate == GateSettings(
        unknown_callers="refuse",
        carriers=tuple(map(ip_network, ("198.51.100.0/24", "2001:db8::1/128", "203.0.113.7/32"))),
        from_host_check="strict",
        cli_fallback=("alias", "first"),
        challenge_status=401,
        algorithms=("MD5", "SHA-256"),
        verbose_rejects="never",
        strict_headers=True,
        reads_trunk_header=True,
        wants_certificates=True,
        daily_minutes=600,
        country_code="91",
        guard=config.roads().guard,
    )
    limits = config.sip.admission()
    assert (limits.invites_per_s, limits.invite_burst) == (7, 9)
    assert (limits.bans.strikes, limits.bans.ban_ms) == (3, 60_000)
    assert config.sip.scanners == ("probe",)


def test_what_is_shown_is_what_was_read(config: Config, tmp_path: Path) -> None:
    shown = tmp_path / "shown.toml"
    shown.write_text(as_toml(config.shown()))
    tomllib.loads(shown.read_text())
    assert load_config(shown, environ={}).gate() == config.gate()


def test_as_shipped_strangers_ring_what_rings_here_and_nothing_else_is_asked() -> None:
    assert Config().gate() == GateSettings()
    assert Config().sip.scanners == SCANNERS


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ('[sip]\nunknown_callers = "some"', "sip.unknown_callers"),
        ('[sip]\ncli_fallback = ["pai", "any"]', "sip.cli_fallback"),
        ("[sip]\nchallenge_status = 403", "sip.challenge_status"),
        ('[sip]\ndigest_algorithms = ["SHA-1"]', "sip.digest_algorithms"),
        ("[sip]\ndigest_algorithms = []", "sip.digest_algorithms"),
        ("[sip]\nban_seconds = 0", "sip.ban_seconds"),
        ('[sip]\nallow = ["carrier.example"]', "sip.allow"),
        ('[trunks.a]\ntarget = "sip:a.example"\nsources = ["a.example"]', "trunks.a.sources"),
    ],
)
def test_a_mistake_names_its_field(section: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "agentstream.toml").write_text(section)
    with pytest.raises(ConfigError, match=field.replace(".", r"\.")):
        load_config(tmp_path / "agentstream.toml", environ={})
