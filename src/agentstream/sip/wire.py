"""Bytes to messages and back (RFC 3261 §7, §25): strict, bounded, and never anything but PeerError.

start line CRLF  *(name ":" value CRLF)  CRLF  body
"""

import re
from collections.abc import Callable

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.values import dataclass
from agentstream.sip.headers import (
    check_address,
    check_addresses,
    check_vias,
    parse_cseq,
)
from agentstream.sip.message import (
    SPELLINGS,
    BadRequestError,
    Headers,
    Message,
    Request,
    Response,
    canonical,
)
from agentstream.sip.uri import check_request_uri


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one message; above them it is refused with 513 (or 400 for a count)."""

    message_bytes: int = 65_536
    line_chars: int = 8_192
    headers: int = 128
    vias: int = 70  # as many as Max-Forwards starts with


LIMITS = Limits()

_WORD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_REQUEST_LINE = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+) ([^\s<>\"]+) (SIP/[0-9]+\.[0-9]+)", re.I)
_STATUS_LINE = re.compile(r"(SIP/[0-9]+\.[0-9]+) ([1-6][0-9]{2})(?: (.*))?", re.I)
_FOLD = re.compile(r"\r\n[ \t]++")
# A control character may only stand behind a backslash, in a quoted-pair; a line break not even
# there (RFC 3261 §25.1).
_CONTROL = re.compile(r"[\r\n]|(?<!\\)[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(r"0*([0-9]{1,10})")
_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:(?>(?:[ \t]|\r\n[ \t])*)0*([0-9]{1,10})[ \t]*+(?=\r\n)", re.I
)
_MANDATORY = frozenset(("Via", "From", "To", "Call-ID", "CSeq"))
_ONCE = frozenset(
    (
        *("Call-ID", "CSeq", "From", "To", "Max-Forwards", "Content-Length", "Content-Type"),
        *("Date", "Event", "Expires", "Min-SE", "RAck", "Refer-To", "Replaces", "RSeq"),
        "Session-Expires",
    )
)
_SMALL = {str(number): number for number in range(256)}


def parse_datagram(data: bytes, limits: Limits = LIMITS) -> Message:
    """Parse one whole message. Raises PeerError, for a request its subclass BadRequestError.

    Bytes beyond Content-Length are dropped, as a datagram may be padded (RFC 3261 §18.3).
    """
    if len(data) > limits.message_bytes:
        raise PeerError("message too large", 513)
    head, _, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n")
    start = lines[0]
    if start[:4].upper() == "SIP/":
        return _parse_response(lines, body, limits)
    return _parse_request(lines, body, limits)


def encode(message: Message) -> bytes:
    """Format a message and its Content-Length. Raises CommandError on a stray line break."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0\r\n"
    else:
        start = f"SIP/2.0 {message.status} {message.reason}\r\n"
    items = [item for item in message.headers if item[0] != "Content-Length"]
    lines = "".join([f"{name}: {value}\r\n" for name, value in items])
    text = f"{start}{lines}Content-Length: {len(message.body)}\r\n\r\n"
    if text.count("\n") != len(items) + 3 or text.count("\r") != len(items) + 3:
        raise CommandError("a message line cannot hold a line break")
    return text.encode("utf-8", "surrogateescape") + message.body


def _parse_request(lines: list[str], body: bytes, limits: Limits) -> Request:
    try:
        return _read_request(lines, body, limits)
    except PeerError as error:
        broken = _salvage(lines[0].partition(" ")[0], lines)
        raise BadRequestError(str(error), error.status, broken) from error


def _read_request(lines: list[str], body: bytes, limits: Limits) -> Request:
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise PeerError("malformed request line")
    method, uri, version = match.groups()
    if version.upper() != "SIP/2.0":
        raise PeerError("SIP version not supported", 505)
    headers, fields = _parse_headers(lines, limits)
    if parse_cseq(fields["CSeq"]).method != method:
        raise PeerError("CSeq names another method")
    check_request_uri(uri)
    return Request(method, uri, headers, _cut_body(fields.get("Content-Length"), body))


def _parse_response(lines: list[str], body: bytes, limits: Limits) -> Response:
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise PeerError("malformed status line")
    if match[1].upper() != "SIP/2.0":
        raise PeerError("SIP version not supported", 505)
    headers, fields = _parse_headers(lines, limits)
    parse_cseq(fields["CSeq"])
    cut = _cut_body(fields.get("Content-Length"), body)
    return Response(int(match[2]), match[3] or "", headers, cut)


def _parse_headers(lines: list[str], limits: Limits) -> tuple[Headers, dict[str, str]]:
    """Return the headers, and the last value of each name."""
    if len(lines) > limits.headers + 1:
        raise PeerError("too many headers", 513)
    text = "".join(lines)
    if not text.isprintable() and _CONTROL.search(text):  # the first is quick, and mostly enough
        raise PeerError("control character in a header")
    if len(text) > limits.line_chars and max(map(len, lines)) > limits.line_chars:
        raise PeerError("header line too long", 513)
    items: list[tuple[str, str]] = []
    known_as = SPELLINGS.get
    check_of = _CHECKS.get
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        known = known_as(name) or _unusual_name(name)
        if not colon:
            raise PeerError("malformed header line")
        value = value.strip(" \t")
        items.append((known, value))
        check = check_of(known)
        if check is not None:
            check(value)
    fields = dict(items)
    if not fields.keys() >= _MANDATORY:
        raise PeerError(f"{min(_MANDATORY - fields.keys())} missing")
    if len(fields) != len(items) or fields["Via"].count(",") >= limits.vias:
        _check_repeats(items, limits)
    return Headers.trusted(items), fields


def _check_repeats(items: list[tuple[str, str]], limits: Limits) -> None:
    seen: set[str] = set()
    hops = 0
    for name, value in items:
        if name == "Via":
            hops += 1 + value.count(",")
        elif name in _ONCE and name in seen:
            raise PeerError(f"{name} given twice")
        seen.add(name)
    if hops > limits.vias:
        raise PeerError("too many Via hops", 513)


def _unusual_name(name: str) -> str:
    name = name.rstrip(" \t")
    if _WORD.fullmatch(name) is None:
        raise PeerError("malformed header line")
    return canonical(name)


def _cut_body(length: str | None, body: bytes) -> bytes:
    if length is None:
        return body
    # RFC 3261 §18.3: what is beyond is padding; a body that is too short was cut on the way.
    size = _number(length, "Content-Length", 2**31)
    if size > len(body):
        raise PeerError("body shorter than Content-Length")
    return body[:size]


def _salvage(method: str, lines: list[str]) -> Request:
    kept: list[tuple[str, str]] = []
    for line in lines[1 : LIMITS.headers]:
        name, _, value = line.partition(":")
        known = canonical(name.strip(" \t"))
        is_new = known == "Via" or all(known != other for other, _ in kept)
        if known in _MANDATORY and is_new and not _CONTROL.search(value):
            kept.append((known, value.strip(" \t")))
    return Request(method, "", Headers.trusted(kept))


def _number(text: str, name: str, above: int) -> int:
    if text in _SMALL:
        return _SMALL[text]
    match = _NUMBER.fullmatch(text)
    if match is None or int(match[1]) >= above:
        raise PeerError(f"malformed {name}")
    return int(match[1])


def _check_call_id(text: str) -> None:
    if not text or " " in text or "\t" in text:
        raise PeerError("malformed Call-ID")


def _check_date(text: str) -> None:
    if not text.endswith(" GMT"):  # RFC 3261 §20.17
        raise PeerError("Date not in GMT")


def _check_contact(text: str) -> None:
    if text != "*":
        check_addresses(text)


_CHECKS: dict[str, Callable[[str], object]] = {
    "Via": check_vias,
    "From": check_address,
    "To": check_address,
    "Call-ID": _check_call_id,
    "Max-Forwards": lambda text: _number(text, "Max-Forwards", 256),
    "Expires": lambda text: _number(text, "Expires", 2**32),
    "Contact": _check_contact,
    "Route": check_addresses,
    "Record-Route": check_addresses,
    "Refer-To": check_address,
    "Date": _check_date,
}


@dataclass(frozen=True, slots=True)
class Ping:
    """RFC 5626 §3.5.1: a double CRLF between messages, to be answered with one CRLF.

    The answer (a lone CRLF) says nothing but that bytes came; it is not reported.
    """


class StreamParser:
    """Cuts a TCP or TLS stream into whole messages; each is then read by `parse_datagram`."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._head_bytes = 0  # how far the buffer was searched for the end of the head
        self._whole_bytes = 0  # size of the message at the front, 0 while its head is not complete
        self._after_break = False  # one CRLF was seen; another makes a ping
        self._is_broken = False

    @property
    def has_partial(self) -> bool:
        """Whether a message was begun and is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes | Ping | PeerError]:
        """Return what is complete, in order. After a PeerError the stream is beyond repair."""
        frames: list[bytes | Ping | PeerError] = []
        if self._is_broken:
            return frames
        self._buffer += data
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except PeerError as error:
            self._is_broken = True
            self._buffer.clear()
            frames.append(error)
        return frames

    def _next(self) -> bytes | Ping | None:
        buffer = self._buffer
        while not self._whole_bytes and buffer.startswith((b"\r", b"\n")):
            before = len(buffer)
            if (ping := self._line_break()) is not None:
                return ping
            if len(buffer) == before:
                return None
        if not self._whole_bytes:
            self._find_head()
        if not self._whole_bytes or len(buffer) < self._whole_bytes:
            return None
        frame = bytes(buffer[: self._whole_bytes])
        del buffer[: self._whole_bytes]
        self._whole_bytes = self._head_bytes = 0
        self._after_break = False
        return frame

    def _line_break(self) -> Ping | None:
        """Take one CRLF from between messages."""
        if len(self._buffer) < 2 and self._buffer == b"\r":
            return None
        if self._buffer[:2] != b"\r\n":
            raise PeerError("line break of the wrong kind between messages")
        del self._buffer[:2]
        self._after_break = not self._after_break
        return None if self._after_break else Ping()

    def _find_head(self) -> None:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._head_bytes - 3))
        self._head_bytes = len(buffer)
        if end < 0:
            if len(buffer) > self._limits.message_bytes:
                raise PeerError("message too large", 513)
            return
        # RFC 3261 §18.3: on a stream, Content-Length says where the message ends.
        found = _LENGTH.findall(buffer, 0, end + 2)
        if len(found) != 1:
            raise PeerError("one Content-Length is needed on a stream")
        self._whole_bytes = end + 4 + int(found[0])
        if self._whole_bytes > self._limits.message_bytes:
            raise PeerError("message too large", 513)
