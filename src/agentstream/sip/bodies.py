"""Bodies: SDP out of a message, SDP into one, and causes out of Reason (RFC 3326)."""

import re

from agentstream.base.errors import PeerError
from agentstream.sip.headers import Reason, parse_reasons
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.reports import Header

_BOUNDARY = re.compile(r';\s*boundary="?([^";]+)"?', re.I)
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PASSED = frozenset(("Diversion", "P-Asserted-Identity", "P-Called-Party-ID", "Referred-By"))


def sdp_of(message: Request | Response) -> str | None:
    """Return the SDP, also out of a multipart body; None when there is no body.

    Raises PeerError 415 for a body of another kind.
    """
    if not message.body:
        return None
    kind = content_type(message)
    if kind == "application/sdp":
        return message.body.decode("utf-8", "replace")
    if kind.startswith("multipart/"):
        return _part_of(message)
    raise PeerError("body that is no SDP", 415)


def content_type(message: Request | Response) -> str:
    """Return the media type in lower case, without parameters; SDP when none is said."""
    value = message.headers.get("Content-Type")
    return "application/sdp" if value is None else value.partition(";")[0].strip().lower()


def put_sdp(message: Request | Response, sdp: str | None) -> None:
    """Set the body; None leaves the message without one."""
    if sdp is not None:
        message.headers.add("Content-Type", "application/sdp")
        message.body = sdp.encode("utf-8", "surrogateescape")


def put_text(message: Request | Response, text: str) -> None:
    """Set a body for a person to read; "" leaves the message without one."""
    if text:
        message.headers.add("Content-Type", "text/plain;charset=utf-8")
        message.body = text.encode("utf-8", "replace")


def put_headers(message: Request | Response, headers: tuple[Header, ...]) -> None:
    """Add headers of the product; what would break a line is dropped, as the call must go on."""
    for name, value in headers:
        if _TOKEN.fullmatch(name):
            message.headers.add(name, one_line(value))


def one_line(text: str) -> str:
    """Return the text with blanks for control characters."""
    return _CONTROL.sub(" ", text)


def q850_of(message: Request | Response) -> tuple[int, str]:
    """Return the Q.850 cause (0: none) and the text of the Reason headers."""
    values = message.headers.all("Reason")
    if not values:
        return 0, ""
    try:
        reasons = parse_reasons(values)
    except PeerError:
        return 0, ""
    for reason in reasons:
        if reason.protocol.upper() == "Q.850":
            return reason.cause, reason.text
    return 0, reasons[0].text


def reason(q850: int, text: str = "") -> str:
    """Write a Q.850 Reason."""
    return str(Reason("Q.850", q850, text))


def passed_headers(headers: Headers, also: frozenset[str] = frozenset()) -> tuple[Header, ...]:
    """Return the headers that the product is given: X-*, who diverted, who is asserted."""
    return tuple(
        item
        for item in headers
        if item[0] in _PASSED or item[0][:2] in ("X-", "x-") or item[0] in also
    )


def _part_of(message: Request | Response) -> str | None:
    """Return the SDP part of a multipart body (RFC 5621), None when it has none."""
    found = _BOUNDARY.search(message.headers.get("Content-Type") or "")
    if found is None:
        raise PeerError("multipart body without a boundary", 415)
    text = message.body.decode("utf-8", "replace")
    for part in text.split("--" + found[1])[1:]:
        head, _, body = part.lstrip("\r\n").partition("\r\n\r\n")
        if "application/sdp" in head.lower():
            return body.rstrip("\r\n") + "\r\n"
    return None
