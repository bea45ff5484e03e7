"""SDP as values: parse and format the part of RFC 8866 that calls use, lines v o s c b t m a.

Lines of other types (i u e p r z k) are read over; unknown attributes are kept in order. A text is
either a `Session` or a PeerError, never anything else.
"""

import re
from functools import lru_cache

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass

SIZE_LIMIT = 16_384  # characters of a whole description
MEDIA_LIMIT = 16  # m= lines
ATTRIBUTE_LIMIT = 256  # a= lines, session and media levels together

_NUMBER = re.compile(r"[0-9]{1,20}")
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")  # RFC 8866 section 9, token
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_SECRET = frozenset({"crypto", "key-mgmt"})  # keys stand in them
_USUAL = 64  # characters of an attribute: most are those of every call


@dataclass(frozen=True, slots=True)
class Attribute:
    """One a= line. `value` is None for a flag such as `sendrecv`."""

    name: str
    value: str | None = None

    def __repr__(self) -> str:
        value = "(hidden)" if self.name.lower() in _SECRET else repr(self.value)
        return f"Attribute({self.name!r}, {value})"


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line: who wrote the description, and which version of it this is."""

    user: str
    session_id: str
    version: str
    address: str


@dataclass(frozen=True, slots=True)
class Media:
    """One m= line and what stands below it. `port` 0 means refused or ended."""

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    address: str | None = None
    bandwidths: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    port_count: int = 1

    def value(self, name: str) -> str | None:
        """Return the value of the first attribute of this name; None when absent or a flag."""
        return next((a.value for a in self.attributes if a.name == name), None)

    def has(self, name: str) -> bool:
        """Tell whether an attribute of this name stands here."""
        return any(a.name == name for a in self.attributes)


@dataclass(frozen=True, slots=True)
class Session:
    """A whole description."""

    origin: Origin
    media: tuple[Media, ...] = ()
    name: str = "-"
    address: str | None = None
    bandwidths: tuple[str, ...] = ()
    times: tuple[str, ...] = ("0 0",)
    attributes: tuple[Attribute, ...] = ()


def parse(text: str) -> Session:
    """Parse a description; raises PeerError that names the line which is wrong.

    Bare LF line ends, a missing s= or t= and trailing blanks are accepted: they occur, and the
    meaning stays clear. At most SIZE_LIMIT characters, MEDIA_LIMIT m= and ATTRIBUTE_LIMIT a= lines.
    """
    if len(text) > SIZE_LIMIT:
        raise PeerError(f"SDP of {len(text)} characters is longer than {SIZE_LIMIT}")
    reader = _Reader()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.strip(" \t"):
            reader.line(number, line)
    return reader.session()


def format_session(session: Session) -> str:
    """Write a description with CRLF line ends; `parse` gives the same value back."""
    origin = session.origin
    lines = [
        "v=0",
        f"o={origin.user} {origin.session_id} {origin.version} {_network(origin.address)}",
        f"s={session.name}",
    ]
    if session.address is not None:
        lines.append(f"c={_network(session.address)}")
    lines += [f"b={bandwidth}" for bandwidth in session.bandwidths]
    lines += [f"t={time}" for time in session.times]
    lines += [_attribute_line(attribute) for attribute in session.attributes]
    for media in session.media:
        lines += _media_lines(media)
    return "".join(f"{line}\r\n" for line in lines)


class _Reader:
    """Collects lines; what follows an m= line belongs to that medium."""

    def __init__(self) -> None:
        self._version_seen = False
        self._origin: Origin | None = None
        self._name = "-"
        self._times: list[str] = []
        self._media: list[_Section] = []
        self._top = _Section("", 0, 1, "", ())
        self._attributes_left = ATTRIBUTE_LIMIT

    def line(self, number: int, line: str) -> None:
        letter, value = line[:1], line[2:].rstrip(" \t")
        if line[1:2] != "=" or letter not in _LETTERS or "\0" in line or "\r" in line:
            raise PeerError(f"SDP line {number} is not <letter>=<value>")
        if not self._version_seen:
            if (letter, value) != ("v", "0"):
                raise PeerError("SDP does not begin with v=0")
            self._version_seen = True
            return
        try:
            self._take(letter, value)
        except ValueError as error:
            raise PeerError(f"SDP line {number}, {letter}=: {error}") from None

    def _take(self, letter: str, value: str) -> None:
        section = self._media[-1] if self._media else self._top
        match letter:
            case "o":
                self._origin = _origin(value)
            case "s":
                self._name = value or "-"
            case "t":
                self._times.append(value)
            case "c":
                section.address = _address(value.split())
            case "b":
                section.bandwidths.append(value)
            case "a":
                self._attributes_left -= 1
                if self._attributes_left < 0:
                    raise ValueError(f"more than {ATTRIBUTE_LIMIT} attributes")
                is_usual = len(value) <= _USUAL and not value.startswith(("crypto", "key-mgmt"))
                read = _usual_attribute if is_usual else _attribute  # keys are not kept
                section.attributes.append(read(value))
            case "m":
                if len(self._media) == MEDIA_LIMIT:
                    raise ValueError(f"more than {MEDIA_LIMIT} media")
                self._media.append(_section(value))
            case _:  # i u e p r z k, and what may come: nothing in them changes a call
                pass

    def session(self) -> Session:
        if self._origin is None:
            raise PeerError("SDP without an o= line")
        return Session(
            origin=self._origin,
            media=tuple(section.media() for section in self._media),
            name=self._name,
            address=self._top.address,
            bandwidths=tuple(self._top.bandwidths),
            times=tuple(self._times) or ("0 0",),
            attributes=tuple(self._top.attributes),
        )


class _Section:
    """The lines of one medium (or of the session) while they are read."""

    def __init__(
        self, kind: str, port: int, port_count: int, profile: str, formats: tuple[str, ...]
    ) -> None:
        self._head = (kind, port, port_count, profile, formats)
        self.address: str | None = None
        self.bandwidths: list[str] = []
        self.attributes: list[Attribute] = []

    def media(self) -> Media:
        kind, port, port_count, profile, formats = self._head
        return Media(
            kind=kind,
            port=port,
            profile=profile,
            formats=formats,
            address=self.address,
            bandwidths=tuple(self.bandwidths),
            attributes=tuple(self.attributes),
            port_count=port_count,
        )


def _origin(value: str) -> Origin:
    words = value.split()
    if len(words) != 6:
        raise ValueError("not six words")
    user, session_id, version = words[:3]
    if not _NUMBER.fullmatch(session_id) or not _NUMBER.fullmatch(version):
        raise ValueError("session id and version must be numbers")
    return Origin(user, session_id, version, _address(words[3:]))


def _address(words: list[str]) -> str:
    """Read `IN IP4 192.0.2.1` and the like; a multicast address loses its TTL and count."""
    if len(words) != 3 or words[0] != "IN" or words[1] not in {"IP4", "IP6"}:
        raise ValueError("not IN IP4|IP6 <address>")
    return words[2].split("/", 1)[0] or "0.0.0.0"  # noqa: S104 - an empty address, nowhere to send


def _section(value: str) -> _Section:
    words = value.split()
    if len(words) < 4:
        raise ValueError("not <media> <port> <profile> <format> ...")
    kind, ports, profile = words[:3]
    port, slash, count = ports.partition("/")
    if not _NUMBER.fullmatch(port) or int(port) > 65_535:
        raise ValueError("the port is not 0 to 65535")
    if slash and (not _NUMBER.fullmatch(count) or not 1 <= int(count) <= 65_535):
        raise ValueError("the number of ports is not 1 to 65535")
    return _Section(kind, int(port), int(count) if slash else 1, profile, tuple(words[3:]))


def _attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    if not _TOKEN.fullmatch(name):
        raise ValueError("an attribute without a name")
    return Attribute(name, rest.strip(" \t") if colon else None)


_usual_attribute = lru_cache(1_024)(_attribute)


def _network(address: str) -> str:
    # No IPv4 address and no host name (RFC 8866 section 5.7 allows one) has a colon.
    return f"IN IP{6 if ':' in address else 4} {address}"


def _media_lines(media: Media) -> list[str]:
    count = f"/{media.port_count}" if media.port_count != 1 else ""
    lines = [f"m={media.kind} {media.port}{count} {media.profile} {' '.join(media.formats)}"]
    if media.address is not None:
        lines.append(f"c={_network(media.address)}")
    lines += [f"b={bandwidth}" for bandwidth in media.bandwidths]
    lines += [_attribute_line(attribute) for attribute in media.attributes]
    return lines


def _attribute_line(attribute: Attribute) -> str:
    return f"a={attribute.name}" + ("" if attribute.value is None else f":{attribute.value}")
