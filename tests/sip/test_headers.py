"""Typed header values (RFC 3261 §20, §25.1)."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.sip.headers import (
    CSeq,
    NameAddr,
    RAck,
    Reason,
    SessionExpires,
    Via,
    check_address,
    check_addresses,
    check_vias,
    format_params,
    parse_cseq,
    parse_name_addr,
    parse_name_addr_list,
    parse_options,
    parse_params,
    parse_rack,
    parse_reasons,
    parse_session_expires,
    parse_top_via,
    parse_via_list,
    quote,
    split_list,
    unquote,
)

NOISE = st.text(alphabet='sip:a@b<>";,= \t\\()%é/2.0UDP[]1', max_size=60)


def test_a_quoted_display_name_cannot_become_the_address() -> None:
    address = parse_name_addr('"<sip:ceo@a>" <sip:x@b>;tag=1')
    assert address == NameAddr("<sip:ceo@a>", "sip:x@b", {"tag": "1"})
    assert address.sip_uri().host == "b"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("sip:a@b", NameAddr("", "sip:a@b")),
        ("sip:a@b;tag=x;y", NameAddr("", "sip:a@b", {"tag": "x", "y": None})),
        ("<sip:a@b;lr>;tag=x", NameAddr("", "sip:a@b;lr", {"tag": "x"})),
        ("A. Bell <sip:a@b>", NameAddr("A. Bell", "sip:a@b")),
        ("Zoë <sip:a@b>", NameAddr("Zoë", "sip:a@b")),
        ('"a \\"b\\" \\\\" <sip:a@b> ; Q = "x y"', NameAddr('a "b" \\', "sip:a@b", {"q": "x y"})),
        ('"a,b" <tel:+1>', NameAddr("a,b", "tel:+1")),
        ("<urn:service:sos>", NameAddr("", "urn:service:sos")),
    ],
)
def test_an_address_is_read_in_every_form(text: str, address: NameAddr) -> None:
    assert parse_name_addr(text) == address
    assert parse_name_addr(str(address)) == address
    check_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "<>", "<a>", "a@b", '"x <sip:a@b>', "Bell, A <sip:a@b>", "<sip:a@b", "sip:a@b>",
        "< sip:a@b >", "<sip:a@b>;", "<sip:a@b>;tag=1;TAG=2", "<sip:a@b>;tag=", "sip:a@b?x=y",
        "<sip:a@b> <sip:c@d>", "<sip:a@b>,", '<sip:a@b>;x="', "<sip:a\nb>",
    ],
)  # fmt: skip
def test_a_malformed_address_is_refused_by_parser_and_check(text: str) -> None:
    for refuses in (parse_name_addr, check_address):
        with pytest.raises(PeerError):
            refuses(text)
    for refuses_list in (lambda: parse_name_addr_list([text]), lambda: check_addresses(text)):
        with pytest.raises(PeerError):
            refuses_list()


def test_one_address_is_one() -> None:
    with pytest.raises(PeerError, match="more than one"):
        parse_name_addr("<sip:a@b>, <sip:c@d>")
    with pytest.raises(PeerError):
        check_address("<sip:a@b>, <sip:c@d>")


def test_lists_of_addresses_span_commas_and_fields() -> None:
    values = ['"a, b" <sip:a@b;x=1,2>;q=1 , <sip:c>', "sip:d@e;lr"]
    assert [one.uri for one in parse_name_addr_list(values)] == [
        "sip:a@b;x=1,2",
        "sip:c",
        "sip:d@e",
    ]
    check_addresses(values[0])
    check_vias("SIP/2.0/UDP a;x=1;y=2 , SIP/2.0/TCP b:5060")
    assert parse_name_addr_list([]) == []


def test_a_tag_is_given() -> None:
    assert NameAddr("", "sip:a@b").tag == ""
    assert str(NameAddr('"', "sip:a@b").with_tag("t")) == '"\\"" <sip:a@b>;tag=t'


def test_a_via_is_read_and_written() -> None:
    text = "SIP/2.0/udp [2001:db8::1]:5060;branch=z9hG4bKx;rport;received=2001:db8::2"
    (via,) = parse_via_list([text])
    assert via == Via("UDP", "[2001:db8::1]", 5060, via.params)
    assert (via.branch, via.rport, via.received) == ("z9hG4bKx", 0, "2001:db8::2")
    assert str(via) == text.replace("udp", "UDP")
    assert str(Via("TCP", "a.example")) == "SIP/2.0/TCP a.example"


@pytest.mark.parametrize(
    ("params", "rport"),
    [
        ({}, None),
        ({"rport": None}, 0),
        ({"rport": "5070"}, 5070),
        ({"rport": "x"}, 0),
        ({"rport": "1" * 9}, 0),
    ],
)
def test_rport_is_absent_asked_for_or_given_rfc_3581(
    params: dict[str, str | None], rport: int | None
) -> None:
    assert Via("UDP", "a", 0, params).rport == rport


@pytest.mark.parametrize(
    ("host", "params", "seen"),
    [
        ("192.0.2.1", {}, {}),
        ("pc.example", {}, {"received": "192.0.2.1"}),
        ("192.0.2.1", {"rport": None}, {"rport": "5070", "received": "192.0.2.1"}),
    ],
)
def test_a_hop_is_told_where_it_was_seen(
    host: str, params: dict[str, str | None], seen: dict[str, str | None]
) -> None:
    assert Via("UDP", host, 0, params).seen_from("192.0.2.1", 5070).params == seen
    assert Via("UDP", "[2001:DB8::1]").seen_from("2001:db8::1", 1).params == {}


def test_the_top_hop_is_split_from_the_rest() -> None:
    top, rest = parse_top_via("SIP/2.0/UDP a;x=1 , SIP/2.0/TCP b, SIP/2.0/TCP c")
    assert (top.host, rest) == ("a", "SIP/2.0/TCP b, SIP/2.0/TCP c")
    assert parse_top_via("SIP/2.0/UDP a")[1] == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "SIP/2.0/UDP", "SIP/3.0/UDP a", "SIP/2.0/UDP a:65536", "SIP/2.0/UDP a,",
        "SIP/2.0/UDP a;branch=1;Branch=2", "SIP/2.0/UDP a b", "SIP/2.0/UDP [::1", "UDP a",
        "SIP/2.0/UDP a;;", "SIP/2.0/UDP a, nonsense",
    ],
)  # fmt: skip
def test_a_malformed_via_is_refused_by_parser_and_check(text: str) -> None:
    with pytest.raises(PeerError):
        parse_via_list([text])
    with pytest.raises(PeerError):
        check_vias(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "INVITE", "1INVITE", "2147483648 INVITE", "-1 BYE", "1 BYE x", "99999999999 BYE",
        "\N{ARABIC-INDIC DIGIT ONE} BYE",
    ],
)  # fmt: skip
def test_a_malformed_cseq_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse_cseq(text)


def test_cseq_and_rack_are_read_and_written() -> None:
    assert parse_cseq("0009\t INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(2147483647, "BYE")) == "2147483647 BYE"
    rack = parse_rack("776656 1 INVITE")
    assert rack == RAck(776656, CSeq(1, "INVITE"))
    assert parse_rack(str(rack)) == rack


@pytest.mark.parametrize(
    "text", ["0 1 INVITE", "4294967296 1 INVITE", "1 2147483648 INVITE", "1 BYE"]
)
def test_a_malformed_rack_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse_rack(text)


def test_reasons_are_read_sip_64() -> None:
    values = ['Q.850;cause=16;text="Normal, clear", SIP;cause=200', "X;cause=abc", "Y;cause=99999"]
    assert parse_reasons(values) == [
        Reason("Q.850", 16, "Normal, clear"),
        Reason("SIP", 200),
        Reason("X"),
        Reason("Y"),
    ]
    assert str(Reason("Q.850", 16, "a")) == 'Q.850;cause=16;text="a"'
    assert str(Reason("SIP")) == "SIP"
    with pytest.raises(PeerError):
        parse_reasons(["Q.850 cause"])


def test_session_expires_is_read_rfc_4028() -> None:
    assert parse_session_expires("1800;refresher=UAC") == SessionExpires(1800, "uac")
    assert str(SessionExpires(1800, "uas")) == "1800;refresher=uas"
    assert str(parse_session_expires("90")) == "90"
    for text in ("", "-1", "x", "4294967296"):
        with pytest.raises(PeerError):
            parse_session_expires(text)


def test_option_lists_are_split() -> None:
    assert parse_options(["100rel, timer,", "replaces"]) == ["100rel", "timer", "replaces"]


def test_lists_are_split_at_commas_outside_quotes_and_brackets() -> None:
    assert split_list(['a, "b, \\" c" ,<d,e>;x=1', "", " , f"]) == [
        "a",
        '"b, \\" c"',
        "<d,e>;x=1",
        "f",
    ]
    for text in ('"a', "<a", 'a, "b'):
        with pytest.raises(PeerError):
            split_list([text])


def test_parameters_are_read_and_written() -> None:
    assert parse_params("") == {}
    assert parse_params(' ; A = "x;y" ; b') == {"a": "x;y", "b": None}
    assert parse_params(";A=1;b") == {"a": "1", "b": None}
    for text in (';a="1";A=2', ";a;a"):
        with pytest.raises(PeerError):
            parse_params(text)
    assert format_params({"a": "1", "b": None, "c": 'x "y"'}) == ';a=1;b;c="x \\"y\\""'


@given(st.text(max_size=30))
def test_quoting_loses_nothing_but_control_characters(text: str) -> None:
    kept = "".join(char for char in text if char >= " " and char != "\x7f")
    assert unquote(quote(text)) == kept


PARSERS: list[Callable[[str], object]] = [
    parse_name_addr, parse_cseq, parse_rack, parse_session_expires, parse_top_via, check_vias,
    check_address, check_addresses, lambda text: split_list([text]),
    lambda text: parse_name_addr_list([text]), lambda text: parse_via_list([text]),
    lambda text: parse_reasons([text]), lambda text: parse_options([text]),
]  # fmt: skip


@given(NOISE, st.sampled_from(PARSERS))
def test_any_text_gives_a_value_or_a_peer_error(text: str, parse: Callable[[str], object]) -> None:
    with contextlib.suppress(PeerError):
        parse(text)


VIA_PARTS = st.lists(
    st.sampled_from(
        [
            ";branch=z9hG4bK1",
            ";rport",
            ";rport=5060",
            ";received=192.0.2.1",
            ";x",
            ":5060",
            ":99999",
            " ",
            ",",
        ]
    ),
    max_size=5,
)


@given(VIA_PARTS)
def test_a_hop_is_checked_as_it_is_parsed(parts: list[str]) -> None:
    text = "SIP/2.0/UDP a.example" + "".join(parts)
    assert is_refused(check_vias, text) == is_refused(lambda text: parse_via_list([text]), text)


@given(NOISE)
def test_the_checks_refuse_exactly_what_the_parsers_refuse(text: str) -> None:
    pairs: list[tuple[Callable[[str], object], Callable[[str], object]]] = [
        (check_address, parse_name_addr),
        (check_addresses, lambda text: parse_name_addr_list([text])),
        (check_vias, lambda text: parse_via_list([text])),
    ]
    for check, parse in pairs:
        assert is_refused(check, text) == is_refused(parse, text)


def is_refused(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except PeerError:
        return True
    return False
