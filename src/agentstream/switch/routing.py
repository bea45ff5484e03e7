"""Where a dialled leg goes: from a number, an address or a trunk's name to roads, the best first.

"+91 80 4000 0002"         by a trunk: the one that was asked for, else as the routes say
"sip:NAME"                 the operator's trunk NAME, which is given `to_number` (AP-40, AP-42)
"sip:ann@host[:port]"      there directly, where that is allowed

A trunk of the account itself, "sip:TRUNK_SID", is `trunk_roads`'s (FL-3).
"""

import re
from ipaddress import ip_address, ip_network
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.base.phone import normalise
from agentstream.base.values import replace
from agentstream.base.weight import Draw, by_weight
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.net.egress import AddressClass, classify
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.switch.identity import ANONYMOUS, PLAIN, Identity
from agentstream.switch.number_rules import NumberRule, rewrite
from agentstream.switch.roads import (
    NoRoadError,
    Origin,
    Road,
    Roads,
    Route,
    RouteTrunk,
    Trunk,
)

__all__ = ["NoRoadError", "Origin", "Road", "Roads", "Route", "RouteTrunk", "Trunk", "find_road"]

_SHOWN: Final = 60  # characters of what somebody gave us, in a sentence
_NUMBER: Final = re.compile(r"\+?[0-9]{2,20}|[0-9*#]{1,32}", re.ASCII)
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)  # the name of a trunk, no host
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{2,64}", re.ASCII)  # compact forms: never
# What signalling writes by itself, or lives by.
_OWN_HEADERS: Final = frozenset(
    {"accept", "allow", "authorization", "call-id", "contact", "content-encoding", "content-type"}
    | {"content-length", "cseq", "expires", "from", "in-reply-to", "max-forwards", "min-se", "path"}
    | {"proxy-authorization", "proxy-require", "rack", "record-route", "replaces", "require"}
    | {"route", "rseq", "session-expires", "supported", "timestamp", "to", "user-agent", "via"}
)
_NEVER: Final = frozenset({AddressClass.LINK_LOCAL, AddressClass.METADATA, AddressClass.OTHER})


def find_road(spec: DialSpec, roads: Roads, called_number: str) -> Road:
    """Return the first way to dial this; raises NoRoadError with a cause and a sentence."""
    return find_roads(spec, roads, Origin(called_number), _lowest)[0]


def find_roads(spec: DialSpec, roads: Roads, origin: Origin, draw: Draw) -> tuple[Road, ...]:
    """Return every way to dial this, in the order in which they are tried; at least one.

    Raises NoRoadError with a cause and a sentence.
    """
    check_headers(spec.headers)
    destination = spec.destination.strip()
    scheme = destination.partition(":")[0].lower()
    if scheme not in ("sip", "sips"):
        number = destination[4:] if scheme == "tel" else destination
        return _by_trunks(spec, number, roads, origin, draw)
    uri = read_address(destination)
    if not uri.user and not uri.port:
        trunk = roads.trunks.get(uri.host.lower())
        if trunk is not None:
            number = _allowed(spec.to_number, roads)
            return (_by_trunk(trunk, number, spec, roads, origin),)
        if TOKEN.fullmatch(uri.host):
            raise NoRoadError(Cause.FAILED, f"There is no trunk named {uri.host[:_SHOWN]!r}.")
    check_host(uri, roads)
    caller = caller_of(spec.caller_id or origin.called_number, roads)
    return (Road(uri, caller, headers=(*spec.headers, *transfer_headers(spec))),)


def transfer_headers(spec: DialSpec) -> tuple[tuple[str, str], ...]:
    """Say who referred (RFC 3892), and which talk is to be given up for this one (RFC 3891)."""
    by = (("Referred-By", spec.referred_by),) if spec.referred_by else ()
    return (*by, ("Require", "replaces"), ("Replaces", spec.replaces)) if spec.replaces else by


def _lowest(highest: int) -> int:
    del highest
    return 0


def _by_trunks(
    spec: DialSpec, number: str, roads: Roads, origin: Origin, draw: Draw
) -> tuple[Road, ...]:
    """Return the roads of a number: by each trunk of its route that can take it."""
    if roads.routes and spec.trunk.lower() not in roads.trunks:
        plain = normalise(number, roads.country_code)
        route = _route_of(plain, roads, origin, spec.trunk)
        if route is not None:
            return _by_route(route, _allowed(number, roads), spec, roads, origin, draw)
    trunk = _trunk(spec.trunk, roads)
    return (_by_trunk(trunk, _allowed(number, roads), spec, roads, origin),)


def _route_of(plain: str, roads: Roads, origin: Origin, asked: str) -> Route | None:
    """Return the open route with the longest beginning of this number; of equal ones the first.

    A call out of an account's trunk takes the routes of that trunk's code, if there are any; where
    a code is `asked` for as if it were a trunk's name, no others.
    """
    open_now = [
        route for route in roads.routes if route.hours is None or route.hours.are_open(origin.at)
    ]
    code = asked.upper() or origin.nso_code
    coded = [route for route in open_now if code and route.nso_code == code]
    if not coded and not asked:
        coded = [route for route in open_now if not route.nso_code]
    best, longest = None, -1
    for route in coded:
        for prefix in route.prefixes:
            if plain.startswith(prefix) and len(prefix) > longest:
                best, longest = route, len(prefix)
    return best


def _by_route(
    route: Route, plain: str, spec: DialSpec, roads: Roads, origin: Origin, draw: Draw
) -> tuple[Road, ...]:
    found: list[Road] = []
    error: NoRoadError | None = None
    for member in by_weight(route.trunks, lambda one: (one.priority, one.weight), draw):
        try:
            found.append(_by_trunk(roads.trunks[member.name], plain, spec, roads, origin))
        except NoRoadError as failed:  # its rules make no number of this one
            error = failed
    if error is not None and not found:
        raise error
    return tuple(found)


def _trunk(name: str, roads: Roads) -> Trunk:
    wanted = (name or roads.default).lower()
    trunk = roads.trunks.get(wanted)
    if trunk is None:
        why = f"There is no trunk named {name[:_SHOWN]!r}." if name else _NO_DEFAULT
        raise NoRoadError(Cause.FAILED, why)
    return trunk


_NO_DEFAULT = "A number was to be dialled, but no default trunk is configured ([dial] trunk)."


def _allowed(number: str, roads: Roads) -> str:
    """Return a number in one form, if it may be dialled."""
    plain = normalise(number, roads.country_code)
    if not _NUMBER.fullmatch(plain):
        raise NoRoadError(Cause.NUMBER_INCOMPLETE, _no_number(number))
    if why := roads.guard.why_not(plain):
        raise NoRoadError(Cause.REJECTED, why)
    return plain


def _no_number(number: str) -> str:
    return f"{number[:_SHOWN]!r} is not a number that can be dialled."


def _by_trunk(trunk: Trunk, plain: str, spec: DialSpec, roads: Roads, origin: Origin) -> Road:
    called = _as_it_wants(plain, trunk, trunk.called_rules)
    if not _NUMBER.fullmatch(called):
        text = f"The number rules of the trunk {trunk.name} make {called[:_SHOWN]!r} of a number."
        raise NoRoadError(Cause.NUMBER_INCOMPLETE, text)
    shown = caller_of(_caller_id(trunk, spec, origin), roads)
    shown = _as_it_wants(shown, trunk, trunk.caller_rules) or ANONYMOUS
    account = "" if trunk.identity == "from" else trunk.from_user
    identity = _identity(trunk, shown, origin)
    return Road(
        replace(parse_uri(trunk.target), user=called),
        account or shown,
        shown if account and not trunk.is_private else "",
        trunk.proxy,
        trunk.credentials,
        (*trunk.headers, *spec.headers, *transfer_headers(spec)),
        trunk.offers_late,
        tls_profile=trunk.tls_profile,
        media=trunk.media,
        trunk=trunk.name,
        key=trunk.name,
        name=f"trunk {trunk.name}",
        identity=identity,
        hears_early_media=trunk.early_media == "pass",
        silence_ms=trunk.failover_ms,
        limit=trunk.limit,
    )


def _as_it_wants(number: str, trunk: Trunk, rules: tuple[NumberRule, ...]) -> str:
    if rules:
        number = rewrite(number, rules)
    return number if trunk.has_plus else number.removeprefix("+")


def _caller_id(trunk: Trunk, spec: DialSpec, origin: Origin) -> str:
    """Return whom a carrier is shown (TR-71: the alias of the account's trunk, where that is)."""
    match trunk.caller_id_rule:
        case "fixed":
            return trunk.caller_id
        case "alias":
            return origin.alias or trunk.caller_id
        case "as-is":
            return spec.caller_id or trunk.caller_id or origin.called_number


def _identity(trunk: Trunk, shown: str, origin: Origin) -> Identity:
    diverted_by = ""
    if trunk.tells_diversion and origin.forwards:
        diverted_by = _as_it_wants(origin.called_number, trunk, trunk.caller_rules)
    if not (diverted_by or trunk.is_private or trunk.identity in ("pai", "rpid")):
        return PLAIN
    # What is hidden from the callee is still the carrier's to know (RFC 3325 section 9.3).
    asserts = trunk.identity == "pai" or (trunk.is_private and trunk.identity != "rpid")
    return Identity(
        asserted=shown if asserts else "",
        remote_party=shown if trunk.identity == "rpid" else "",
        is_private=trunk.is_private,
        diverted_by=diverted_by,
    )


def read_address(destination: str) -> SipUri:
    """Read a SIP address that may be dialled as it stands; raises NoRoadError."""
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
    uri = read_address(destination)
    check_host(uri, roads)
    return uri


def check_host(uri: SipUri, roads: Roads, *, is_ours: bool = False) -> None:
    """Refuse a host as it is written; where a name leads is looked at after the look-up.

    Destinations of an account's trunk (`is_ours`) need not be in [dial] sip_hosts.
    """
    if _is_listed(uri.address.lower(), roads.denied):
        text = f"SIP addresses at {uri.host[:_SHOWN]} may not be dialled ([egress] deny)."
        raise NoRoadError(Cause.REJECTED, text)
    if _is_listed(uri.address.lower(), roads.sip_hosts):
        return
    if not (roads.sip_addresses or is_ours):
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


def caller_of(text: str, roads: Roads) -> str:
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
