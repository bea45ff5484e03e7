"""Headers, requests, responses, and the answer to a broken request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError, PeerError
from agentstream.sip.headers import CSeq, Via
from agentstream.sip.message import (
    BadRequestError,
    Headers,
    Request,
    Response,
    canonical,
    respond,
)

NAMES = st.sampled_from(
    ["Via", "v", "VIA", "X-Exotel-CallSid", "x-exotel-callsid", "X-Own", "x-own"]
)


def invite(*extra: tuple[str, str], to: str = "<sip:b@example.com>") -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/UDP b.example"),
            ("Via", "SIP/2.0/UDP c.example"),
            ("From", "<sip:a@example.com>;tag=theirs"),
            ("To", to),
            ("Call-ID", "1@a.example"),
            ("CSeq", "7 INVITE"),
            *extra,
        ]
    )
    return Request("INVITE", "sip:b@example.com", headers)


@pytest.mark.parametrize(
    ("written", "name"),
    [("v", "Via"), ("V", "Via"), ("call-id", "Call-ID"), ("CALL-ID", "Call-ID"), ("m", "Contact"),
     ("x-exotel-callsid", "X-Exotel-CallSid"), ("X-Own", "X-Own")],
)  # fmt: skip
def test_names_are_known_in_every_spelling_and_compact_form(written: str, name: str) -> None:
    assert canonical(written) == name


def test_headers_keep_their_order_and_compare_names_without_case() -> None:
    headers = Headers([("v", "1"), ("X-Own", "a"), ("VIA", "2")])
    headers.add("x-own", "b")
    assert headers.items() == [("Via", "1"), ("X-Own", "a"), ("Via", "2"), ("x-own", "b")]
    assert (headers.get("via"), headers.all("Via")) == ("1", ["1", "2"])
    assert (headers.get("x-OWN"), headers.all("X-own")) == ("a", ["a", "b"])
    assert headers.get("To") is None
    assert headers.get("X-Other") is None
    assert "X-OWN" in headers
    assert "To" not in headers
    assert len(headers) == 4


def test_set_replaces_in_place_and_drops_the_others() -> None:
    headers = Headers([("Via", "1"), ("To", "t"), ("Via", "2"), ("X-A", "1"), ("x-a", "2")])
    headers.set("v", "3")
    headers.set("X-a", "3")
    headers.set("From", "f")
    assert headers.items() == [("Via", "3"), ("To", "t"), ("X-a", "3"), ("From", "f")]
    headers.remove("via")
    headers.remove("x-A")
    headers.remove("X-Other")
    headers.prepend("Route", "r")
    assert headers.items() == [("Route", "r"), ("To", "t"), ("From", "f")]


def test_a_copy_is_independent_and_equality_is_by_value() -> None:
    headers = Headers([("To", "t")])
    copy = headers.copy()
    assert copy == headers
    copy.add("From", "f")
    assert copy != headers
    assert headers != [("To", "t")]
    assert "From" in repr(copy)
    with pytest.raises(TypeError):
        hash(headers)


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nb"), ("X", "a\nb"), ("X\n", "a"), ("", "a")]
)
def test_no_header_of_ours_can_break_a_line(name: str, value: str) -> None:
    for put in (Headers().add, Headers().set, Headers().prepend):
        with pytest.raises(CommandError):
            put(name, value)


@given(st.lists(st.tuples(NAMES, st.sampled_from("ab"))), NAMES)
def test_get_is_the_first_of_all_and_removing_leaves_none(
    items: list[tuple[str, str]], name: str
) -> None:
    headers = Headers(items)
    assert headers.get(name) == next(iter(headers.all(name)), None)
    headers.set(name, "new")
    assert headers.all(name) == ["new"]
    headers.remove(name)
    assert headers.all(name) == []
    assert name not in headers


def test_what_both_kinds_of_message_share_is_typed() -> None:
    request = invite(("Contact", "<sip:a@a.example:5070>"), ("m", "<sip:c>"))
    assert request.call_id == "1@a.example"
    assert request.cseq == CSeq(7, "INVITE")
    assert (request.from_tag, request.to_tag) == ("theirs", "")
    assert request.top_via.branch == "z9hG4bK1"
    assert [contact.uri for contact in request.contacts] == ["sip:a@a.example:5070", "sip:c"]


@pytest.mark.parametrize("attribute", ["cseq", "from_addr", "to_addr", "top_via"])
def test_what_is_missing_is_the_peers_error(attribute: str) -> None:
    empty = Response(200, "OK")
    assert (empty.call_id, empty.contacts) == ("", [])
    with pytest.raises(PeerError):
        getattr(empty, attribute)


def test_the_top_hop_is_replaced_and_the_others_stay() -> None:
    request = invite()
    request.replace_top_via(Via("UDP", "z.example"))
    assert request.headers.all("Via") == [
        "SIP/2.0/UDP z.example, SIP/2.0/UDP b.example",
        "SIP/2.0/UDP c.example",
    ]
    alone = Request("ACK", "sip:b", Headers([("To", "<sip:b>")]))
    alone.replace_top_via(Via("UDP", "x.example"))
    alone.replace_top_via(Via("UDP", "y.example"))
    assert alone.headers.all("Via") == ["SIP/2.0/UDP y.example"]


@pytest.mark.parametrize(
    ("status", "is_provisional", "is_success"),
    [(180, True, False), (200, False, True), (300, False, False)],
)
def test_responses_know_their_class(status: int, is_provisional: bool, is_success: bool) -> None:
    response = Response(status, "")
    assert (response.is_provisional, response.is_success) == (is_provisional, is_success)


def test_a_response_echoes_what_rfc_3261_8_2_6_2_says() -> None:
    request = invite(("Record-Route", "<sip:p;lr>"), ("Contact", "<sip:a>"), ("Timestamp", "54"))
    response = respond(request, 180, to_tag="ours")
    names = [name for name, _ in response.headers]
    assert names == ["Via", "Via", "From", "To", "Call-ID", "CSeq", "Timestamp"]
    assert (response.reason, response.to_tag) == ("Ringing", "ours")
    assert respond(request, 200, with_route=True).headers.get("Record-Route") == "<sip:p;lr>"
    assert respond(request, 299).reason == "Unknown"
    assert respond(request, 200, "Fine").reason == "Fine"
    assert request.to_tag == ""


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        ("<sip:b@c>;tag=x", "<sip:b@c>;tag=x"),
        ("sip:b@c;y=1", "<sip:b@c>;y=1;tag=ours"),
        ('"B" <sip:b@c>', '"B" <sip:b@c>;tag=ours'),
        ("<sip:b@c>;y=1", "<sip:b@c>;y=1;tag=ours"),
    ],
)
def test_a_tag_is_added_once_and_never_to_the_uri(to: str, answered: str) -> None:
    assert respond(invite(to=to), 200, to_tag="ours").headers.get("To") == answered


def test_a_request_without_to_still_gets_a_response() -> None:
    assert respond(Request("OPTIONS", "sip:a"), 400, to_tag="ours").headers.items() == []


def test_a_broken_request_is_answered_with_what_is_wrong() -> None:
    answer = BadRequestError("malformed Via", 400, invite()).response("ours")
    assert answer is not None
    assert (answer.status, answer.to_tag) == (400, "ours")
    assert answer.headers.get("Warning") == '399 agentstream "malformed Via"'


def test_a_broken_to_goes_back_as_it_came() -> None:
    answer = BadRequestError("malformed address", 400, invite(to='"B <sip:b@c>;x')).response("ours")
    assert answer is not None
    assert answer.headers.get("To") == '"B <sip:b@c>;x'


def test_a_broken_ack_and_a_request_without_cseq_are_not_answered() -> None:
    ack = invite()
    ack.method = "ACK"
    assert BadRequestError("broken", 400, ack).response() is None
    mute = invite()
    mute.headers.remove("CSeq")
    assert BadRequestError("broken", 400, mute).response() is None
