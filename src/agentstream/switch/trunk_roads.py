"""The roads of an account's trunk: one for each destination, in the order of RFC 2782 (FL-3)."""

from typing import Final, cast, get_args

from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.base.phone import normalise
from agentstream.base.values import dataclass, replace
from agentstream.base.weight import Draw, by_weight
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.media.plan import Encoding
from agentstream.sip.bindings import Binding
from agentstream.sip.flow import SECURE
from agentstream.sip.reports import Header
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.store.trunk_book import TrunkEntry
from agentstream.store.trunks import TrunkDestination
from agentstream.switch.custom_headers import HeaderFacts, check_custom, headers_for
from agentstream.switch.identity import PLAIN, Identity
from agentstream.switch.media_choice import terms_of
from agentstream.switch.road_limits import RoadLimit
from agentstream.switch.road_states import destination_key
from agentstream.switch.roads import NoRoadError, Road, Roads
from agentstream.switch.routing import caller_of, check_headers, check_host, transfer_headers

DESTINATIONS_LIMIT: Final = 16  # tried for one leg
_ENCODINGS: Final = frozenset(get_args(Encoding))


@dataclass(frozen=True, slots=True)
class _Parties:
    called: str
    caller: str


def trunk_roads(
    entry: TrunkEntry,
    spec: DialSpec,
    call: tuple[CallSetup, LegSid],
    roads: Roads,
    draw: Draw,
    phones: tuple[Binding, ...] = (),
) -> tuple[Road, ...]:
    """Return the ways to a trunk, in the order in which they are tried; at least one.

    Its phones that have registered come first (SIP-37), the one heard from last before all.
    Raises NoRoadError with a cause and a sentence.
    """
    check_headers(spec.headers)
    check_custom(spec.headers)
    setup, leg_sid = call
    if not entry.trunk.is_active:
        raise NoRoadError(Cause.UNAVAILABLE, f"The trunk {entry.trunk.name} is inactive.")
    parties = _Parties(
        normalise(_called(spec, setup), roads.country_code),
        caller_of(_caller(spec, setup), roads),
    )
    headers = _headers(entry, spec, setup, leg_sid, parties)
    found = [
        _phone_road(entry, phone, parties, headers)
        for phone in phones
        if not entry.trunk.is_secure or phone.flow.transport in SECURE
    ]
    error: NoRoadError | None = None
    for destination in by_weight(
        entry.parts.destinations, lambda one: (one.priority, one.weight), draw
    ):
        try:
            found.append(_road(entry, destination, parties, headers, roads))
        except NoRoadError as failed:
            error = failed
    if not found:
        none = f"The trunk {entry.trunk.name} has no destination (TR-63)."
        raise error or NoRoadError(Cause.UNAVAILABLE, none)
    return tuple(found[:DESTINATIONS_LIMIT])


def _called(spec: DialSpec, setup: CallSetup) -> str:
    """Return the number that the trunk is given: E.164 with plus, as partners route on it."""
    if spec.to_number:
        return spec.to_number
    is_address = spec.destination.lower().startswith(("sip:", "sips:"))
    return setup.account_number if is_address else spec.destination.removeprefix("tel:")


def _caller(spec: DialSpec, setup: CallSetup) -> str:
    """Return whom the trunk is shown (SIP-11): the caller of a call that came in.

    AP-47 shows a telephone the number that was called; a trunk has that in its Request-URI.
    """
    if spec.caller_id and spec.caller_id != setup.account_number:
        return spec.caller_id
    return setup.from_number if setup.direction == "inbound" else setup.account_number


def _headers(
    entry: TrunkEntry, spec: DialSpec, setup: CallSetup, leg_sid: LegSid, parties: _Parties
) -> tuple[Header, ...]:
    facts = HeaderFacts(
        setup.call_sid,
        leg_sid,
        entry.sid,
        entry.account.sid,
        parties.caller,
        parties.called,
        (*spec.headers, *setup.variables),
    )
    early = ("P-Early-Media", "supported")  # RFC 5009
    return (early, *headers_for(facts, entry.options, spec.headers), *transfer_headers(spec))


def _road(
    entry: TrunkEntry,
    destination: TrunkDestination,
    parties: _Parties,
    headers: tuple[Header, ...],
    roads: Roads,
) -> Road:
    options = entry.options
    uri = _target(entry, destination)
    check_host(uri, roads, is_ours=True)
    is_number = not uri.user
    return Road(
        replace(uri, user=parties.called) if is_number else uri,
        parties.caller,
        parties.caller,
        credentials=_login(entry),
        headers=headers,
        key=destination_key(entry.sid, destination.id),
        name=_name(uri),
        domain=entry.trunk.domain_name,
        to_user="" if is_number else parties.called,
        identity=Identity(parties.caller, parties.caller) if parties.caller else PLAIN,
        codecs=_codecs(entry),
        silence_ms=options.failover_timeout_ms,
        ring_ms=options.ring_timeout_s * 1000,
        limit=RoadLimit(calls=options.max_calls),
        limit_key=entry.sid,
        media=terms_of(entry),
        trunk=entry.sid,
        session_timer_s=options.session_timer_s,
    )


def _phone_road(
    entry: TrunkEntry, phone: Binding, parties: _Parties, headers: tuple[Header, ...]
) -> Road:
    """Return the way to a phone: its Contact is called by the way that it came by."""
    uri = parse_uri(phone.contact)
    return Road(
        uri,
        parties.caller,
        parties.caller,
        headers=headers,
        name=f"phone at {phone.flow}",
        domain=entry.trunk.domain_name,
        to_user=parties.called,
        identity=Identity(parties.caller, parties.caller) if parties.caller else PLAIN,
        codecs=_codecs(entry),
        silence_ms=entry.options.failover_timeout_ms,
        ring_ms=entry.options.ring_timeout_s * 1000,
        limit=RoadLimit(calls=entry.options.max_calls),
        limit_key=entry.sid,
        routes=phone.path,
        flow=phone.flow,
        session_timer_s=entry.options.session_timer_s,
    )


def _login(entry: TrunkEntry) -> Credentials | None:
    """Return how a destination that asks for a login is answered, whatever its realm (PN-2)."""
    options = entry.options
    if not (options.destination_user and options.destination_password):
        return None
    return Credentials(options.destination_user, options.destination_password)


def _codecs(entry: TrunkEntry) -> tuple[Encoding, ...]:
    known = filter(_ENCODINGS.__contains__, entry.options.codecs)
    return cast("tuple[Encoding, ...]", tuple(known))


def _target(entry: TrunkEntry, destination: TrunkDestination) -> SipUri:
    """Return where a destination is, with the transport that it names, else the trunk's."""
    try:
        uri = parse_uri(destination.uri)
    except PeerError:
        text = f"The destination {destination.uri[:60]!r} is not a SIP address."
        raise NoRoadError(Cause.FAILED, text) from None
    if not uri.transport and uri.scheme == "sip" and entry.options.transport:
        uri = uri.with_params(transport=entry.options.transport)
    if entry.trunk.is_secure and uri.scheme != "sips" and uri.transport not in SECURE:
        text = f"The trunk {entry.trunk.name} is secure, and {_name(uri)} is not reached by TLS."
        raise NoRoadError(Cause.FAILED, text)
    return uri


def _name(uri: SipUri) -> str:
    return f"{uri.host}:{uri.port}" if uri.port else uri.host
