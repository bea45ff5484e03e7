"""Bytes to messages and back; streams cut anywhere; limits."""

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError, PeerError
from agentstream.sip.message import BadRequestError, Headers, Request, Response
from agentstream.sip.wire import Limits, Ping, StreamParser, encode, parse_datagram

WIRE = Path(__file__).parents[1] / "wire" / "sip"
HEAD = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
)
PING, PONG = b"\r\n\r\n", b"\r\n"
ALLOWED_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30).map(str.strip)


def options(*lines: bytes, body: bytes = b"") -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def test_the_carrier_invite_survives_to_the_last_byte() -> None:
    data = (WIRE / "carrier_invite.sip").read_bytes()
    message = parse_datagram(data)
    assert isinstance(message, Request)
    assert message.headers.get("x-exotel-callsid") == "c0ffee0123456789abcdef0123456789"
    assert message.body.startswith(b"v=0\r\n")
    assert encode(message) == data


def test_any_byte_of_a_peer_goes_out_as_it_came() -> None:
    data = options(
        b"Subject: caf\xe9 \xff \xf0\x9f\x98\x80", b"Content-Length: 3", body=b"\0\xff\r"
    )
    assert encode(parse_datagram(data)) == data


@given(ALLOWED_TEXT, st.binary(max_size=50))
def test_formatting_and_parsing_is_identity(text: str, body: bytes) -> None:
    message = parse_datagram(options())
    message.headers.add("X-Any", text)
    message.body = body
    again = parse_datagram(encode(message))
    assert (again.headers.get("X-Any"), again.body) == (text, body)


def test_folded_lines_are_one_line() -> None:
    message = parse_datagram(options(b"Subject: a\r\n\t b\r\n  c"))
    assert message.headers.get("s") == "a b c"


def test_leading_line_breaks_and_trailing_bytes_are_dropped() -> None:
    message = parse_datagram(PING + options(b"l: 2", body=b"abcd"))
    assert message.body == b"ab"
    assert parse_datagram(options(body=b"all")).body == b"all"


@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        (b"no colon", "malformed header line", 400),
        (b"Subject", "malformed header line", 400),
        (b"Refer-To: <sip:a>\r\nr: <sip:b>", "Refer-To given twice", 400),
        (b": no name", "malformed header line", 400),
        (b"na me: x", "malformed header line", 400),
        (b"n\xc3\xa9: x", "malformed header line", 400),
        (b"X: \0", "control character", 400),
        (b"X: a\rb", "control character", 400),
        (b"X: a\nb: c", "control character", 400),
        (b'Subject: "\\\r"', "control character", 400),
        (b'Subject: "\\\n"', "control character", 400),
        (b"X: \x7f", "control character", 400),
        (b"X: " + b"y" * 9_000, "line too long", 513),
        (b"\r\n".join([b"X: y"] * 130), "too many headers", 513),
        (b"Via: " + b", ".join([b"SIP/2.0/UDP c"] * 80), "too many Via", 513),
        (b"Max-Forwards: 256", "malformed Max-Forwards", 400),
        (b"Max-Forwards: 99999999999", "malformed Max-Forwards", 400),
        (b"Expires: 4294967296", "malformed Expires", 400),
        (b"Content-Length: +1", "malformed Content-Length", 400),
        (b"Content-Length: 1", "shorter", 400),
        (b"i: 2", "Call-ID given twice", 400),
        (b"Contact: *, <sip:a>", "malformed address", 400),
        (b"Date: today", "not in GMT", 400),
    ],
)
def test_what_breaks_a_rule_is_refused(line: bytes, text: str, status: int) -> None:
    with pytest.raises(BadRequestError, match=text) as refused:
        parse_datagram(options(line))
    assert refused.value.status == status
    assert refused.value.request.method == "OPTIONS"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"Call-ID: 1", b"Call-ID: a b", "malformed Call-ID"),
        (b"Call-ID: 1", b"Call-ID:", "malformed Call-ID"),
        (b"Call-ID: 1", b"X: y", "Call-ID missing"),
        (b"1 OPTIONS", b"1 INVITE", "another method"),
        (b"branch=z9hG4bK1", b"branch=z9hG4bK1" + b", SIP/2.0/UDP c" * 70, "too many Via"),
        (b"OPTIONS sip:a@b SIP/2.0", b"OPTIONS sip:a@b", "request line"),
        (b"OPTIONS sip:a@b SIP/2.0", b"OPTIONS sip:a@b SIP/3.0", "version"),
        (b"OPTIONS sip:a@b SIP/2.0", b"", "request line"),
    ],
)
def test_a_broken_frame_is_refused(old: bytes, new: bytes, text: str) -> None:
    with pytest.raises(BadRequestError, match=text):
        parse_datagram(options().replace(old, new))


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\xff\xfe", b"SIP/2.0 200 OK", b"SIP/1.0 200 OK"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        parse_datagram(data)


def test_a_message_beyond_64_kib_is_refused() -> None:
    with pytest.raises(PeerError) as refused:
        parse_datagram(options(body=bytes(65_536)))
    assert refused.value.status == 513


def test_contact_may_be_a_star_and_dates_in_gmt() -> None:
    message = parse_datagram(
        options(b"Contact: *", b"Date: Sat, 13 Nov 2010 23:29:00 GMT", b"Expires: 3600")
    )
    assert message.headers.get("m") == "*"


@pytest.mark.parametrize("line", [b"SIP/2.0 100 ", b"SIP/2.0 100", b"sip/2.0 100 "])
def test_a_response_needs_no_reason(line: bytes) -> None:
    message = parse_datagram(line + options()[23:])
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (100, "")


@pytest.mark.parametrize(
    "line", [b"SIP/2.0 099 x", b"SIP/2.0 700 x", b"SIP/2.0  200 x", b"SIP/2.1 200 x"]
)
def test_a_response_with_a_broken_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(PeerError):
        parse_datagram(line + options()[23:])


RUNS = [
    b" ",
    b"\t",
    b"0",
    b"a",
    b"a ",
    b";a",
    b";a=b",
    b"\\",
    b'"',
    b'\\"',
    b"<",
    b",",
    b"%41",
    b":",
    b"/",
]
LINEAR_S = 0.5  # CPU time: a linear reader needs some 10 ms for 50 kB, a quadratic one many seconds
BEFORE = [
    b"X: ", b"Subject:", b"Via: SIP/2.0/UDP c", b"Via: SIP/2.0/UDP c;a", b"CSeq: 1", b"To: a",
    b"Contact: <sip:a>", b"Contact: <sip:a>;b=",b"Contact: ", b'Contact: "', b"Contact: <sip:",
    b"Route: <sip:a>,", b"Date: ", b"Max-Forwards: ", b"Expires: ", b"Content-Length: ", b"l",
]  # fmt: skip


@pytest.mark.parametrize("before", BEFORE)
def test_no_run_of_anything_takes_long(before: bytes) -> None:
    for run in RUNS:
        for size in (8_000, 50_000):
            data = options(before + run * (size // len(run)) + b"!x", b"X: y\r\n z")
            started = time.thread_time()
            with contextlib.suppress(PeerError):
                parse_datagram(data)
            with contextlib.suppress(PeerError):
                parse_datagram(data.replace(b"sip:a@b", b"sip:" + run * (size // len(run)), 1))
            StreamParser().feed(data)
            assert time.thread_time() - started < LINEAR_S, run


def test_salvage_keeps_one_of_each_and_all_hops() -> None:
    data = options(b"Via: SIP/2.0/UDP z", b"To: <sip:x@y>", b"Content-Length: x")
    with pytest.raises(BadRequestError) as refused:
        parse_datagram(data)
    names = sorted(name for name, _ in refused.value.request.headers)
    assert names == ["CSeq", "Call-ID", "From", "To", "Via", "Via"]


def test_content_length_is_ours_to_write() -> None:
    response = Response(200, "OK", Headers([("Content-Length", "99"), ("l", "98")]), b"abc")
    assert encode(response) == b"SIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("reason", ["a\r\nX: y", "a\nb", "a\rb"])
def test_a_line_break_never_reaches_the_wire(reason: str) -> None:
    with pytest.raises(CommandError):
        encode(Response(200, reason))


STREAM = [
    PING,
    options(b"Content-Length: 4", body=b"\r\n\r\n"),
    PONG,
    options(b"l:\r\n  0"),
    options(b"X: Content-Length: 9", b"CONTENT-LENGTH : 002", body=b"ab"),
    PING,
]
FRAMES = [Ping(), STREAM[1], STREAM[3], STREAM[4], Ping()]


def test_a_stream_gives_messages_and_pings() -> None:
    assert StreamParser().feed(b"".join(STREAM)) == FRAMES


@given(st.lists(st.integers(0, len(b"".join(STREAM))), max_size=20))
def test_any_cut_of_the_stream_gives_the_same_frames(cuts: list[int]) -> None:
    data = b"".join(STREAM)
    parser = StreamParser()
    frames: list[object] = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        frames += parser.feed(data[start:end])
    assert frames == FRAMES
    assert not parser.has_partial


def test_one_byte_at_a_time_gives_the_same_frames() -> None:
    parser = StreamParser()
    assert [f for byte in b"".join(STREAM) for f in parser.feed(bytes((byte,)))] == FRAMES


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (options(), "Content-Length"),
        (options(b"Content-Length: 1", b"l: 1"), "Content-Length"),
        (options(b"Content-Length: -1"), "Content-Length"),
        (options(b"Content-Length: 65536"), "too large"),
        (b"\n\n", "line break"),
        (b"\rX", "line break"),
        (b"x" * 70_000, "too large"),
    ],
)
def test_a_stream_that_loses_its_frame_is_over(data: bytes, text: str) -> None:
    parser = StreamParser()
    whole = options(b"l: 0")
    first, error = parser.feed(whole + data)
    assert first == whole
    assert isinstance(error, PeerError)
    assert text in str(error)
    assert parser.feed(whole) == []


def test_the_stream_limit_can_be_smaller() -> None:
    (error,) = StreamParser(Limits(message_bytes=100)).feed(b"x" * 101)
    assert isinstance(error, PeerError)
