"""Trunks, dialling and mail in the configuration."""

import tomllib
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.calls.commands import DialSpec
from agentstream.net.mailer import MailRoad
from agentstream.net.tls import Certificate, TlsProfile
from agentstream.server.config import Config, as_toml
from agentstream.server.config_roads import tls_profiles
from agentstream.server.config_sources import load_config
from agentstream.sip.signaling import Credentials
from agentstream.switch.routing import Roads, find_road

FILE = """
country_code = "91"

[trunks.carrier]
target = "sip:sbc.carrier.example:5080;transport=tcp"
proxy = "sip:edge.carrier.example"
user = "acct"
password = "hunter2"
from_user = "acct"
caller_id = "+918040000005"
plus = false
late_offer = true

[trunks.carrier.headers]
X-Account = "7"

[trunks.pbx]
target = "sip:192.0.2.7"

[dial]
trunk = "carrier"
sip_addresses = false
sip_hosts = ["*.phones.example", "192.0.2.0/24"]

[mail]
host = "smtp.example.org"
user = "calls"
password = "hunter3"
from = "Green Leaf <calls@example.org>"
"""


def config(text: str, folder: Path, **environ: str) -> Config:
    path = folder / "agentstream.toml"
    path.write_text(text)
    return load_config(path, environ=environ)


def test_trunks_become_roads(tmp_path: Path) -> None:
    roads = config(FILE, tmp_path).roads()
    road = find_road(DialSpec("080 4000 0009"), roads, "+918040000002")
    assert str(road.target) == "sip:918040000009@sbc.carrier.example:5080;transport=tcp"
    assert (road.caller, road.display) == ("acct", "918040000005")
    assert road.credentials == Credentials("acct", "hunter2")
    assert (road.proxy, road.headers) == ("sip:edge.carrier.example", (("X-Account", "7"),))
    assert road.offers_late
    assert roads.trunks["pbx"].credentials is None
    assert (roads.sip_addresses, roads.sip_hosts) == (False, ("*.phones.example", "192.0.2.0/24"))


def test_without_a_word_numbers_are_not_dialled_and_addresses_as_egress_says() -> None:
    assert Config().roads() == Roads()
    closed = Config.model_validate({"egress": {"mode": "closed"}})
    assert not closed.roads().sip_addresses
    opened = Config.model_validate({"egress": {"mode": "closed"}, "dial": {"sip_addresses": True}})
    assert opened.roads().sip_addresses


def test_numbers_of_ones_own_country_are_dialled_and_of_those_that_are_named(
    tmp_path: Path,
) -> None:
    def codes(text: str) -> frozenset[str]:
        return config(text, tmp_path).roads().guard.codes

    assert codes("") == frozenset()
    assert codes('country_code = "91"') == {"91"}
    assert codes('country_code = "91"\n[dial]\ncountries = ["us", "GB"]') == {"1", "44"}
    assert codes('country_code = "91"\n[dial]\ncountries = ["*"]') == frozenset()
    guard = config('[dial]\ndenied_prefixes = ["+1900"]\npremium = true', tmp_path).roads().guard
    assert (guard.denied, guard.premium) == (("+1900",), True)


def test_the_environment_may_name_a_trunk(tmp_path: Path) -> None:
    given = config(
        "",
        tmp_path,
        AGENTSTREAM_TRUNKS__CARRIER__TARGET="sip:sbc.carrier.example",
        AGENTSTREAM_TRUNKS__CARRIER__PASSWORD="secret",
        AGENTSTREAM_DIAL__TRUNK="carrier",
        AGENTSTREAM_MAIL__HOST="smtp.example.org",
        AGENTSTREAM_MAIL__FROM="calls@example.org",
    )
    assert given.roads().default == "carrier"
    assert given.mail.road() == MailRoad("smtp.example.org", sender="calls@example.org")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[trunks.a]\nuser = "x"', "trunks.a.target: Field required"),
        ('[trunks.a]\ntarget = "sbc.example"', 'trunks.a.target: write it as "sip:host:5060'),
        ('[trunks.a]\ntarget = "sip:ann@sbc.example"', "trunks.a.target: write it as"),
        ('[trunks.a]\ntarget = "sip:sbc.example;transport=sctp"', "trunks.a.target: write it as"),
        ('[trunks.a]\ntarget = "sip:s.example"\nproxy = "x"', "trunks.a.proxy: write it as"),
        ('[trunks.a]\ntarget = "sip:s.example"\ntrget = "x"', "trunks.a.trget: there is no such"),
        ('[trunks.a]\ntarget = "sip:s.example"\nheaders = {Via = "x"}', "'Via' cannot be set"),
        (
            '[trunks.a]\ntarget = "sip:s.example"\ntls_key = "k.pem"',
            "trunks.a: tls_certificate and",
        ),
        ('[trunks."A b"]\ntarget = "sip:s.example"', "trunks: 'A b' is no name"),
        ('[dial]\ntrunk = "b"', "dial.trunk is 'b', but the trunks are: none"),
        ('[dial]\nsip_hosts = ["a b"]', "dial.sip_hosts: 'a b' is no host name"),
        ('[dial]\ntwo_leg_status = "both"', "dial.two_leg_status: input should be 'first' or"),
        ('[dial]\ncountries = ["XX"]', "dial.countries: 'XX' is no country"),
        ('[dial]\ndenied_prefixes = ["900"]', "dial.denied_prefixes: '900' is no beginning"),
        ('[mail]\nhost = "smtp.example"', "mail: from must be a mail address"),
        ('[mail]\nhost = "smtp.example"\nfrom = "me"', "mail: from must be a mail address"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config(text, tmp_path)
    assert says in str(caught.value)


def test_what_is_shown_hides_passwords_and_can_be_read_again(tmp_path: Path) -> None:
    given = config(FILE, tmp_path)
    shown = given.shown()
    assert "hunter" not in str(shown)
    read = tomllib.loads(as_toml(shown))
    assert read["trunks"]["carrier"]["headers"] == {"X-Account": "7"}
    assert read["trunks"]["carrier"]["password"] == "***"
    assert read["trunks"]["pbx"]["target"] == "sip:192.0.2.7"
    assert read["mail"]["from"] == "Green Leaf <calls@example.org>"
    assert Config.model_validate(read).roads().default == "carrier"


@pytest.mark.parametrize(
    ("settings", "kind"),
    [("", "starttls"), ("starttls = false", "none"), ("tls = true\nport = 465", "tls")],
)
def test_the_mail_server_is_spoken_to_as_it_wants(settings: str, kind: str, tmp_path: Path) -> None:
    road = config(
        f'[mail]\nhost = "smtp.example"\nfrom = "a@b.example"\n{settings}', tmp_path
    ).mail.road()
    assert road is not None
    assert road.tls == kind
    assert "secret" not in repr(MailRoad("smtp.example", password="secret"))
    assert Config().mail.road() is None


def test_a_trunk_with_tls_of_its_own_is_called_by_its_name(tmp_path: Path) -> None:
    """PN-50: a client certificate of ours for each carrier."""
    text = (
        '[trunks.a]\ntarget = "sip:a.example;transport=tls"\ntls_certificate = "a.pem"\n'
        'tls_key = "a.key"\ntls_ca_file = "ca.pem"\n'
        '[trunks.b]\ntarget = "sip:b.example;transport=tls"\ntls_verify = false\n'
        '[trunks.c]\ntarget = "sips:c.example;transport=ws"\n'
    )
    file = tmp_path / "a.toml"
    file.write_text(text)
    given = load_config(file, environ={})
    profiles = tls_profiles(given.trunks)
    assert profiles == {
        "a": TlsProfile(Certificate("a.pem", "a.key"), "ca.pem"),
        "b": TlsProfile(verify=False),
    }
    roads = given.roads()
    assert [roads.trunks[name].tls_profile for name in "abc"] == ["a", "b", ""]
