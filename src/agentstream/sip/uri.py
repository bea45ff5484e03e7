"""SIP, SIPS and tel URIs (RFC 3261 §19, RFC 3966): parse, format, compare.

sip:user:password@host:port;name=value?header=value
"""

import re
from dataclasses import field
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Self

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass, replace

Params = dict[str, str | None]  # names in lower case; None is a parameter without "="

# Atomic groups: Python before 3.11.5 lets the possessive `(?:...)*+` match what it must not.
_PARAM_TEXT = r"(?>(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+)"
_PARAMS = rf"(?>(?:;{_PARAM_TEXT}(?:={_PARAM_TEXT})?)*)"
_SIP = re.compile(
    r"(?P<scheme>[sS][iI][pP][sS]?):"
    r"(?:(?P<user>(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+)"
    r"(?::(?P<password>(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*))?@)?"
    r"(?P<host>[A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<params>{_PARAMS})"
    r"(?:\?(?P<headers>.*))?",
    re.ASCII,
)
_TEL = re.compile(
    r"[tT][eE][lL]:(?P<number>\+?[0-9A-Fa-f*#\-.()]+)(?P<params>" + _PARAMS + ")", re.ASCII
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):[^\s<>\"]+", re.ASCII)
_HEADER_TEXT = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$]|%[0-9A-Fa-f]{2})*", re.ASCII)
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_USER_PLAIN = frozenset(_ALNUM + b"-_.!~*'()&=+$,;?/")
_PASSWORD_PLAIN = frozenset(_ALNUM + b"-_.!~*'()&=+$,")
_PARAM_PLAIN = frozenset(_ALNUM + b"-_.!~*'()[]/:&+$")
_HEADER_PLAIN = frozenset(_ALNUM + b"-_.!~*'()[]/?:+$")
# RFC 3261 §19.1.4: these never match when only one of the two URIs has them.
_BOTH_OR_NONE = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class SipUri:
    """One URI, unescaped. `scheme` is "sip", "sips" or "tel" (then `user` is the number).

    An IPv6 host keeps its brackets. `port` 0 means none was written.
    """

    scheme: str
    host: str
    user: str = ""
    password: str | None = None
    port: int = 0
    params: Params = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def transport(self) -> str:
        """The `transport` parameter in lower case, "" when there is none."""
        return (self.params.get("transport") or "").lower()

    @property
    def is_loose_router(self) -> bool:
        """Whether `lr` is there (RFC 3261 §16.12)."""
        return "lr" in self.params

    @property
    def address(self) -> str:
        """The host without IPv6 brackets; `maddr` is not looked at."""
        return self.host.strip("[]")

    def with_params(self, **changes: str | None) -> Self:
        """Return the same URI with parameters added or replaced."""
        return replace(self, params={**self.params, **changes})

    def without(self, *names: str, headers: bool = False) -> Self:
        """Return the same URI without these parameters, and without its headers if asked."""
        kept = {name: value for name, value in self.params.items() if name not in names}
        return replace(self, params=kept, headers=() if headers else self.headers)

    def matches(self, other: "SipUri") -> bool:
        """Compare as RFC 3261 §19.1.4 does; `==` compares the parts literally."""
        if (self.scheme, self.user, self.password) != (other.scheme, other.user, other.password):
            return False
        if (_host_key(self.host), self.port) != (_host_key(other.host), other.port):
            return False
        for name in _BOTH_OR_NONE:
            if (name in self.params) != (name in other.params):
                return False
        for name in self.params.keys() & other.params.keys():
            if (self.params[name] or "").lower() != (other.params[name] or "").lower():
                return False
        return _header_key(self.headers) == _header_key(other.headers)

    def __str__(self) -> str:
        """Format for the wire, escaping what must be."""
        tail = "".join(
            f";{_escape(name, _PARAM_PLAIN)}"
            + ("" if value is None else f"={_escape(value, _PARAM_PLAIN)}")
            for name, value in self.params.items()
        )
        if self.scheme == "tel":
            return f"tel:{self.user}{tail}"
        user = _escape(self.user, _USER_PLAIN)
        if self.password is not None:
            user += ":" + _escape(self.password, _PASSWORD_PLAIN)
        at = f"{user}@" if user else ""
        port = f":{self.port}" if self.port else ""
        if self.headers:
            tail += "?" + "&".join(
                f"{_escape(name, _HEADER_PLAIN)}={_escape(value, _HEADER_PLAIN)}"
                for name, value in self.headers
            )
        return f"{self.scheme}:{at}{self.host}{port}{tail}"


@lru_cache(512)  # each is looked at in several places; values and `params` are never changed
def parse_uri(text: str) -> SipUri:
    """Parse a sip, sips or tel URI. Raises PeerError: 416 for another scheme, else 400."""
    match = _SIP.fullmatch(text)
    if match is None:
        return _parse_other(text)
    scheme, user, password, host, port, params, headers = match.groups()
    port_number = int(port) if port else 0
    if port_number > 65_535 or (port and not port_number):
        raise PeerError("URI with an impossible port")
    if host[0] == "[":
        _check_ipv6(host)
    return SipUri(
        scheme.lower(),
        host,
        _unescape(user) if user else "",
        None if password is None else _unescape(password),
        port_number,
        _parse_params(params),
        () if headers is None else _parse_headers(headers),
    )


def check_request_uri(text: str) -> None:
    """Refuse what cannot be a Request-URI (RFC 3261 §19.1.1: no headers)."""
    match = _SIP.fullmatch(text)
    if match is not None:
        _, _, _, host, port, params, headers = match.groups()
        is_usual = headers is None and host[0] != "[" and params.count(";") < 2
        if is_usual and (not port or (port[0] != "0" and len(port) < 5)):
            return  # the pattern alone has settled it
    if parse_uri(text).headers:
        raise PeerError("Request-URI with headers")


def _parse_other(text: str) -> SipUri:
    tel = _TEL.fullmatch(text)
    if tel is not None:
        return SipUri("tel", "", tel["number"], params=_parse_params(tel["params"]))
    scheme = _SCHEME.fullmatch(text)
    if scheme is not None and scheme[1].lower() not in ("sip", "sips", "tel"):
        raise PeerError("URI of a scheme that is not spoken here", 416)
    raise PeerError("malformed URI")


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host[1:-1])
    except ValueError as error:
        raise PeerError("URI with a malformed IPv6 address") from error


def _parse_params(text: str) -> Params:
    params: Params = {}
    if not text:
        return params
    for part in text[1:].split(";"):
        name, equals, value = part.partition("=")
        name = _unescape(name).lower()
        # RFC 3261 §19.1.1: a parameter name must not appear more than once.
        if name in params:
            raise PeerError("URI with a parameter given twice")
        params[name] = _unescape(value) if equals else None
    return params


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    headers = []
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not (name and equals and _HEADER_TEXT.fullmatch(name) and _HEADER_TEXT.fullmatch(value)):
            raise PeerError("URI with a malformed header")
        headers.append((_unescape(name), _unescape(value)))
    return tuple(headers)


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    raw = _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text.encode())
    return raw.decode("utf-8", "surrogateescape")


def _escape(text: str, plain: frozenset[int]) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    if plain.issuperset(raw):
        return text
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in raw)


def _host_key(host: str) -> str:
    return str(IPv6Address(host[1:-1])) if host.startswith("[") else host.lower()


def _header_key(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers)
