"""Where a dialled leg goes: from a number, an address or a trunk's name to a SIP request.

"+91 80 4000 0002"         by a trunk: the one that was asked for, or the default
"sip:NAME"                 the trunk NAME, which is given `to_number` (AP-40, AP-42)
"sip:ann@host[:port]"      there directly, where that is allowed
"""

import re
from collections.abc import Mapping
from dataclasses import field
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Final

from agentstream.base.errors import AgentStreamError, PeerError
from agentstream.base.phone import normalise
from agentstream.base.values import dataclass, replace
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.net.egress import AddressClass, classify
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.switch.dial_guard import DialGuard

ANONYMOUS: Final = "anonymous"  # RFC 3323 section 4.1.1.3
_SHOWN: Final = 60  # characters of what somebody gave us, in a sentence
_NUMBER: Final = re.compile(r"\+?[0-9]{2,20}|[0-9*#]{1,32}", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{2,64}", re.ASCII)  # compact forms: never
# What signalling writes by itself, or lives by.
_OWN_HEADERS: Final = frozenset(
    {"accept", "allow", "authorization", "call-id", "contact", "content-encoding", "content-type"}
    | {"content-length", "cseq", "expires", "from", "in-reply-to", "max-forwards", "min-se", "path"}
    | {"proxy-authorization", "proxy-require", "rack", "record-route", "replaces", "require"}
    | {"route", "rseq", "session-expires", "supported", "timestamp", "to", "user-agent", "via"}
)
_NEVER: Final = frozenset({AddressClass.LINK_LOCAL, AddressClass.METADATA, AddressClass.OTHER})
_NO_TRUNKS: Final[Mapping[str, "Trunk"]] = MappingProxyType({})


class NoRoadError(AgentStreamError):
    """Nobody can be dialled this way; `cause` and the text are what the leg ends with."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Trunk:
    """A road to a carrier."""

    name: str  # in lower case
    target: str  # "sip:host:port;transport=udp"; the number becomes its user
    proxy: str = ""
    credentials: Credentials | None = None
    from_user: str = ""  # the account's name, where the carrier wants it in From
    caller_id: str = ""  # shown when the call names none; "": the number that was called
    headers: tuple[tuple[str, str], ...] = ()
    has_plus: bool = True  # of numbers in international form
    offers_late: bool = False  # no SDP in the INVITE


@dataclass(frozen=True, slots=True)
class Roads:
    """Every way out of this house."""

    trunks: Mapping[str, Trunk] = field(default_factory=lambda: _NO_TRUNKS)
    default: str = ""  # a trunk's name; "": numbers cannot be dialled
    sip_addresses: bool = True  # "sip:ann@host" may be dialled, whatever its host
    sip_hosts: tuple[str, ...] = ()  # hosts that may be dialled in any case: names, networks
    country_code: str = ""
    denied: tuple[str, ...] = ()  # hosts that may not be dialled: names, networks; wins over all
    guard: DialGuard = field(default_factory=DialGuard)  # of numbers


@dataclass(frozen=True, slots=True)
class Road:
    """What the INVITE of one leg says."""

    target: SipUri
    caller: str  # the user part of From
    display: str = ""
    proxy: str = ""
    credentials: Credentials | None = None
    headers: tuple[tuple[str, str], ...] = ()
    offers_late: bool = False

    @property
    def first_host(self) -> str:
        """The host that the INVITE is sent to."""
        return parse_uri(self.proxy).address if self.proxy else self.target.address


def find_road(spec: DialSpec, roads: Roads, called_number: str) -> Road:
    """Return how to dial this; raises NoRoadError with a cause and a sentence.

    `called_number` is what the callee is shown when nobody says otherwise (AP-47).
    """
    check_headers(spec.headers)
    destination = spec.destination.strip()
    scheme = destination.partition(":")[0].lower()
    if scheme not in ("sip", "sips"):
        number = destination[4:] if scheme == "tel" else destination
        return _by_trunk(_trunk(spec.trunk, roads), number, spec, roads, called_number)
    uri = _address(destination)
    if not uri.user and not uri.port:
        trunk = roads.trunks.get(uri.host.lower())
        if trunk is not None:
            return _by_trunk(trunk, spec.to_number, spec, roads, called_number)
        if re.fullmatch(r"[A-Za-z0-9_-]+", uri.host):
            raise NoRoadError(Cause.FAILED, f"There is no trunk named {uri.host[:_SHOWN]!r}.")
    _check_host(uri, roads)
    caller = _caller(spec.caller_id or called_number, roads)
    return Road(uri, caller, headers=spec.headers)


def _trunk(name: str, roads: Roads) -> Trunk:
    wanted = (name or roads.default).lower()
    trunk = roads.trunks.get(wanted)
    if trunk is None:
        why = f"There is no trunk named {name[:_SHOWN]!r}." if name else _NO_DEFAULT
        raise NoRoadError(Cause.FAILED, why)
    return trunk


_NO_DEFAULT = "A number was to be dialled, but no default trunk is configured ([dial] trunk)."


def _by_trunk(trunk: Trunk, number: str, spec: DialSpec, roads: Roads, called_number: str) -> Road:
    plain = normalise(number, roads.country_code)
    if not _NUMBER.fullmatch(plain):
        text = f"{number[:_SHOWN]!r} is not a number that can be dialled."
        raise NoRoadError(Cause.NUMBER_INCOMPLETE, text)
    if why := roads.guard.why_not(plain):
        raise NoRoadError(Cause.REJECTED, why)
    if not trunk.has_plus:
        plain = plain.removeprefix("+")
    shown = _caller(spec.caller_id or trunk.caller_id or called_number, roads)
    if not trunk.has_plus:
        shown = shown.removeprefix("+")
    return Road(
        replace(parse_uri(trunk.target), user=plain),
        trunk.from_user or shown,
        shown if trunk.from_user else "",
        trunk.proxy,
        trunk.credentials,
        (*trunk.headers, *spec.headers),
        trunk.offers_late,
    )


def _address(destination: str) -> SipUri:
    try:
        uri = parse_uri(destination)
    except PeerError:
        text = f"{destination[:_SHOWN]!r} is not a SIP address."
        raise NoRoadError(Cause.NUMBER_INCOMPLETE, text) from None
    if uri.password is not None or uri.headers:
        text = "A SIP address to dial has neither a password nor headers."
        raise NoRoadError(Cause.REJECTED, text)
    return uri


def check_uri(destination: str, roads: Roads) -> SipUri:
    """Return the SIP address that this is; raises NoRoadError where it may not be dialled."""
    uri = _address(destination)
    _check_host(uri, roads)
    return uri


def _check_host(uri: SipUri, roads: Roads) -> None:
    """Refuse a host as it is written; where a name leads is looked at after the look-up."""
    if _is_listed(uri.address.lower(), roads.denied):
        text = f"SIP addresses at {uri.host[:_SHOWN]} may not be dialled ([egress] deny)."
        raise NoRoadError(Cause.REJECTED, text)
    if _is_listed(uri.address.lower(), roads.sip_hosts):
        return
    if not roads.sip_addresses:
        text = f"SIP addresses at {uri.host[:_SHOWN]} may not be dialled ([dial] sip_hosts)."
        raise NoRoadError(Cause.REJECTED, text)
    try:
        kind = classify(ip_address(uri.address))
    except ValueError:
        return  # a name
    if kind in _NEVER:
        raise NoRoadError(Cause.REJECTED, f"{uri.host} is a {kind.value} address.")


def _is_listed(host: str, entries: tuple[str, ...]) -> bool:
    """Tell whether a host is in a list of names, "*.name", addresses and networks."""
    try:
        address = ip_address(host)
    except ValueError:
        return any(
            host.endswith(entry[1:]) if entry.startswith("*.") else host == entry
            for entry in map(str.lower, entries)
        )
    for entry in entries:
        try:
            if address in ip_network(entry, strict=False):
                return True
        except ValueError:
            continue  # a name
    return False


def _caller(text: str, roads: Roads) -> str:
    """Return what stands in From: a number in one form, or a plain name."""
    plain = normalise(text, roads.country_code)
    if plain.startswith(("sip:", "sips:")):
        try:
            plain = parse_uri(plain).user
        except PeerError:
            plain = ""
    return plain or ANONYMOUS


def check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse what would break the INVITE, or the signalling (AP-42)."""
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise NoRoadError(Cause.FAILED, f"The header {name[:_SHOWN]!r} cannot be set.")
        if not value.isprintable():
            text = f"The value of the header {name} has characters that cannot be sent."
            raise NoRoadError(Cause.FAILED, text)
