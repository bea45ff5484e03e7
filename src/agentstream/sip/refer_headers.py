"""What transfers say in headers and bodies: Refer-To, Replaces, Event, and the message fragment.

Refer-To: <sip:carol@c.example?Replaces=id%3Bto-tag%3D1%3Bfrom-tag%3D2>     RFC 3515, RFC 3891
Event: refer;id=93809824                                                    the CSeq of the REFER
SIP/2.0 486 Busy Here                                                       RFC 3420, from byte one
"""

import re
from collections.abc import Iterable
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass, replace
from agentstream.sip.bodies import content_type, one_line
from agentstream.sip.headers import parse_name_addr, parse_params
from agentstream.sip.message import REASONS, Request
from agentstream.sip.reports import Header
from agentstream.sip.uri import parse_uri

TARGET_LIMIT: Final = 512  # characters of a Refer-To, with its headers
FRAGMENT_TYPE: Final = "message/sipfrag"
_OURS: Final = ("X-", "x-")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?(?:\r?\n|\Z)", re.ASCII)
_CALL_ID = re.compile(r"[^\s;,<>\"]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog to be replaced (RFC 3891 §6.1), as whoever receives it knows its tags."""

    sip_call_id: str
    to_tag: str  # the receiver's own
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        text = f"{self.sip_call_id};to-tag={self.to_tag};from-tag={self.from_tag}"
        return text + (";early-only" if self.early_only else "")


@dataclass(frozen=True, slots=True)
class ReferTo:
    """Whom a REFER names: a URI without headers, the dialog to replace there, its X- headers."""

    target: str
    replaces: Replaces | None = None
    headers: tuple[Header, ...] = ()


def parse_replaces(text: str) -> Replaces:
    """Parse a Replaces. Raises PeerError."""
    call_id, semicolon, rest = text.strip().partition(";")
    params = parse_params(semicolon + rest.replace(" ", "")) if semicolon else {}
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not _CALL_ID.fullmatch(call_id.strip()) or not to_tag or not from_tag:
        raise PeerError("malformed Replaces")
    return Replaces(call_id.strip(), to_tag, from_tag, "early-only" in params)


def parse_refer_to(values: Iterable[str]) -> ReferTo:
    """Parse the only Refer-To (SIP-61): sip:, sips: or tel:, with or without angle brackets.

    Raises PeerError 400, 416 for another scheme, 501 for a method that is not INVITE.
    """
    texts = list(values)
    if len(texts) != 1:
        raise PeerError("a REFER has one Refer-To")  # RFC 3515 §2.4.2
    text = texts[0].strip()
    if len(text) > TARGET_LIMIT:
        raise PeerError(f"Refer-To longer than {TARGET_LIMIT} characters")
    # Without brackets parameters would be the header's (RFC 3261 §20.10); senders mean the URI's.
    uri = parse_uri(parse_name_addr(text).uri if "<" in text else text)
    if (uri.params.get("method") or "INVITE").upper() != "INVITE":
        raise PeerError("only INVITE can be asked for", 501)
    named = [value for name, value in uri.headers if name.lower() == "replaces"]
    if len(named) > 1:
        raise PeerError("Replaces given twice")
    headers = tuple((name, one_line(value)) for name, value in uri.headers if name[:2] in _OURS)
    target = str(uri.without("method", headers=True))
    return ReferTo(target, parse_replaces(named[0]) if named else None, headers)


def write_refer_to(target: str, replaces: str = "") -> str:
    """Write a Refer-To; `replaces` is escaped into the URI. Raises PeerError for no URI."""
    uri = parse_uri(target)
    if replaces:
        uri = replace(uri, headers=(("Replaces", replaces),))
    return f"<{uri}>"


def event_of(request: Request) -> tuple[str, str]:
    """Return the package of an Event in lower case, and its id, "" for none."""
    package, _, params = (request.headers.get("Event") or "").partition(";")
    found = parse_params(";" + params.replace(" ", "")) if params else {}
    return package.strip().lower(), found.get("id") or ""


def read_fragment(request: Request) -> int:
    """Return the status that a NOTIFY tells. Raises PeerError: 415 for another body, else 400."""
    if content_type(request) != FRAGMENT_TYPE:
        raise PeerError("body that is no message fragment", 415)
    # Some put an empty line before it.
    found = _STATUS_LINE.match(request.body.decode("utf-8", "replace").lstrip("\r\n"))
    if found is None:
        raise PeerError("message fragment without a status line")
    return int(found[1])


def write_fragment(status: int, reason: str) -> bytes:
    """Write a status line; PN-10 wants it at byte one."""
    return f"SIP/2.0 {status} {one_line(reason) or REASONS.get(status, 'Unknown')}\r\n".encode()
