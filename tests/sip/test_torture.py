"""RFC 4475 and RFC 5118, written anew from their descriptions: every message has one outcome."""

from pathlib import Path

import pytest

from agentstream.base.errors import PeerError
from agentstream.sip.headers import parse_name_addr_list, parse_options, parse_via_list
from agentstream.sip.message import BadRequestError, Message, Request, Response
from agentstream.sip.uri import parse_uri
from agentstream.sip.wire import encode, parse_datagram

WIRE = Path(__file__).parents[1] / "wire" / "sip"


def read(name: str) -> bytes:
    return (WIRE / f"{name}.sip").read_bytes()


def request(name: str) -> Request:
    message = parse_datagram(read(name))
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    message = parse_datagram(read(name))
    assert isinstance(message, Response)
    return message


# What is wrong with each, by RFC 4475 §3.1.2 and §3.3, RFC 5118 §4; the status is what we answer.
REFUSED = {
    "rfc4475_badinv01": (400, "malformed Via"),
    "rfc4475_clerr": (400, "body shorter than Content-Length"),
    "rfc4475_ncl": (400, "malformed Content-Length"),
    "rfc4475_scalar02": (400, "malformed Max-Forwards"),
    "rfc4475_scalarlg": (400, "malformed CSeq"),
    "rfc4475_quotbal": (400, "malformed address"),
    "rfc4475_ltgtruri": (400, "malformed request line"),
    "rfc4475_lwsruri": (400, "malformed request line"),
    "rfc4475_lwsstart": (400, "malformed request line"),
    "rfc4475_trws": (400, "malformed request line"),
    "rfc4475_escruri": (400, "Request-URI with headers"),
    "rfc4475_baddate": (400, "Date not in GMT"),
    "rfc4475_regbadct": (400, "malformed address"),
    "rfc4475_badaspec": (400, "malformed address"),
    "rfc4475_baddn": (400, "malformed address"),
    "rfc4475_badvers": (505, "SIP version not supported"),
    "rfc4475_mismatch01": (400, "CSeq names another method"),
    "rfc4475_mismatch02": (400, "CSeq names another method"),
    "rfc4475_bigcode": (400, "malformed status line"),
    "rfc4475_insuf": (400, "Call-ID missing"),
    "rfc4475_unkscm": (416, "scheme"),
    "rfc4475_novelsc": (416, "scheme"),
    "rfc4475_multi01": (400, "CSeq given twice"),
    "rfc4475_mcl01": (400, "Content-Length given twice"),
    "rfc5118_ipv6_bad": (400, "malformed URI"),
    "rfc5118_three_colons": (400, "malformed IPv6 address"),
    "bare_line_feed": (400, "control character"),
    "via_with_3000_tabs_in_its_host": (400, "malformed Via"),
}
READ = sorted(path.stem for path in WIRE.glob("*.sip") if path.stem not in REFUSED)
RESPONSES = {"rfc4475_scalarlg", "rfc4475_bigcode", "via_with_3000_tabs_in_its_host"}
ANSWERABLE = sorted(set(REFUSED) - RESPONSES - {"rfc4475_insuf", "bare_line_feed"})


def test_the_set_is_complete() -> None:
    assert len(list(WIRE.glob("rfc4475_*.sip"))) == 49
    assert len(list(WIRE.glob("rfc5118_*.sip"))) == 11


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_broken_message_is_refused_for_the_right_reason(name: str) -> None:
    status, text = REFUSED[name]
    with pytest.raises(PeerError, match=text) as refused:
        parse_datagram(read(name))
    assert refused.value.status == status
    assert isinstance(refused.value, BadRequestError) == (name not in RESPONSES)


@pytest.mark.parametrize("name", READ)
def test_a_valid_message_comes_back_the_same_after_encoding(name: str) -> None:
    message = parse_datagram(read(name))
    again = parse_datagram(encode(message))
    assert without_length(again) == without_length(message)
    assert again.body == message.body


@pytest.mark.parametrize("name", READ)
def test_nothing_typed_in_a_valid_message_can_fail_later(name: str) -> None:
    message = parse_datagram(read(name))
    assert message.call_id
    assert message.cseq.number >= 0
    assert message.from_addr.uri
    assert message.to_addr.uri
    assert message.top_via.host
    assert parse_via_list(message.headers.all("Via"))[0] == message.top_via
    assert parse_name_addr_list(message.headers.all("Record-Route")) is not None


@pytest.mark.parametrize("name", ANSWERABLE)
def test_a_broken_request_can_be_answered(name: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_datagram(read(name))
    answer = refused.value.response("ours")
    assert answer is not None
    assert answer.status == refused.value.status
    assert encode(answer).startswith(b"SIP/2.0 4" if answer.status < 500 else b"SIP/2.0 505")


@pytest.mark.parametrize("name", ["rfc4475_insuf", "bare_line_feed"])
def test_a_request_of_which_too_little_is_left_cannot_be_answered(name: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_datagram(read(name))
    assert refused.value.response("ours") is None


def test_wsinv_is_read_through_its_folds_and_spaces() -> None:
    invite = request("rfc4475_wsinv")
    assert invite.uri == "sip:lena@desk.example.com;flavour"
    assert (invite.to_addr.uri, invite.to_tag) == ("sip:lena@desk.example.com", "88a1n")
    assert (invite.from_addr.display, invite.from_tag) == ('J Ros \\"', "98asjd8")
    assert (invite.cseq.number, invite.cseq.method) == (9, "INVITE")
    assert invite.headers.get("Max-Forwards") == "0068"
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("newfangledheader") == "a value that goes on in the next line"
    vias = parse_via_list(invite.headers.all("Via"))
    assert [(via.transport, via.host, via.branch) for via in vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.0.2.255", "z9hG4bK30239"),
    ]
    (contact,) = invite.contacts
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    (route,) = parse_name_addr_list(invite.headers.all("Route"))
    assert route.sip_uri().is_loose_router


def test_intmeth_keeps_every_odd_character() -> None:
    message = request("rfc4475_intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.to_addr.display == "BEL: NUL: DEL:"  # without the control characters
    assert message.from_addr.params["fromparam''~+*_!.-%"] == "работающий"
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_esc01_unescapes_users_and_parameters_once() -> None:
    invite = request("rfc4475_esc01")
    assert invite.to_addr.sip_uri().user == "user"
    assert invite.from_addr.sip_uri().user == "I have spaces"
    contact = invite.contacts[0].sip_uri()
    assert contact.user == "caller"
    assert contact.params == {"lr": None, "name": "value%41"}


def test_escnull_keeps_escaped_zero_octets() -> None:
    users = [contact.sip_uri().user for contact in request("rfc4475_escnull").contacts]
    assert users == ["\0", "\0\0"]


def test_esc02_does_not_unescape_methods_names_and_display_names() -> None:
    message = request("rfc4475_esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to_addr.display == "%Z%45"
    assert len(message.contacts) == 2


def test_lwsdisp_needs_no_space_before_the_bracket() -> None:
    assert request("rfc4475_lwsdisp").from_addr.display == "caller"


def test_longreq_is_read_with_its_33_hops() -> None:
    assert len(request("rfc4475_longreq").headers.all("Via")) == 33


def test_dblreq_ends_where_content_length_says() -> None:
    message = request("rfc4475_dblreq")
    assert (message.method, message.body) == ("REGISTER", b"")


def test_semiuri_has_its_parameter_in_the_user() -> None:
    uri = parse_uri(request("rfc4475_semiuri").uri)
    assert (uri.user, uri.host, uri.params) == ("user;par=u@example.net", "example.com", {})


def test_transports_that_are_unknown_may_stand_in_via() -> None:
    vias = parse_via_list(request("rfc4475_transports").headers.all("Via"))
    assert [via.transport for via in vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01_has_every_octet_in_its_body() -> None:
    assert bytes(range(256)) in request("rfc4475_mpart01").body


def test_unreason_and_noreason_are_reasons() -> None:
    assert response("rfc4475_unreason").reason.endswith("простое")
    assert response("rfc4475_noreason").reason == ""


def test_what_only_the_endpoint_can_judge_is_passed_up() -> None:
    assert request("rfc4475_badbranch").top_via.branch == "z9hG4bK"
    assert len(parse_options(request("rfc4475_bext01").headers.all("Require"))) == 2
    assert request("rfc4475_invut").headers.get("Content-Type") == "application/unknownformat"
    assert request("rfc4475_sdp01").headers.get("Accept") == "text/nobodyKnowsThis"
    assert request("rfc4475_zeromf").headers.get("Max-Forwards") == "0"
    assert request("rfc4475_regaut01").headers.get("Authorization") is not None
    assert len(response("rfc4475_bcast").headers.all("Via")) == 2


def test_unksm2_has_schemes_that_only_a_registrar_can_refuse() -> None:
    message = request("rfc4475_unksm2")
    assert message.to_addr.uri == "isbn:2983792873"
    with pytest.raises(PeerError) as refused:
        message.contacts[0].sip_uri()
    assert refused.value.status == 416


def test_cparam_tells_header_parameters_from_uri_parameters() -> None:
    outside, inside = (request(f"rfc4475_cparam0{n}").contacts[0] for n in (1, 2))
    assert (outside.uri, outside.params) == (
        "sip:+19725552222@gw1.example.net",
        {"unknownparam": None},
    )
    assert (inside.sip_uri().params, inside.params) == ({"unknownparam": None}, {})


def test_regescrt_keeps_the_header_in_its_uri() -> None:
    uri = request("rfc4475_regescrt").contacts[0].sip_uri()
    assert uri.headers == (("Route", "<sip:sip.example.com>"),)


def test_inv2543_needs_neither_tags_nor_branch_nor_content_length() -> None:
    invite = request("rfc4475_inv2543")
    assert (invite.from_tag, invite.top_via.branch) == ("", "")
    assert invite.body.startswith(b"v=0") or invite.body == b""


def test_ipv6_ports_are_told_from_addresses() -> None:
    ambiguous = parse_uri(request("rfc5118_port_ambiguous").uri)
    assert (ambiguous.address, ambiguous.port) == ("2001:db8::10:5070", 0)
    unambiguous = parse_uri(request("rfc5118_port_unambiguous").uri)
    assert (unambiguous.address, unambiguous.port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize("name", ["with", "no"])
def test_received_is_read_with_and_without_brackets(name: str) -> None:
    via = request(f"rfc5118_via_received_{name}_delimiters").top_via
    assert via.received == "2001:db8::9:255"


def test_the_spoofed_display_name_does_not_become_the_caller() -> None:
    invite = request("spoofed_display_name")
    assert invite.from_addr.display == "<sip:ceo@trusted.example>"
    assert invite.from_addr.sip_uri().host == "evil.example"


def without_length(message: Message) -> tuple[object, ...]:
    items = [item for item in message.headers if item[0] != "Content-Length"]
    if isinstance(message, Request):
        return (message.method, message.uri, items)
    return (message.status, message.reason, items)
