"""The ways out as values: trunks to carriers, routes to them, and the road of one attempt."""

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal

from agentstream.base.errors import AgentStreamError
from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause
from agentstream.flows.hours import Hours
from agentstream.media.plan import Encoding
from agentstream.sip.flow import Flow
from agentstream.sip.headers import parse_name_addr
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.identity import PLAIN, CallerIdRule, Identity, IdentityForm
from agentstream.switch.media_choice import MediaTerms
from agentstream.switch.number_rules import NumberRule
from agentstream.switch.refer_rules import ReferMode
from agentstream.switch.road_limits import NO_LIMIT, RoadLimit

FAILOVER_MS: Final = 4_000  # SIP-17: how long a server may say nothing at all
_NO_TRUNKS: Final[Mapping[str, "Trunk"]] = MappingProxyType({})

EarlyMedia = Literal["pass", "ignore"]


class NoRoadError(AgentStreamError):
    """Nobody can be dialled this way; `cause` and the text are what the leg ends with."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Trunk:
    """An operator's road to a carrier."""

    name: str  # in lower case
    target: str  # "sip:host:port;transport=udp"; the number becomes its user
    proxy: str = ""
    credentials: Credentials | None = None
    from_user: str = ""  # the account's name, where the carrier wants it in From
    caller_id: str = ""  # shown when the call names none; "": the number that was called
    headers: tuple[tuple[str, str], ...] = ()
    has_plus: bool = True  # of numbers in international form
    offers_late: bool = False  # no SDP in the INVITE
    caller_id_rule: CallerIdRule = "as-is"
    identity: IdentityForm = "none"
    is_private: bool = False  # RFC 3323: the callee is not told who calls
    tells_diversion: bool = False  # RFC 5806, of calls that are forwarded
    called_rules: tuple[NumberRule, ...] = ()
    caller_rules: tuple[NumberRule, ...] = ()
    early_media: EarlyMedia = "pass"
    failover_ms: int = FAILOVER_MS
    limit: RoadLimit = NO_LIMIT
    tls_profile: str = ""  # whose certificate it is shown; "": the node's own
    media: MediaTerms = MediaTerms()
    refer: ReferMode = "deny"  # what its far end may ask for (SIP-61)


@dataclass(frozen=True, slots=True)
class RouteTrunk:
    """A trunk of a route."""

    name: str  # in lower case
    priority: int = 0  # 0 to 65535, lower first
    weight: int = 1  # 0 to 65535, its share among those of one priority


@dataclass(frozen=True, slots=True)
class Route:
    """Trunks for some numbers, at some hours."""

    trunks: tuple[RouteTrunk, ...]
    prefixes: tuple[str, ...] = ("",)  # beginnings of numbers in one form, "+91"; "": all
    nso_code: str = ""  # of the trunks of accounts whose calls it is for (TR-37); "": all
    hours: Hours | None = None  # None: always


@dataclass(frozen=True, slots=True)
class Roads:
    """Every way out of this house."""

    trunks: Mapping[str, Trunk] = field(default_factory=lambda: _NO_TRUNKS)
    default: str = ""  # a trunk's name, for numbers of no route; "": those cannot be dialled
    sip_addresses: bool = True  # "sip:ann@host" may be dialled, whatever its host
    sip_hosts: tuple[str, ...] = ()  # hosts that may be dialled in any case: names, networks
    country_code: str = ""
    denied: tuple[str, ...] = ()  # hosts that may not be dialled: names, networks; wins over all
    guard: DialGuard = field(default_factory=DialGuard)  # of numbers
    routes: tuple[Route, ...] = ()
    follows_redirects: bool = False  # 3xx: the addresses in it are tried, as far as allowed


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose call it is that dials, as far as roads depend on it."""

    called_number: str = ""  # shown to callees when nobody says otherwise (AP-47)
    alias: str = ""  # TR-71: shown instead of any, for calls out of an account's trunk
    nso_code: str = ""  # of that trunk
    forwards: bool = False  # the call came in, so that its legs are forwarded ones
    at: datetime = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Road:
    """What the INVITE of one attempt says, and how long it is waited for."""

    target: SipUri
    caller: str  # the user part of From
    display: str = ""
    proxy: str = ""
    credentials: Credentials | None = None
    headers: tuple[tuple[str, str], ...] = ()
    offers_late: bool = False
    key: str = ""  # in RoadStates and RoadLimits; "": nobody watches or counts it
    name: str = ""  # for people: "trunk carrier", "sip.bot.example:5061"
    domain: str = ""  # the host of From; "": our address
    to_user: str = ""  # the user of To where the Request-URI has another one (PN-30)
    identity: Identity = PLAIN
    codecs: tuple[Encoding, ...] = ()  # offered in this order; empty: the house's
    hears_early_media: bool = True
    silence_ms: int = 0  # a server may say nothing for so long; 0: as SIP has it
    ring_ms: int = 0  # it may ring no longer than this; 0: as long as the leg may
    limit: RoadLimit = NO_LIMIT
    limit_key: str = ""  # who shares the limit; "": the key
    tls_profile: str = ""  # whose certificate is shown; "": the node's own
    media: MediaTerms = MediaTerms()
    trunk: str = ""  # the operator's name of it, or an account's sid; "": an address
    routes: tuple[str, ...] = ()  # further Routes: the Path of a registered phone
    flow: Flow | None = None  # the way that such a phone came by; None: where the URIs lead
    session_timer_s: int = 0  # that we ask for (SIP-50); 0: only the peer's

    @property
    def transport(self) -> str:
        """The transport of the INVITE: "tls" too for a sips address."""
        uri = self._first
        return "tls" if uri.scheme == "sips" else uri.transport or "udp"

    @property
    def first_host(self) -> str:
        """The host that the INVITE is sent to."""
        if self.flow is not None:
            return self.flow.remote_host
        return self._first.address

    @property
    def _first(self) -> SipUri:
        """The proxy, else the first Route, else the target."""
        if self.proxy:
            return parse_uri(self.proxy)
        if self.routes and self.flow is None:
            return parse_name_addr(self.routes[0]).sip_uri()
        return self.target
