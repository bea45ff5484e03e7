"""What a trunk does besides calls: it registers with its carrier, and asks whether it lives.

[trunks.carrier]
target = "sip:sbc.carrier.example"
user = "acct"
password = "..."
register = true
options_interval_s = 60
"""

import re
from collections.abc import Container, Mapping
from typing import Annotated, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from agentstream.base.errors import PeerError
from agentstream.server.config_section import Section
from agentstream.sip.flow import TransportName
from agentstream.sip.signaling import Credentials, ProbePlan, RegistrationPlan
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.switch.known_roads import CarrierSettings
from agentstream.switch.road_watch import WatchedRoad

USUAL_INTERVAL_S = 60
_TRANSPORTS = ("", *get_args(TransportName))
_CONTACT_USER = re.compile(r"[A-Za-z0-9+._~-]{0,64}", re.ASCII)


def _sip_host(text: str) -> str:
    """Check a SIP URI that names a host and no user."""
    try:
        uri = parse_uri(text)
    except PeerError:
        uri = None
    if uri is None or uri.user or uri.headers or uri.transport not in _TRANSPORTS:
        raise ValueError('write it as "sip:host:5060;transport=udp", with udp, tcp, tls or ws')
    return text


def _interval(value: object) -> object:
    """Let true stand for the usual interval, and false for none."""
    return USUAL_INTERVAL_S * value if isinstance(value, bool) else value


def _plain_user(text: str) -> str:
    if not _CONTACT_USER.fullmatch(text):
        raise ValueError("1 to 64 of letters, digits and + . _ ~ -")
    return text


SipHost = Annotated[str, AfterValidator(_sip_host)]


class CarrierSection(Section):
    """The part of a trunk that is no call."""

    target: SipHost
    proxy: SipHost | None = None  # where requests are sent instead, as a loose route
    user: str = ""
    password: str = ""
    realm: str = ""  # "": whichever the carrier asks with
    registers: bool = Field(default=False, alias="register")
    registrar: SipHost | None = None  # the carrier's domain; unset: the target
    register_expires_s: int = Field(default=3_600, ge=30, le=604_800)  # what we ask for
    # The user of the Request-URI of calls that come by the registration; "": the account's name.
    contact_user: Annotated[str, AfterValidator(_plain_user)] = ""
    # OPTIONS to the carrier; true: every 60 s; 0: none (SIP-51).
    options_interval_s: Annotated[int, BeforeValidator(_interval)] = Field(
        default=0, ge=0, le=3_600
    )
    options_503_is_down: bool = False  # it answers, but that it has no service

    @property
    def called_user(self) -> str:
        """The user by which the registrar's calls name us; "" without a registration."""
        return (self.contact_user or self.user.partition("@")[0]) if self.registers else ""

    @property
    def registrar_uri(self) -> SipUri:
        """Whom we register with."""
        return parse_uri(self.registrar or self.target)

    def credentials(self) -> Credentials | None:
        """Return what we log in with."""
        if not (self.user or self.password):
            return None
        return Credentials(self.user, self.password, self.realm)

    def registration(self, tls_profile: str = "") -> RegistrationPlan:
        """Return how to register."""
        registrar = self.registrar_uri
        user, at, domain = self.user.partition("@")  # some carriers give out whole addresses
        address = SipUri(registrar.scheme, domain if at else registrar.host, user)
        return RegistrationPlan(
            str(registrar),
            str(address),
            self.called_user,
            self.credentials(),
            self.proxy or "",
            self.register_expires_s,
            tls_profile=tls_profile,
        )


def carrier_settings(
    trunks: Mapping[str, CarrierSection], profiles: Container[str] = frozenset()
) -> CarrierSettings:
    """Return what is done about the operator's trunks besides calls.

    `profiles` are the names of those that have TLS of their own.
    """
    tls = {name: name if name in profiles else "" for name in trunks}
    return CarrierSettings(
        tuple(
            WatchedRoad(
                name,
                ProbePlan(trunk.target, trunk.proxy or "", tls_profile=tls[name]),
                trunk.options_interval_s * 1000,
                trunk.options_503_is_down,
            )
            for name, trunk in trunks.items()
        ),
        {name: trunk.registration(tls[name]) for name, trunk in trunks.items() if trunk.registers},
    )


def registered_users(trunks: Mapping[str, CarrierSection]) -> frozenset[str]:
    """Return the users by which calls of our registrations name us."""
    return frozenset(trunk.called_user for trunk in trunks.values() if trunk.registers)
