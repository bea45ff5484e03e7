"""URIs: parse, format, compare (RFC 3261 §19.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.sip.uri import SipUri, check_request_uri, parse_uri

TEXT = st.text(min_size=1, max_size=20)
ASCII_NAME = st.from_regex(r"[a-z][a-z0-9\-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@atlanta.com", SipUri("sip", "atlanta.com", "alice")),
        ("SIPS:+1@[2001:db8::1]:5061", SipUri("sips", "[2001:db8::1]", "+1", port=5061)),
        ("sip:a:secret%21@b", SipUri("sip", "b", "a", "secret!")),
        ("sip:a:@b", SipUri("sip", "b", "a", "")),
        ("sip:b;lr;A=B", SipUri("sip", "b", params={"lr": None, "a": "B"})),
        ("sip:b?Subject=a%20b&X=", SipUri("sip", "b", headers=(("Subject", "a b"), ("X", "")))),
        ("tel:+1-201-555-0123;ext=9", SipUri("tel", "", "+1-201-555-0123", params={"ext": "9"})),
        ("tel:110", SipUri("tel", "", "110")),
    ],
)  # fmt: skip
def test_a_uri_is_taken_apart_and_put_together(text: str, uri: SipUri) -> None:
    assert parse_uri(text) == uri
    assert parse_uri(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400), ("sip:", 400), ("sip:@host", 400), ("sip:a@b@c", 400), ("sip:a b@c", 400),
        ("sip:a@b:0", 400), ("sip:a@b:65536", 400), ("sip:a@b:", 400), ("sip:a%4@b", 400),
        ("sip:[2001:db8::zz]", 400), ("sip:[1::2::3]", 400), ("sip:b;", 400), ("sip:b;x=", 400),
        ("sip:b;a=1;A=2", 400), ("sip:b?", 400), ("sip:b?a", 400), ("sip:b?=a", 400),
        ("sip:b?a=%zz", 400), ("tel:", 400), ("tel:abc;", 400), ("http://example.com", 416),
        ("urn:service:sos", 416), ("sip", 400), ("sip:b\n", 400), ("sip:é@b", 400),
    ],
)  # fmt: skip
def test_what_is_no_uri_is_refused(text: str, status: int) -> None:
    with pytest.raises(PeerError) as refused:
        parse_uri(text)
    assert refused.value.status == status
    with pytest.raises(PeerError) as refused:
        check_request_uri(text)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "text",
    ["sip:a@b", "sip:a@b:5060;transport=udp", "sip:a@b:65535", "sip:b:05060;a;b", "tel:+1;ext=2"],
)
def test_a_request_uri_has_no_headers(text: str) -> None:
    check_request_uri(text)
    if text.startswith("sip"):
        with pytest.raises(PeerError, match="headers"):
            check_request_uri(f"{text}?Route=x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&Subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
    ],
)
def test_equivalent_uris_match_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert parse_uri(one).matches(parse_uri(other))
    assert parse_uri(other).matches(parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:a:@b"),
    ],
)
def test_different_uris_do_not_match_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert not parse_uri(one).matches(parse_uri(other))
    assert not parse_uri(other).matches(parse_uri(one))


def test_parameters_are_added_and_taken_away() -> None:
    uri = parse_uri("sip:a@b;lr;maddr=c?x=y").with_params(transport="TCP", ob=None)
    assert str(uri) == "sip:a@b;lr;maddr=c;transport=TCP;ob?x=y"
    assert (uri.transport, uri.is_loose_router) == ("tcp", True)
    assert str(uri.without("maddr", "lr", headers=True)) == "sip:a@b;transport=TCP;ob"
    assert parse_uri("sip:b").transport == ""
    assert (parse_uri("sip:[::1]").address, parse_uri("sip:b").address) == ("::1", "b")


@given(TEXT, st.none() | TEXT, st.dictionaries(ASCII_NAME, st.none() | TEXT), TEXT)
def test_whatever_the_text_formatting_and_parsing_is_identity(
    user: str, password: str | None, params: dict[str, str | None], header: str
) -> None:
    uri = SipUri("sip", "host.example", user, password, 5060, params, ((header, header),))
    assert parse_uri(str(uri)) == uri


@given(st.text(max_size=60) | st.from_regex(r"sips?:[ -~]{0,60}", fullmatch=True))
def test_any_text_gives_a_uri_or_a_peer_error_and_both_checks_agree(text: str) -> None:
    try:
        uri = parse_uri(text)
    except PeerError:
        with pytest.raises(PeerError):
            check_request_uri(text)
        return
    assert parse_uri(str(uri)) == uri
    if not uri.headers:
        check_request_uri(text)
