"""Typed header values: Via, name-addr, CSeq, RAck, Reason, Session-Expires (RFC 3261 §20, §25).

Each parser takes the text of a header field (unfolded) and returns a value or raises PeerError.
"""

import re
from collections.abc import Iterable
from dataclasses import field
from functools import lru_cache

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.sip.uri import Params, SipUri, parse_uri

_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*"
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
# Atomic groups: Python before 3.11.5 lets the possessive `(?:...)*+` match what it must not.
_QUOTED = r'"(?>(?:[^"\\]|\\[\s\S])*)"'
# Wider than the grammar's token on purpose: what delimits is never part of it, so nothing is
# ambiguous, and peers do write "/", "@" or a bare IPv6 address here.
_VALUE = r"[^\s;,\"<>\\]+"
_PARAMS = rf"(?>(?:[ \t]*+;[ \t]*+{_WORD}(?:[ \t]*+=[ \t]*+(?:{_QUOTED}|{_VALUE}))?)*)"
_PARAM = re.compile(rf"[ \t]*+;[ \t]*+({_WORD})(?:[ \t]*+=[ \t]*+({_QUOTED}|{_VALUE}))?")
_VIA = re.compile(
    rf"[ \t]*+SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+({_WORD})[ \t]++"
    r"([A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])[ \t]*+(?::[ \t]*+([0-9]{1,5}))?"
    rf"({_PARAMS})[ \t]*+(?:,|\Z)"
)
# What nearly every hop looks like: settled by the pattern alone, as no name can be there twice.
_BRANCH = r";branch=[A-Za-z0-9\-._]+"
_RECEIVED = r"(?:;received=[0-9.]+)?"
_RPORT = r"(?:;rport(?:=[0-9]+)?)?"
_USUAL_VIA = re.compile(
    r"SIP/2\.0/[A-Z]+ [A-Za-z0-9\-.]+(?::[0-9]{1,4})?"
    rf"(?:{_BRANCH}{_RECEIVED}{_RPORT}|{_RPORT}{_RECEIVED}{_BRANCH})"
)
# The display name is a quoted string, or words; inside its quotes "<" is a letter like others.
_NAME_ADDR = re.compile(
    rf"[ \t]*+(?:(?:({_QUOTED})[ \t]*+|([A-Za-z0-9\-.!%*_+`'~ \t\x80-\U0010ffff]*+))"
    rf"<({_SCHEME}:[^\s<>\"]+)>|({_SCHEME}:[^\s<>\",;?]+))({_PARAMS})[ \t]*+(?:,|\Z)"
)
_CSEQ = re.compile(rf"0*([0-9]{{1,10}})[ \t]++({_WORD})")
_RACK = re.compile(rf"0*([0-9]{{1,10}})[ \t]++0*([0-9]{{1,10}})[ \t]++({_WORD})")
_REASON = re.compile(rf"[ \t]*+({_WORD})({_PARAMS})[ \t]*+(?:,|\Z)")
_DELTA = re.compile(rf"0*([0-9]{{1,10}})({_PARAMS})[ \t]*+")
_SECONDS = re.compile(r"[ \t]*([0-9]{1,10})(?![0-9])", re.ASCII)
_ITEM = re.compile(rf"(?>(?:{_QUOTED}|<[^<>]*>|[^\",<])*)")
_ESCAPE = re.compile(r"\\([\s\S])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# One message is looked at in many places, and a call's messages share most of their values; these
# are kept until so many others came. Values are never changed, their `params` neither.
_KEPT = 512
CSEQ_LIMIT = 2**31  # RFC 3261 §8.1.1.5: less than this
_PLAIN_VALUE = re.compile(rf"{_VALUE}")


@dataclass(frozen=True, slots=True)
class CSeq:
    """CSeq: a number below 2**31 and a method."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class RAck:
    """RAck (RFC 3262 §7.2): which reliable provisional response a PRACK acknowledges."""

    rseq: int
    cseq: CSeq

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq}"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop. `transport` is in upper case; an IPv6 host keeps its brackets; `port` 0: none."""

    transport: str
    host: str
    port: int = 0
    params: Params = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """The branch, "" when there is none (an RFC 2543 peer)."""
        return self.params.get("branch") or ""

    @property
    def received(self) -> str:
        """The address that the request came from, without brackets, "" when not given."""
        return (self.params.get("received") or "").strip("[]")

    @property
    def rport(self) -> int | None:
        """None when absent, 0 when asked for without a value (RFC 3581), else the port."""
        if "rport" not in self.params:
            return None
        value = self.params["rport"] or "0"
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 5 else 0

    def seen_from(self, address: str, port: int) -> "Via":
        """Return this hop with `received`, and `rport` if asked (RFC 3261 §18.2.1, RFC 3581 §4)."""
        params = dict(self.params)
        if "rport" in params:
            params["rport"] = str(port)
            params["received"] = address
        elif self.host.strip("[]").lower() != address:
            params["received"] = address
        return Via(self.transport, self.host, self.port, params)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"SIP/2.0/{self.transport} {self.host}{port}{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A display name (unquoted, no control characters), a URI of any scheme, and parameters."""

    display: str
    uri: str
    params: Params = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The tag, "" when there is none."""
        return self.params.get("tag") or ""

    def sip_uri(self) -> SipUri:
        """Parse the URI; raises PeerError (416 for a scheme that is not SIP, SIPS or tel)."""
        return parse_uri(self.uri)

    def with_tag(self, tag: str) -> "NameAddr":
        """Return the same address with this tag."""
        return NameAddr(self.display, self.uri, {**self.params, "tag": tag})

    def __str__(self) -> str:
        name = f"{quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason (RFC 3326): `Q.850;cause=16;text="..."`. `cause` 0: none given."""

    protocol: str
    cause: int = 0
    text: str = ""

    def __str__(self) -> str:
        cause = f";cause={self.cause}" if self.cause else ""
        return f"{self.protocol}{cause}" + (f";text={quote(self.text)}" if self.text else "")


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """Session-Expires (RFC 4028): seconds, and who refreshes ("uac", "uas" or "")."""

    seconds: int
    refresher: str = ""

    def __str__(self) -> str:
        return f"{self.seconds}" + (f";refresher={self.refresher}" if self.refresher else "")


@lru_cache(_KEPT)
def parse_cseq(text: str) -> CSeq:
    """Parse CSeq."""
    match = _CSEQ.fullmatch(text)
    if match is None or (number := int(match[1])) >= CSEQ_LIMIT:
        raise PeerError("malformed CSeq")
    return CSeq(number, match[2])


def parse_rack(text: str) -> RAck:
    """Parse RAck."""
    match = _RACK.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 2**32 or int(match[2]) >= CSEQ_LIMIT:
        raise PeerError("malformed RAck")
    return RAck(int(match[1]), CSeq(int(match[2]), match[3]))


def parse_via_list(values: Iterable[str]) -> list[Via]:
    """Parse every hop of all Via fields, topmost first."""
    return [via for text in values for via in _vias(text)]


def parse_top_via(text: str) -> tuple[Via, str]:
    """Parse the first hop of one Via field; return it and the text of the rest ("" when alone)."""
    via, end = _via_at(text, 0)
    return via, text[end:].strip() if end else ""


def parse_name_addr(text: str) -> NameAddr:
    """Parse exactly one address (From, To, Refer-To, Reply-To)."""
    address, end = _name_addr_at(text, 0)
    if end:
        raise PeerError("more than one address where one is allowed")
    return address


def parse_name_addr_list(values: Iterable[str]) -> list[NameAddr]:
    """Parse every address of all fields of one name (Contact, Route, Record-Route ...)."""
    addresses = []
    for text in values:
        end = 0
        while True:
            address, end = _name_addr_at(text, end)
            addresses.append(address)
            if not end:
                break
    return addresses


def check_vias(text: str) -> None:
    """Refuse what `parse_via_list` would refuse, without making values."""
    if _USUAL_VIA.fullmatch(text) is not None:
        return
    end = 0
    while True:
        match = _VIA.match(text, end)
        if match is None or int(match[3] or 0) > 65_535:
            raise PeerError("malformed Via")
        _check_params(match[4])
        end = match.end()
        if text[end - 1] != ",":
            return


def check_address(text: str) -> None:
    """Refuse what `parse_name_addr` would refuse, without making values."""
    match = _NAME_ADDR.match(text)
    if match is None or text[match.end() - 1] == ",":
        raise PeerError("malformed address")
    _check_params(match[5])


def check_addresses(text: str) -> None:
    """Refuse what `parse_name_addr_list` would refuse, without making values."""
    end = 0
    while True:
        match = _NAME_ADDR.match(text, end)
        if match is None:
            raise PeerError("malformed address")
        _check_params(match[5])
        end = match.end()
        if text[end - 1] != ",":
            return


def _check_params(text: str) -> None:
    if text.count(";") > 1:
        parse_params(text)


def parse_reasons(values: Iterable[str]) -> list[Reason]:
    """Parse every Reason; a cause that is no number counts as none."""
    reasons = []
    for item in split_list(values):
        match = _REASON.fullmatch(item)
        if match is None:
            raise PeerError("malformed Reason")
        params = parse_params(match[2])
        cause = params.get("cause") or ""
        number = int(cause) if cause.isascii() and cause.isdigit() and len(cause) < 5 else 0
        reasons.append(Reason(match[1], number, params.get("text") or ""))
    return reasons


def parse_session_expires(text: str) -> SessionExpires:
    """Parse Session-Expires or Min-SE (seconds)."""
    match = _DELTA.fullmatch(text)
    if match is None or int(match[1]) >= 2**32:
        raise PeerError("malformed Session-Expires")
    return SessionExpires(int(match[1]), (parse_params(match[2]).get("refresher") or "").lower())


def seconds_of(text: str | None) -> int:
    """Read the seconds of Expires, Min-Expires or Retry-After; 0 for what holds none."""
    match = _SECONDS.match(text or "")
    return int(match[1]) if match else 0


def parse_options(values: Iterable[str]) -> list[str]:
    """Parse comma lists of tokens (Require, Supported, Allow ...); empty elements are dropped."""
    return [item for text in values for item in map(str.strip, text.split(",")) if item]


def split_list(values: Iterable[str]) -> list[str]:
    """Split comma lists where commas inside quotes and angle brackets do not count."""
    items = []
    for text in values:
        end = -1
        while end < len(text):
            start = end + 1
            match = _ITEM.match(text, start)
            end = match.end() if match else start
            if end < len(text) and text[end] != ",":
                raise PeerError("unbalanced quotes or brackets")
            if item := text[start:end].strip():
                items.append(item)
    return items


def parse_params(text: str) -> Params:
    """Parse `;name=value;name`; quoted values come back unquoted. A repeated name is refused."""
    params: Params = {}
    if not text:
        return params
    if '"' not in text and " " not in text and "\t" not in text:
        for part in text[1:].split(";"):
            name, equals, value = part.partition("=")
            key = name.lower()
            # RFC 3261 §7.3.1: any given parameter name must not appear more than once.
            if key in params:
                raise PeerError("parameter given twice")
            params[key] = value if equals else None
        return params
    for name, value in _PARAM.findall(text):
        key = name.lower()
        if key in params:
            raise PeerError("parameter given twice")
        params[key] = (unquote(value) if value[0] == '"' else value) if value else None
    return params


def format_params(params: Params) -> str:
    """Format `;name=value;name`, quoting a value that needs it."""
    text = ""
    for name, value in params.items():
        if value is None:
            text += f";{name}"
        else:
            text += f";{name}={value if _PLAIN_VALUE.fullmatch(value) else quote(value)}"
    return text


def quote(text: str) -> str:
    """Write a quoted-string; control characters are left out, so no line can be broken."""
    text = _CONTROL.sub("", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def unquote(text: str) -> str:
    """Read a quoted-string (with its quotes); control characters are left out."""
    inner = text[1:-1]
    if "\\" in inner:
        inner = _ESCAPE.sub(r"\1", inner)
    return _CONTROL.sub("", inner)


def _vias(text: str) -> list[Via]:
    vias = []
    end = 0
    while True:
        via, end = _via_at(text, end)
        vias.append(via)
        if not end:
            return vias


@lru_cache(_KEPT)
def _via_at(text: str, start: int) -> tuple[Via, int]:
    """Return the hop at `start` and where the next one begins, 0 when there is none."""
    match = _VIA.match(text, start)
    if match is None:
        raise PeerError("malformed Via")
    transport, host, port, params = match.groups()
    port_number = int(port) if port else 0
    if port_number > 65_535:
        raise PeerError("Via with an impossible port")
    via = Via(transport.upper(), host, port_number, parse_params(params))
    end = match.end()
    return via, end if text[end - 1] == "," else 0


@lru_cache(_KEPT)
def _name_addr_at(text: str, start: int) -> tuple[NameAddr, int]:
    """Return the address at `start` and where the next one begins, 0 when there is none."""
    match = _NAME_ADDR.match(text, start)
    if match is None:
        raise PeerError("malformed address")
    quoted, words, uri, bare, params = match.groups()
    display = unquote(quoted) if quoted else (words or "").strip()
    end = match.end()
    return NameAddr(display, uri or bare, parse_params(params)), end if text[end - 1] == "," else 0
