"""SIP messages as values: ordered headers, requests, responses, and the usual ways to make them.

Text is UTF-8 with surrogate escapes, so that any byte of a peer comes back out as it went in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agentstream.base.errors import CommandError, PeerError
from agentstream.sip.headers import (
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addr_list,
    parse_top_via,
)

_LONG = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events "
    "Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition Content- "
    "Encoding Content-Language Content-Length Content-Type CSeq Date Diversion Error-Info Event "
    "Expires From Geolocation History-Info Identity In-Reply-To Join Max-Forwards MIME-Version "
    "Min-Expires Min-SE Organization P-Access-Network-Info P-Asserted-Identity P-Called-Party-ID "
    "P-Early-Media P-Preferred-Identity Path Priority Privacy Proxy-Authenticate Proxy- "
    "Authorization Proxy-Require RAck Reason Record-Route Refer-Sub Refer-To Referred-By Reject- "
    "Contact Remote-Party-ID Replaces Reply-To Request-Disposition Require Retry-After Route "
    "RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject Subscription-State "
    "Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate X-Exotel- "
    "AccountSid X-Exotel-CallSid X-Exotel-LegSid X-Exotel-TrunkSid"
)
# RFC 3261 §7.3.3 and the IANA registry of compact forms.
_COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To",
    "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
_CANONICAL = {name.lower(): name for name in _LONG.split()} | _COMPACT
SPELLINGS = (
    _CANONICAL
    | {name: name for name in _LONG.split()}
    | {c.upper(): n for c, n in _COMPACT.items()}
)

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued",
    183: "Session Progress", 199: "Early Dialog Terminated", 200: "OK", 202: "Accepted",
    204: "No Notification", 300: "Multiple Choices", 301: "Moved Permanently",
    302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service", 400: "Bad Request",
    401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
    414: "Request-URI Too Long", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
    423: "Interval Too Brief", 430: "Flow Failed", 433: "Anonymity Disallowed",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 493: "Undecipherable", 500: "Server Internal Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip


def canonical(name: str) -> str:
    """Return the long, usual spelling of a header name; an unknown name comes back as it is."""
    return SPELLINGS.get(name) or _CANONICAL.get(name.lower(), name)


class Headers:
    """An ordered multimap; names compare without case and compact forms are their long names."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] = []
        for name, value in items:
            self.add(name, value)

    @classmethod
    def trusted(cls, items: list[tuple[str, str]]) -> "Headers":
        """Wrap items whose names are canonical and whose values are clean, without a copy."""
        headers = cls.__new__(cls)
        headers._items = items
        return headers

    def get(self, name: str) -> str | None:
        """Return the first value of this name, or None."""
        wanted = SPELLINGS.get(name)
        if wanted is None:
            return next(iter(self.all(name)), None)
        for key, value in self._items:
            if key == wanted:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Return every value of this name, in order; lists in one field are not split."""
        wanted = canonical(name)
        if wanted in SPELLINGS:
            return [value for key, value in self._items if key == wanted]
        wanted = wanted.lower()
        return [value for key, value in self._items if key.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a field. Raises CommandError when name or value would break the line."""
        self._items.append(_clean(name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a field before all others (Via, Record-Route)."""
        self._items.insert(0, _clean(name, value))

    def set(self, name: str, value: str) -> None:
        """Replace the first field of this name in its place, drop its others; else append."""
        item = _clean(name, value)
        kept: list[tuple[str, str]] = []
        placed = False
        for old in self._items:
            if old[0].lower() != item[0].lower():
                kept.append(old)
            elif not placed:
                kept.append(item)
                placed = True
        if not placed:
            kept.append(item)
        self._items = kept

    def remove(self, name: str) -> None:
        """Drop every field of this name; harmless when there is none."""
        wanted = canonical(name).lower()
        self._items = [item for item in self._items if item[0].lower() != wanted]

    def items(self) -> list[tuple[str, str]]:
        """Return all fields in order, with canonical names."""
        return list(self._items)

    def copy(self) -> "Headers":
        """Return an independent copy."""
        return Headers.trusted(list(self._items))

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]  # mutable, so it cannot be a key

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


class _Common:
    """What requests and responses share."""

    __slots__ = ()
    headers: Headers

    @property
    def call_id(self) -> str:
        """The Call-ID, "" when there is none."""
        return self.headers.get("Call-ID") or ""

    @property
    def cseq(self) -> CSeq:
        """The CSeq. Raises PeerError when missing or malformed (never after `wire`)."""
        return parse_cseq(self.headers.get("CSeq") or "")

    @property
    def from_addr(self) -> NameAddr:
        """The From address."""
        return parse_name_addr(self.headers.get("From") or "")

    @property
    def to_addr(self) -> NameAddr:
        """The To address."""
        return parse_name_addr(self.headers.get("To") or "")

    @property
    def from_tag(self) -> str:
        """The tag of From, "" when there is none."""
        return self.from_addr.tag

    @property
    def to_tag(self) -> str:
        """The tag of To, "" when there is none."""
        return self.to_addr.tag

    @property
    def top_via(self) -> Via:
        """The topmost hop."""
        return parse_top_via(self.headers.get("Via") or "")[0]

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact; raises PeerError for `*`."""
        return parse_name_addr_list(self.headers.all("Contact"))

    def replace_top_via(self, via: Via) -> None:
        """Change the topmost hop and leave the others."""
        items = self.headers._items
        for index, (name, value) in enumerate(items):
            if name == "Via":
                rest = parse_top_via(value)[1]
                items[index] = ("Via", f"{via}, {rest}" if rest else str(via))
                return
        self.headers.prepend("Via", str(via))


@dataclass(slots=True)
class Request(_Common):
    """A request. `uri` is the Request-URI as text; parse it with `uri.parse_uri`."""

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(slots=True)
class Response(_Common):
    """A response, 100 to 699."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def is_provisional(self) -> bool:
        """Whether this is a 1xx."""
        return self.status < 200

    @property
    def is_success(self) -> bool:
        """Whether this is a 2xx."""
        return 200 <= self.status < 300


Message = Request | Response

_ECHOED = frozenset(("Via", "From", "To", "Call-ID", "CSeq", "Timestamp"))
_ECHOED_ROUTE = _ECHOED | {"Record-Route"}


def respond(
    request: Request,
    status: int,
    reason: str = "",
    to_tag: str = "",
    *,
    with_route: bool = False,
) -> Response:
    """Make a response with the request's Via, From, To, Call-ID and CSeq (RFC 3261 §8.2.6.2).

    `to_tag` is added when To has no tag yet; `with_route` echoes Record-Route too, for responses
    that make a dialog (§12.1.1).
    """
    wanted = _ECHOED_ROUTE if with_route else _ECHOED
    items = [item for item in request.headers._items if item[0] in wanted]
    if to_tag:
        for index, (name, value) in enumerate(items):
            if name == "To":
                if value[-1:] == ">":  # no parameter follows the address
                    items[index] = ("To", f"{value};tag={to_tag}")
                elif not parse_name_addr(value).tag:
                    items[index] = ("To", f"{_bracketed(value)};tag={to_tag}")
                break
    return Response(status, reason or REASONS.get(status, "Unknown"), Headers.trusted(items))


class BadRequestError(PeerError):
    """A request that is broken, with what of it can be salvaged for an answer."""

    def __init__(self, text: str, status: int, request: Request) -> None:
        super().__init__(text, status)
        self.request = request  # method, and whichever of Via, From, To, Call-ID, CSeq were found

    def response(self, to_tag: str = "") -> Response | None:
        """Return the refusal; None when too little was salvaged, or for an ACK."""
        found = {name for name, _ in self.request.headers}
        if self.request.method == "ACK" or not found >= {"Via", "From", "To", "Call-ID", "CSeq"}:
            return None
        try:
            answer = respond(self.request, self.status, to_tag=to_tag)
        except PeerError:  # a To that cannot carry a tag goes back as it came
            answer = respond(self.request, self.status)
        answer.headers.add("Warning", f'399 agentstream "{self!s}"')
        return answer


def _bracketed(value: str) -> str:
    """Put angle brackets around a bare address, so that a tag cannot be taken for its own."""
    if "<" in value:
        return value
    address = parse_name_addr(value)
    return str(address)


def _clean(name: str, value: str) -> tuple[str, str]:
    if "\n" in value or "\r" in value or not name or not name.isprintable():
        raise CommandError("a header cannot hold a line break")
    return canonical(name), value
