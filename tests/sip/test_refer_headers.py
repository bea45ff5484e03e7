"""Refer-To, Replaces, Event and message fragments: what is read, what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.sip.message import Headers, Request
from agentstream.sip.refer_headers import (
    TARGET_LIMIT,
    ReferTo,
    Replaces,
    event_of,
    parse_refer_to,
    parse_replaces,
    read_fragment,
    write_fragment,
    write_refer_to,
)

CALL_IDS = st.text("abcXYZ019@.-+:[]!%*", min_size=1, max_size=60)
TAGS = st.text("abcXYZ019.-", min_size=1, max_size=30)


def notify(body: bytes, kind: str = "message/sipfrag", event: str = "refer") -> Request:
    headers = Headers([("Content-Type", kind), ("Event", event)])
    return Request("NOTIFY", "sip:192.0.2.10", headers, body)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:+14155550100@192.0.2.10", "sip:+14155550100@192.0.2.10"),
        ("<sip:14155550100@192.0.2.10>", "sip:14155550100@192.0.2.10"),
        ('"Carol" <sips:carol@c.example>;x=1', "sips:carol@c.example"),
        ("<tel:+14155550100>", "tel:+14155550100"),
        ("tel:+1-415-555-0100;phone-context=x", "tel:+1-415-555-0100;phone-context=x"),
        ("sip:carol@c.example;transport=tcp", "sip:carol@c.example;transport=tcp"),
        ("<sip:carol@c.example;method=INVITE>", "sip:carol@c.example"),
        ("<sip:trmum14155550100>", "sip:trmum14155550100"),
    ],
)
def test_a_refer_to_is_sip_sips_or_tel_with_brackets_or_without(text: str, target: str) -> None:
    """SIP-61, PN-34."""
    assert parse_refer_to([text]) == ReferTo(target)


def test_a_refer_to_may_name_the_dialog_to_replace_and_x_headers() -> None:
    """RFC 3891: percent-decoded; every other header of the URI is nobody's business."""
    text = (
        "<sip:carol@c.example?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only"
        "&X-Why=be%20kind&Route=%3Csip:evil.example%3E>"
    )
    wanted = ReferTo(
        "sip:carol@c.example", Replaces("a@b", "1", "2", True), (("X-Why", "be kind"),)
    )
    assert parse_refer_to([text]) == wanted


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([], 400),
        (["sip:a@b.example", "sip:c@d.example"], 400),
        (["sip:a@b.example, sip:c@d.example"], 400),
        (["<sip:a@b.example>, <sip:c@d.example>"], 400),
        (["mailto:a@b.example"], 416),
        (["<sip:a@b.example;method=BYE>"], 501),
        (["<sip:a@b.example?Replaces=a%3Bto-tag%3D1>"], 400),
        (["<sip:a@b.example?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&replaces=a>"], 400),
        ([f"sip:{'a' * TARGET_LIMIT}@b.example"], 400),
        ([""], 400),
    ],
)
def test_a_refer_to_that_cannot_be_followed_is_refused(values: list[str], status: int) -> None:
    """RFC 3515 section 2.4.2."""
    with pytest.raises(PeerError) as caught:
        parse_refer_to(values)
    assert caught.value.status == status


@given(st.text(max_size=80))
def test_a_refer_to_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(PeerError):
        parse_refer_to([text])


@given(CALL_IDS, TAGS, TAGS, st.booleans())
def test_a_replaces_that_is_written_is_read_again(
    call_id: str, to_tag: str, from_tag: str, early: bool
) -> None:
    known = Replaces(call_id, to_tag, from_tag, early)
    assert parse_replaces(str(known)) == known
    written = write_refer_to("sip:carol@c.example:5070;transport=tcp", str(known))
    assert parse_refer_to([written]) == ReferTo("sip:carol@c.example:5070;transport=tcp", known)


@given(st.text(max_size=60))
def test_a_replaces_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(PeerError):
        parse_replaces(text)


def test_a_fragment_begins_with_its_status_line() -> None:
    """PN-10: at byte one."""
    assert write_fragment(200, "") == b"SIP/2.0 200 OK\r\n"
    assert write_fragment(486, "Busy\r\nX: y") == b"SIP/2.0 486 Busy  X: y\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"SIP/2.0 486 Busy Here",
        b"SIP/2.0 486 Busy Here\r\nTo: <sip:a@b>\r\n\r\n",
        b"\r\nSIP/2.0 486 \n",
        b"SIP/2.0 486\r\n",
    ],
)
def test_the_status_of_a_fragment_is_read_as_others_write_it(body: bytes) -> None:
    assert read_fragment(notify(body, "Message/SipFrag;version=2.0")) == 486


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"SIP/2.0 486 Busy", "text/plain", 415),
        (b"", "message/sipfrag", 400),
        (b"SIP/2.0 700 What", "message/sipfrag", 400),
        (b"INVITE sip:a@b SIP/2.0", "message/sipfrag", 400),
        (b"SIP/2.0 4860 Busy", "message/sipfrag", 400),
    ],
)
def test_what_is_no_status_line_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(PeerError) as caught:
        read_fragment(notify(body, kind))
    assert caught.value.status == status


@given(st.binary(max_size=60))
def test_a_fragment_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert 100 <= read_fragment(notify(body)) <= 699


@pytest.mark.parametrize(
    ("event", "known"),
    [
        ("refer", ("refer", "")),
        ("Refer ; id = 7", ("refer", "7")),
        ("refer;id=7;x=y", ("refer", "7")),
        ("presence", ("presence", "")),
    ],
)
def test_an_event_has_a_package_and_perhaps_an_id(event: str, known: tuple[str, str]) -> None:
    assert event_of(notify(b"", event=event)) == known
