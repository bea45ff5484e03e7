"""The ways out: trunks to carriers, whom calls may dial, the mail server.

[trunks.carrier]
target = "sip:sbc.carrier.example:5060;transport=udp"
user = "acct"
password = "..."

[dial]
trunk = "carrier"

[mail]
host = "smtp.example.org"
from = "Green Leaf <calls@example.org>"
"""

import re
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from agentstream.calls.record import WhichLeg
from agentstream.media.crypto import SrtpForm, SrtpUse
from agentstream.net.mailer import MailRoad
from agentstream.net.tls import Certificate, TlsProfile
from agentstream.server.config_carriers import CarrierSection
from agentstream.server.config_gate import Networks
from agentstream.server.config_routes import NumberRules, Routes, WindowSection
from agentstream.server.config_section import HostEntries, Port, Section, Texts
from agentstream.sip.uri import parse_uri
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.identity import CallerIdRule, IdentityForm
from agentstream.switch.media_choice import MediaTerms
from agentstream.switch.refer_rules import ReferMode
from agentstream.switch.road_limits import RoadLimit
from agentstream.switch.roads import FAILOVER_MS, EarlyMedia
from agentstream.switch.routing import NoRoadError, Roads, Trunk, check_headers

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_PREFIX = re.compile(r"\+[0-9]{1,15}", re.ASCII)


class TrunkConfig(CarrierSection, WindowSection):
    """A road to a carrier; `hours` are those at which calls may take it."""

    from_user: str = ""  # the user part of From, where the carrier wants its account there
    caller_id: str = ""  # shown when the call names none; "": the number that was called (AP-47)
    headers: Mapping[str, str] = Field(default_factory=dict)  # of every INVITE
    plus: bool = True  # numbers in international form have one
    late_offer: bool = False  # the carrier offers first: no SDP in our INVITE
    srtp: SrtpUse | None = None  # SIP-42; unset: as in [rtp]
    srtp_form: SrtpForm | None = None  # "avp": keys beside RTP/AVP, for carriers that want it so
    tls_certificate: Path | None = None  # shown to this carrier, instead of that of [sip]
    tls_key: Path | None = None
    tls_ca_file: Path | None = None  # whom we believe there, instead of those of [sip]
    tls_verify: bool = True
    # Whom its far end may have called by REFER: nobody; the account's own; any number too (SIP-61).
    refer: ReferMode = "deny"
    # Who the carrier is shown: the call's caller id, the alias of the account's trunk (TR-71) or
    # else `caller_id`, or always `caller_id`.
    caller_id_rule: CallerIdRule = "as-is"
    # Where that number stands beside From: P-Asserted-Identity, Remote-Party-ID, or nowhere;
    # "from" lets it stand in From where `from_user` would.
    identity: IdentityForm = "none"
    privacy: bool = False  # the callee sees nobody; the carrier is told (RFC 3323, RFC 3325)
    diversion: bool = False  # calls that are forwarded say by whom (RFC 5806)
    called_rules: NumberRules = ()
    caller_rules: NumberRules = ()
    early_media: EarlyMedia = "pass"
    failover_timeout_ms: int = Field(default=FAILOVER_MS, ge=100, le=32_000)  # of silence
    max_calls: int = Field(default=0, ge=0, le=1_000_000)  # at once; 0: no limit
    calls_per_second: int = Field(default=0, ge=0, le=10_000)  # begun; 0: no limit
    sources: Networks = ()  # where its calls come from; they are nobody else's

    @model_validator(mode="after")
    def _can_register(self) -> Self:
        if self.registers and not self.user:
            raise ValueError("register needs user, the name of the account at the carrier")
        if self.registers and not self.called_user:
            raise ValueError("register needs contact_user, as user begins with @")
        return self

    @field_validator("headers")
    @classmethod
    def _can_be_set(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        try:
            check_headers(tuple(headers.items()))
        except NoRoadError as error:
            raise ValueError(str(error)) from error
        return headers

    def trunk(self, name: str) -> Trunk:
        """Return the trunk as the switch takes it."""
        return Trunk(
            name,
            self.target,
            self.proxy or "",
            self.credentials(),
            self.from_user,
            self.caller_id,
            tuple(self.headers.items()),
            self.plus,
            self.late_offer,
            caller_id_rule=self.caller_id_rule,
            identity=self.identity,
            is_private=self.privacy,
            tells_diversion=self.diversion,
            called_rules=tuple(one.rule() for one in self.called_rules),
            caller_rules=tuple(one.rule() for one in self.caller_rules),
            early_media=self.early_media,
            failover_ms=self.failover_timeout_ms,
            limit=RoadLimit(self.max_calls, self.calls_per_second, self.window()),
            tls_profile=name if self.tls_profile() else "",
            media=MediaTerms(self.srtp, self.srtp_form),
            refer=self.refer,
        )

    @model_validator(mode="after")
    def _has_what_it_shows(self) -> Self:
        if self.caller_id_rule == "fixed" and not self.caller_id:
            raise ValueError('caller_id_rule = "fixed" needs caller_id')
        return self

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self

    def tls_profile(self) -> TlsProfile | None:
        """Return how this carrier is called over TLS; None: as every other."""
        if not (self.tls_certificate or self.tls_ca_file) and self.tls_verify:
            return None
        chain, key = self.tls_certificate, self.tls_key
        own = Certificate(str(chain), str(key)) if chain else None
        return TlsProfile(own, str(self.tls_ca_file or ""), self.tls_verify)


def _trunk_names(trunks: Mapping[str, TrunkConfig]) -> Mapping[str, TrunkConfig]:
    for name in trunks:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: 1 to 32 of a-z 0-9 _ -")
    return trunks


Trunks = Annotated[Mapping[str, TrunkConfig], AfterValidator(_trunk_names)]


class DialConfig(Section):
    """Whom calls may dial."""

    trunk: str = ""  # by which numbers go out; "": none can be dialled
    sip_addresses: bool | None = None  # unset: as [egress] mode, open yes, closed no
    sip_hosts: HostEntries = ()  # hosts that may be dialled in any case: names, "*.name", networks
    two_leg_status: WhichLeg = "second"  # whose result a call of two numbers has (CC-60)
    # ISO codes ("IN", "US") of the countries whose numbers may be dialled, "*" for all; unset: the
    # one of country_code, all when that is unset too.
    countries: Texts = ()
    denied_prefixes: Texts = ()  # "+1900": numbers that begin so are never dialled
    premium: bool = False  # numbers that cost the caller more may be dialled
    routes: Routes = ()  # by which trunks numbers go out; those of no route: by `trunk`
    follow_redirects: bool = False  # 3xx: addresses that may be dialled are tried instead

    @field_validator("countries")
    @classmethod
    def _are_countries(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != "*" and not _calling_code(name):
                raise ValueError(f"{name!r} is no country: write its ISO code, such as IN, or *")
        return names

    @field_validator("denied_prefixes")
    @classmethod
    def _are_beginnings(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in prefixes:
            if not _PREFIX.fullmatch(prefix):
                raise ValueError(f"{prefix!r} is no beginning of a number: write + and its digits")
        return prefixes

    def roads(
        self,
        trunks: Mapping[str, TrunkConfig],
        country_code: str,
        mode: str,
        denied: tuple[str, ...],
    ) -> Roads:
        """Return every way out as the switch takes it."""
        is_free = self.sip_addresses
        return Roads(
            {name: trunk.trunk(name) for name, trunk in trunks.items()},
            self.trunk.lower(),
            mode == "open" if is_free is None else is_free,
            self.sip_hosts,
            country_code,
            denied,
            self._guard(country_code),
            tuple(route.route() for route in self.routes),
            self.follow_redirects,
        )

    def trunk_names(self) -> Iterator[tuple[str, str]]:
        """Yield where a trunk is named, and which."""
        if self.trunk:
            yield "dial.trunk", self.trunk
        for place, route in enumerate(self.routes):
            for one in route.trunks:
                yield f"dial.routes.{place}.trunks", one.name

    def _guard(self, country_code: str) -> DialGuard:
        codes = {country_code} if country_code else set()
        if self.countries:
            codes = {_calling_code(name) for name in self.countries}
        if "*" in self.countries:
            codes = set()
        return DialGuard(frozenset(codes), self.denied_prefixes, self.premium)


def _calling_code(region: str) -> str:
    """Return the calling code of a country by its ISO code; "" for none."""
    from phonenumbers import country_code_for_region  # slow to import, and mostly not needed

    code = country_code_for_region(region.upper())
    return str(code) if code else ""


def tls_profiles(trunks: Mapping[str, TrunkConfig]) -> Mapping[str, TlsProfile]:
    """Return the trunks that have TLS of their own, by name."""
    found = {name: trunk.tls_profile() for name, trunk in trunks.items()}
    return {name: profile for name, profile in found.items() if profile is not None}


def trunk_hosts(trunks: Mapping[str, TrunkConfig]) -> Iterator[str]:
    """Yield the hosts that the operator's own trunks lead to."""
    for trunk in trunks.values():
        for uri in (trunk.target, trunk.proxy, trunk.registrar):
            if uri:
                yield parse_uri(uri).host


class MailConfig(Section):
    """The mail server that letters go out by; without a host none does."""

    host: str = ""
    port: Port = 587
    user: str = ""
    password: str = ""
    starttls: bool = True
    tls: bool = False  # from the first byte, as on port 465
    verify_tls: bool = True
    ca_file: Path | None = None  # extra certificates that we trust
    sender: str = Field(default="", alias="from")

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.host and "@" not in parseaddr(self.sender)[1]:
            raise ValueError('from must be a mail address, such as "calls@example.org"')
        return self

    def road(self) -> MailRoad | None:
        """Return how to reach the server; None when there is none."""
        if not self.host:
            return None
        kind = "tls" if self.tls else "starttls" if self.starttls else "none"
        return MailRoad(
            self.host,
            self.port,
            self.user,
            self.password,
            kind,
            self.sender,
            self.verify_tls,
            str(self.ca_file or ""),
        )
