"""Addresses of bots: sections 2 and AS-141 of the dossier."""

import base64
import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.stream.address import (
    BODY_LIMIT,
    BotAddress,
    ResolverAddress,
    read_address,
    read_resolved,
    read_resolver_answer,
)
from agentstream.stream.profile import WireProfile

DEFAULT = WireProfile()


def bot(url: str, profile: WireProfile = DEFAULT) -> BotAddress:
    found = read_address(url, profile)
    assert isinstance(found, BotAddress)
    return found


def test_a_wss_address_is_taken_apart_as10() -> None:
    assert bot("wss://bots.example.net/rooms/42?tenant=blue") == BotAddress(
        secure=True,
        host="bots.example.net",
        port=443,
        host_header="bots.example.net",
        target="/rooms/42?tenant=blue",
        authorization=None,
        shown_url="wss://bots.example.net/rooms/42?tenant=blue",
        custom_parameters=(("tenant", "blue"),),
    )


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "host_header", "target"),
    [
        ("ws://10.0.0.5:5000", False, "10.0.0.5", 5000, "10.0.0.5:5000", "/"),
        ("WSS://Bots.Example.net:443/A", True, "bots.example.net", 443, "bots.example.net", "/A"),
        ("ws://[2001:db8::1]:81/x#y", False, "2001:db8::1", 81, "[2001:db8::1]:81", "/x"),
        (
            "wss://bücher.example/ü",
            True,
            "xn--bcher-kva.example",
            443,
            "xn--bcher-kva.example",
            "/%C3%BC",
        ),
    ],
)
def test_hosts_and_ports_are_read(  # one row per shape
    url: str, secure: bool, host: str, port: int, host_header: str, target: str
) -> None:
    found = bot(url)
    assert (found.secure, found.host, found.port) == (secure, host, port)
    assert (found.host_header, found.target) == (host_header, target)


def test_a_url_of_600_characters_is_accepted_and_601_are_not_as11() -> None:
    url = "wss://bots.example.net/"
    assert bot(url + "x" * (600 - len(url))).secure
    with pytest.raises(PeerError, match="longer than 600"):
        bot(url + "x" * (601 - len(url)))


def test_an_http_address_is_a_resolver_as13() -> None:
    found = read_address("https://ana:secret@hooks.example.net/where?key=1", DEFAULT)
    assert found == ResolverAddress(
        "https://ana:secret@hooks.example.net/where?key=1",
        "https://***@hooks.example.net/where?key=1",
    )
    assert "secret" not in repr(found)


def test_an_https_stream_url_is_rewritten_or_rejected_by_setting_as19() -> None:
    rewrite = replace(DEFAULT, stream_url_https="rewrite")
    assert bot("https://t.example.net/ws", rewrite).shown_url == "wss://t.example.net/ws"
    assert not bot("http://t.example.net/ws", rewrite).secure
    assert read_resolved("https://t.example.net/ws", rewrite).secure
    with pytest.raises(PeerError, match="must be ws:// or wss://, not https"):
        bot("https://t.example.net/ws", replace(DEFAULT, stream_url_https="reject"))


def test_credentials_become_a_header_and_are_masked_as35_as37() -> None:
    found = bot("wss://ana%40x:p%3Ass%2F%C3%BC@bots.example.net/?a=1")
    assert found.authorization is not None
    scheme, _, value = found.authorization.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value) == "ana@x:p:ss/ü".encode()
    assert found.shown_url == "wss://***@bots.example.net/?a=1"
    assert found.host_header == "bots.example.net"
    assert "p%3A" not in repr(found)


def test_masking_can_be_switched_off_as37() -> None:
    found = bot("wss://ana:pw@bots.example.net/", replace(DEFAULT, mask_stream_url=False))
    assert found.shown_url == "wss://ana:pw@bots.example.net/"


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("wss://ana@bots.example.net", b"ana:"),
        ("wss://:pw@bots.example.net", b":pw"),
        ("wss://@bots.example.net", None),
    ],
)
def test_half_credentials_are_sent_as_they_are(url: str, credentials: bytes | None) -> None:
    expected = credentials and "Basic " + base64.b64encode(credentials).decode()
    assert bot(url).authorization == expected


def test_the_query_is_passed_through_unchanged_as20() -> None:
    query = "b=%41&sample-rate=16000&a=x%20y+z&&empty=&flag"
    assert bot(f"wss://bots.example.net/p?{query}").target == f"/p?{query}"


@pytest.mark.parametrize(
    ("query", "rate_hz", "frame_ms", "warned"),
    [
        ("", 8000, None, False),
        ("sample-rate=16000", 16000, None, False),
        ("sample_rate=24000", 24000, None, False),
        ("sample_rate=24000&sample-rate=16000", 16000, None, False),
        ("sample-rate=44100", 8000, None, True),
        ("sample-rate=", 8000, None, True),
        ("frame-ms=20", 8000, 20, False),
        ("frame-ms=10", 8000, None, True),
    ],
)
def test_the_query_chooses_rate_and_frame_as141_cx6(
    query: str, rate_hz: int, frame_ms: int | None, warned: bool
) -> None:
    found = bot(f"wss://bots.example.net/?{query}")
    assert (found.rate_hz, found.frame_ms, bool(found.warnings)) == (rate_hz, frame_ms, warned)
    assert found.custom_parameters == ()


@pytest.mark.parametrize(
    ("query", "kept", "warned"),
    [
        ("", {}, False),
        ("a=1", {"a": "1"}, False),
        ("a=1&sample-rate=8000&b=2&frame-ms=20&c=3", {"a": "1", "b": "2", "c": "3"}, False),
        ("a=1&b=2&c=3&d=4", {"a": "1", "b": "2", "c": "3"}, True),
        ("a=x%26y&b=p+q", {"a": "x&y", "b": "p q"}, False),
        ("a=1&a=2", {"a": "2"}, False),
        ("a=" + "x" * 254, {"a": "x" * 254}, False),
        ("a=" + "x" * 250 + "&b=12345", {"a": "x" * 250}, True),
    ],
)
def test_other_keys_become_custom_parameters_within_limits_as25_as27(
    query: str, kept: dict[str, str], warned: bool
) -> None:
    found = bot(f"wss://bots.example.net/?{query}")
    assert dict(found.custom_parameters) == kept
    assert bool(found.warnings) == warned


def test_too_many_parameters_are_refused_by_setting_as27() -> None:
    with pytest.raises(PeerError, match="4 custom parameters; at most 3 pairs"):
        bot("wss://b.example/?a=1&b=2&c=3&d=4", replace(DEFAULT, on_violation="reject"))
    assert (
        len(
            bot("wss://b.example/?a=1&b=2&c=3&d=4", replace(DEFAULT, max_pairs=4)).custom_parameters
        )
        == 4
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bots.example.net",
        "ftp://bots.example.net",
        "wss://",
        "wss:///path",
        "wss://bots.example.net:0x",
        "wss://bots.example.net:99999",
        "wss://[::1",
        "wss://a b/",
        "wss://bots.example.net/\r\nX: y",
        "wss://" + "ü" * 70 + ".example",
        'wss://a"b/',
    ],
)
def test_an_unusable_url_is_the_far_ends_error(url: str) -> None:
    with pytest.raises(PeerError) as caught:
        read_address(url, DEFAULT)
    assert "secret" not in str(caught.value)


def test_an_error_never_quotes_a_password_as37() -> None:
    with pytest.raises(PeerError) as caught:
        read_address("wss://ana:hidden#word@bots.example.net", DEFAULT)
    assert "hidden" not in str(caught.value)


def test_plain_ws_can_be_forbidden_cx18() -> None:
    profile = replace(DEFAULT, require_wss=True)
    assert bot("wss://b.example", profile).secure
    with pytest.raises(PeerError, match="must be wss"):
        bot("ws://b.example", profile)


def test_a_resolved_address_may_be_longer_and_must_be_ws_as16_st3() -> None:
    assert read_resolved("wss://b.example/?token=" + "x" * 2000, DEFAULT).warnings
    with pytest.raises(PeerError, match="must be ws:// or wss://"):
        read_resolved("https://b.example", DEFAULT)


def test_a_resolvers_answer_may_hold_other_keys_as15() -> None:
    body = b'\xef\xbb\xbf{"success": true, "url": "wss://b.example/1"}'
    assert read_resolver_answer(200, "application/json", body) == "wss://b.example/1"


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, b"{}", "HTTP 404"),
        (200, b" \n<Response><Connect/></Response>", "XML"),
        (200, b"wss://b.example", "not JSON"),
        (200, b"\xff", "not JSON"),
        (200, b"[" * 50_000, "not JSON"),
        (200, b'["wss://b.example"]', "not a JSON object"),
        (200, b'{"Url": "wss://b.example", "ok": 1}', "its keys: Url, ok"),
        (200, b'{"url": ""}', 'no text under "url"'),
        (200, b'{"url": 5}', 'no text under "url"'),
        (200, b"{}", "its keys: none"),
        (200, b" " * (BODY_LIMIT + 1), "longer than 65536"),
    ],
)
def test_a_wrong_resolvers_answer_is_explained_as17_as18_us15(
    status: int, body: bytes, text: str
) -> None:
    with pytest.raises(PeerError) as caught:
        read_resolver_answer(status, "", body)
    assert text in str(caught.value)


@given(st.text(max_size=80), st.sampled_from(["", "wss://", "ws://a:b@", "https://x/?"]))
def test_any_url_is_an_address_or_a_peer_error(rest: str, start: str) -> None:
    try:
        found = read_address(start + rest, DEFAULT)
    except PeerError:
        return
    if isinstance(found, BotAddress):
        assert found.target.isascii()
        assert found.target.isprintable()
        assert found.host_header.isascii()
        assert 0 < found.port < 65_536


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_resolvers_answer_is_a_url_or_a_peer_error(body: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert read_resolver_answer(200, "", body)
