import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import ConfigError
from agentstream.base.phone import NumberStyle
from agentstream.server.config import Config, as_toml
from agentstream.server.config_sip import Listener
from agentstream.server.config_sources import load_config


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "agentstream.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_nothing_at_all_is_a_configuration() -> None:
    config = load_config(environ={})
    assert [str(listener) for listener in config.sip.listeners] == [
        "udp://0.0.0.0:5060",
        "tcp://0.0.0.0:5060",
    ]
    assert (config.rtp.port_low, config.rtp.port_high, config.rtp.pairs) == (20_000, 23_999, 2_000)
    assert config.http.port == 8080
    assert config.database_file == Path("agentstream-data/agentstream.db")
    assert config.limits.streams_per_account == 100  # AS-50


def test_the_file_in_the_working_folder_is_read_and_the_environment_goes_over_it() -> None:
    write(
        'data_dir = "/srv/a"\n[sip]\npublic_host = "a.example"\n'
        "[http]\nport = 1\n[stream]\nframe_ms = 20\n"
    )
    environ = {
        "AGENTSTREAM_SIP__PUBLIC_HOST": "b.example",
        "AGENTSTREAM_SIP__LISTENERS": "udp://127.0.0.1:5070, tcp://[::1]:5070",
        "AGENTSTREAM_SIP__ALLOW": "192.0.2.0/24,2001:db8::1",
        "AGENTSTREAM_RTP__INBAND_DTMF": "true",
        "AGENTSTREAM_STREAM__PRESET": "field",
        "AGENTSTREAM_STREAM__MAX_SECONDS": "60",
        "AGENTSTREAM_STREAM__VERIFY_TLS": "False",
        "AGENTSTREAM_STREAM__COUNTRY_CODE": "44",
        "AGENTSTREAM_COUNTRY_CODE": "91",
    }
    config = load_config(environ=environ)
    assert (config.data_dir, config.http.port) == (Path("/srv/a"), 1)
    assert config.sip.public_host == "b.example"
    assert [str(each) for each in config.sip.listeners] == [
        "udp://127.0.0.1:5070",
        "tcp://[::1]:5070",
    ]
    assert config.sip.allow == ("192.0.2.0/24", "2001:db8::1")
    assert config.rtp.inband_dtmf
    assert (config.profile().frame_ms, config.profile().number_format) == (20, "national0")
    assert config.country_code == "91"
    assert (config.profile().max_seconds, config.profile().verify_tls) == (60, False)
    assert config.profile().country_code == "44"


def test_yaml_says_the_same() -> None:
    path = write("sip:\n  listeners: ['udp://127.0.0.1:5070']\nlimits: {calls: 7}\n", "other.yaml")
    config = load_config(path, environ={})
    assert config.limits.calls == 7
    assert load_config(environ={"AGENTSTREAM_CONFIG": "other.yaml"}) == config
    assert load_config(write("", "empty.yaml"), environ={}) == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[http]\nport = 70000",
            "agentstream.toml: http.port: input should be less than or equal to 65535, not 70000",
        ),
        (
            "[rtp]\nport_low = 30000\nport_high = 20000",
            "agentstream.toml: rtp: port_high must be greater",
        ),
        ("[limits]\ncalls = 9000", "room for 2000 legs"),
        ('[sip]\nlisteners = ["5060"]', 'sip.listeners[0]: write it as "udp://0.0.0.0:5060"'),
        ('[sip]\nlisteners = ["udp://h:x"]', 'sip.listeners[0]: write it as "udp://0.0.0.0:5060"'),
        ('[sip]\nlisteners = ["tls://0.0.0.0"]', "sip: a tls listener needs tls_certificate"),
        ('[sip]\nallow = ["here"]', "sip.allow: 'here' is no address or network"),
        (
            "[sip]\npublic_hots = 1",
            "sip.public_hots: there is no such setting; did you mean public_host?",
        ),
        ("[spi]\nx = 1", "spi: there is no such setting; did you mean sip?"),
        ('[egress]\nallow = ["a b"]', "egress.allow: 'a b' is no host name"),
        ('[egress]\nports = ["9-1"]', "egress.ports: '9-1' is no port or range"),
        ('[egress]\nlocal_address = "eth0"', "egress.local_address: value is not a valid IPv4"),
        (
            '[rtp]\ncodecs = ["SPEEX"]',
            "rtp.codecs[0]: input should be 'PCMU', 'PCMA', 'G722' or 'OPUS', not 'SPEEX'",
        ),
        ("[stream]\nframe_ms = 30", "stream: frame_ms: 30 is none of 20, 40, 60, 100"),
        ("[stream]\nframes = 30", "stream: frames: there is no such setting"),
        ("country_code = '+91'", "country_code: string should match pattern"),
        ("x = ", "agentstream.toml: Invalid value"),
    ],
)
def test_a_mistake_names_the_field_and_what_it_may_be(text: str, says: str) -> None:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(environ={})
    assert says in str(caught.value)


def test_a_mistake_in_the_environment_names_its_variable() -> None:
    with pytest.raises(ConfigError, match=r"^AGENTSTREAM_HTTP__PORT: http\.port: .* not 'x'$"):
        load_config(environ={"AGENTSTREAM_HTTP__PORT": "x"})
    with pytest.raises(
        ConfigError, match=r"AGENTSTREAM_SIP__PUBLIC_HOTS: .*did you mean public_host"
    ):
        load_config(environ={"AGENTSTREAM_SIP__PUBLIC_HOTS": "x"})
    write("sip = 1")
    with pytest.raises(ConfigError, match="sip is no section"):
        load_config(environ={"AGENTSTREAM_SIP__PUBLIC_HOST": "x"})


def test_every_mistake_has_its_line() -> None:
    write("[http]\nport = 70000\n[rtp]\nport_low = 1")
    with pytest.raises(ConfigError) as caught:
        load_config(environ={})
    assert len(str(caught.value).splitlines()) == 2


def test_variables_that_a_container_platform_makes_up_are_left_alone() -> None:
    environ = {
        "AGENTSTREAM_PORT": "tcp://10.0.0.1:8080",
        "AGENTSTREAM_SERVICE_HOST": "10.0.0.1",
        "AGENTSTREAM_SIP": "tcp://10.0.0.1:5060",
    }
    assert load_config(environ=environ) == Config()


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_config(Path(name), environ={})


def test_a_file_that_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="names and values"):
        load_config(write("- 1", "x.yaml"), environ={})


def test_what_is_shown_hides_credentials_and_can_be_read_again() -> None:
    config = load_config(environ={"AGENTSTREAM_DATABASE_URL": "postgresql://me:hunter2@db/x"})
    text = as_toml(config.shown())
    assert "hunter2" not in text
    assert "***@db/x" in text
    assert Config.model_validate(tomllib.loads(text)).sip == config.sip
    assert config.database_file is None


def test_one_setting_says_how_bots_and_servers_are_shown_numbers_us_13() -> None:
    assert Config().numbers() == NumberStyle()
    field = Config(stream={"preset": "field"})
    assert (field.profile().number_format, field.numbers()) == ("national0", NumberStyle())
    one = {"number_format": "national0", "country_code": "44"}
    config = Config.model_validate(one)
    assert config.numbers() == NumberStyle("national0", "44")
    profile = config.profile()
    assert (profile.number_format, profile.country_code) == ("national0", "44")
    own = Config.model_validate({**one, "stream": {"number_format": "e164"}})
    assert own.profile().number_format == "e164"
    with pytest.raises(ValueError, match="number_format national0 needs country_code"):
        Config(number_format="national0")


@given(st.text(max_size=30))
def test_any_text_is_a_listener_or_a_mistake(text: str) -> None:
    try:
        listener = Listener.model_validate(text)
    except ValueError:
        return
    assert Listener.model_validate(str(listener)) == listener


def test_a_certificate_opens_tls_on_5061_and_listeners_that_are_set_are_all_there_are() -> None:
    """SIP-3."""
    own = {"tls_certificate": "a.pem", "tls_key": "k.pem"}
    opened = [str(each) for each in Config.model_validate({"sip": own}).sip.listeners]
    assert opened == ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060", "tls://0.0.0.0:5061"]
    named = {"certificates": [{"chain": "a.pem", "key": "k.pem", "names": "a.example,b.example"}]}
    config = Config.model_validate({"sip": {**named, "listeners": "wss://[::]:443,ws://[::]:80"}})
    assert [str(each) for each in config.sip.listeners] == ["wss://[::]:443", "ws://[::]:80"]
    assert config.sip.tls_files({}).certificates[0].names == ("a.example", "b.example")


def test_defaults_of_ports_are_those_of_the_transports() -> None:
    """RFC 3261 section 19.1.2, RFC 7118 section 5.2."""
    texts = ("udp://[::1]", "tls://127.0.0.1", "ws://127.0.0.1", "wss://127.0.0.1")
    assert [Listener.model_validate(text).port for text in texts] == [5060, 5061, 80, 443]


@pytest.mark.parametrize(
    ("sip", "says"),
    [
        ('listeners = ["tls://0.0.0.0"]', "sip: a tls listener needs tls_certificate and tls_key"),
        ('listeners = ["wss://0.0.0.0"]', "sip: a wss listener needs tls_certificate"),
        ('listeners = ["sctp://0.0.0.0"]', "with udp, tcp, tls, ws or wss"),
        ('tls_certificate = "a.pem"', "sip: tls_certificate and tls_key belong together"),
        ('tls_client_check = "required"', "tls_client_check and tls_client_ca_file belong"),
        ('tls_minimum = "1.1"', "sip.tls_minimum: input should be '1.2' or '1.3'"),
        ('websocket_origins = "phone.example"', "'phone.example' is no origin"),
        ("connect_ms = 5", "sip.connect_ms: input should be greater than or equal to 100"),
    ],
)
def test_mistakes_about_tls_are_named(sip: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(f"[sip]\n{sip}\n"), environ={})
    assert says in str(caught.value)


def test_certificates_and_trunks_come_back_from_what_is_shown() -> None:
    text = (
        '[sip]\ntls_client_check = "optional"\ntls_client_ca_file = "ca.pem"\n'
        '[[sip.certificates]]\nchain = "a.pem"\nkey = "a.key"\nnames = ["a.example"]\n'
        '[[sip.certificates]]\nchain = "b.pem"\nkey = "b.key"\n'
        '[trunks.x]\ntarget = "sip:x.example;transport=tls"\ntls_ca_file = "x.pem"\n'
    )
    config = load_config(write(text), environ={})
    again = load_config(write(as_toml(config.shown()), "again.toml"), environ={})
    assert again == config
    assert [each.key for each in again.sip.certificates] == [Path("a.key"), Path("b.key")]
    files = config.sip.tls_files({})
    assert files.client_check is not None
    assert not files.client_check.is_required


def test_sections_become_what_their_rooms_take() -> None:
    config = Config.model_validate(
        {"egress": {"mode": "closed", "ports": ["443", "8000-8999"]}, "sip": {"rate_per_s": 5}}
    )
    assert config.egress.policy().ports == ((443, 443), (8000, 8999))
    assert config.sip.admission().rate_per_s == 5
    plan = config.rtp.engine_plan()
    assert (plan.rtp_port_low, plan.rtp_port_high) == (20_000, 23_999)


def test_the_example_in_the_documentation_is_valid() -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "configure.md"
    example = page.read_text().split("```toml\n")[1].split("```")[0]
    config = Config.model_validate(tomllib.loads(example))
    assert config.profile().frame_ms == 20


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('storage = "s3"', "recordings: storage s3 needs s3_bucket"),
        ('s3_access_key = "k"', "set together"),
        ('public_url = "voice.example.net"', "recordings.public_url"),
        ('public_url = "https://u:p@voice.example.net"', "recordings.public_url"),
        ('public_url = "https://voice.example.net?x=1"', "recordings.public_url"),
        ('public_url = "https://voice.example.net:99999"', "recordings.public_url"),
        ('s3_endpoint = "ftp://x"', "recordings.s3_endpoint"),
        ("keep_days = -1", "recordings.keep_days"),
        ("mp3_kbps = 33", "recordings.mp3_kbps"),
        ('links = "free"', "recordings.links"),
        ("url_seconds = 5", "recordings.url_seconds"),
    ],
)
def test_a_mistake_about_recordings_is_named(text: str, says: str) -> None:
    write(f"[recordings]\n{text}\n")
    with pytest.raises(ConfigError, match=says):
        load_config(environ={})


def test_recordings_are_set_like_everything_else_and_the_secret_is_masked() -> None:
    environ = {
        "AGENTSTREAM_RECORDINGS__STORAGE": "s3",
        "AGENTSTREAM_RECORDINGS__S3_BUCKET": "calls",
        "AGENTSTREAM_RECORDINGS__S3_ACCESS_KEY": "AKIA",
        "AGENTSTREAM_RECORDINGS__S3_ACCESS_SECRET": "very secret",
        "AGENTSTREAM_RECORDINGS__MP3_KBPS": "48",
        "AGENTSTREAM_RECORDINGS__KEEP_DAYS": "90",
    }
    config = load_config(environ=environ)
    assert (config.recordings.mp3_kbps, config.recordings.keep_days) == (48, 90)
    shown = config.shown()["recordings"]
    assert (shown["s3_bucket"], shown["s3_access_secret"]) == ("calls", "***")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ('[http]\nhost = "0.0.0.0"\nport = 80', "http://127.0.0.1:80"),
        ('[http]\nhost = "::1"', "http://[::1]:8080"),
        (
            '[http]\nhost = "0.0.0.0"\n[sip]\npublic_host = "voice.example.net"',
            "http://voice.example.net:8080",
        ),
        (
            '[recordings]\npublic_url = "https://voice.example.net/a"',
            "https://voice.example.net/a",
        ),
    ],
)
def test_links_begin_with_the_address_by_which_others_reach_us(text: str, url: str) -> None:
    write(text)
    assert load_config(environ={}).public_url == url
