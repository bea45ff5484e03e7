"""Where SIP is listened to, with which certificates, and how much of it is taken.

[sip]
listeners = ["udp://0.0.0.0:5060", "tls://0.0.0.0:5061", "wss://0.0.0.0:8443"]
tls_certificate = "/etc/agentstream/fullchain.pem"
tls_key = "/etc/agentstream/key.pem"

[[sip.certificates]]
chain = "/etc/agentstream/other-chain.pem"
key = "/etc/agentstream/other-key.pem"
names = ["sip.other.example"]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_serializer, model_validator

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_connection import StreamLimits
from agentstream.net.tls import Certificate, ClientCheck, Minimum, TlsFiles, TlsProfile
from agentstream.server.config_gate import GateSection, Networks
from agentstream.server.config_section import Section, Texts, split
from agentstream.sip.flow import DEFAULT_PORTS, SECURE, TransportName
from agentstream.sip.wire import Limits

_FORM = 'write it as "udp://0.0.0.0:5060", with udp, tcp, tls, ws or wss'


class Listener(Section):
    """One SIP listener, written "udp://0.0.0.0:5060"."""

    transport: TransportName
    host: str
    port: int = Field(ge=0, le=65_535)  # 0: any free port

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            port, parts = None, urlsplit("")
        if parts.scheme not in get_args(TransportName) or not parts.hostname or parts.path:
            raise ValueError(_FORM)
        default = DEFAULT_PORTS[parts.scheme]
        return {
            "transport": parts.scheme,
            "host": parts.hostname,
            "port": default if port is None else port,
        }

    @model_serializer
    def _text(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"

    def __str__(self) -> str:
        return self._text()


class CertificateConfig(Section):
    """One certificate of ours, for callers that ask for one of its names."""

    chain: Path  # PEM: the certificate, then those that it was issued with
    key: Path
    names: Texts = ()  # "sip.example", "*.example"; empty: those that stand in it

    def certificate(self) -> Certificate:
        """Return it as `net.tls` takes it."""
        return Certificate(str(self.chain), str(self.key), self.names)


_PLAIN = (
    Listener(transport="udp", host="0.0.0.0", port=5060),  # noqa: S104  (phones come from outside)
    Listener(transport="tcp", host="0.0.0.0", port=5060),  # noqa: S104  (as above)
)
_WITH_TLS = (
    *_PLAIN,
    Listener(transport="tls", host="0.0.0.0", port=5061),  # noqa: S104  (as above)
)


class SipConfig(GateSection):
    """Where carriers and phones reach us, and who may."""

    # Unset: UDP and TCP on 5060, and TLS on 5061 where there is a certificate (SIP-3).
    listeners: Annotated[tuple[Listener, ...], BeforeValidator(split)] = _PLAIN
    public_host: str = ""  # our name or address for the far end; "": the one that faces it
    tls_certificate: Path | None = None  # PEM, with the chain; shown to whoever names none of ours
    tls_key: Path | None = None
    certificates: tuple[CertificateConfig, ...] = Field(default=(), max_length=1_000)
    tls_ca_file: Path | None = None  # whom we believe at the far end, instead of the system's
    tls_minimum: Minimum = "1.2"
    tls_client_check: Literal["off", "optional", "required"] = "off"  # SIP-36
    tls_client_ca_file: Path | None = None  # who issues the certificates of clients
    tls_verify: bool = True  # False believes every far end: for a laboratory
    websocket_origins: Texts = ()  # "https://phone.example": web pages that may connect; empty: all
    allow: Networks = ()  # addresses and networks that may call; empty: every one
    deny: Networks = ()
    rate_per_s: int = Field(default=200, ge=0)  # messages from one address that is in no list
    burst: int = Field(default=400, ge=1)
    listed_rate_per_s: int = Field(default=0, ge=0)  # 0: no limit
    max_transactions: int = Field(default=100_000, ge=1)  # 64 live for each call per second
    max_message_bytes: int = Field(default=65_535, ge=1_024, le=65_535)
    max_connections: int = Field(default=4_096, ge=1)
    connections_per_source: int = Field(default=64, ge=1)
    connect_ms: int = Field(default=4_000, ge=100, le=60_000)  # TCP, TLS and WebSocket together
    handshake_ms: int = Field(default=10_000, ge=100, le=60_000)  # of those that connect to us
    idle_ms: int = Field(default=3_600_000, ge=60_000)  # a connection that says nothing at all
    keep_alive_ms: int = Field(default=25_000, ge=1_000, le=600_000)  # SIP-7
    pong_ms: int = Field(default=10_000, ge=1_000, le=600_000)  # a WebSocket that does not answer
    unacknowledged_ms: int = Field(default=30_000, ge=0, le=600_000)  # 0: as the system has it
    allow_sdes_cleartext: bool = False  # SIP-43: keys of SRTP are offered without TLS as well
    socket_buffer_bytes: int = Field(default=8_388_608, ge=65_536)
    keep_messages: bool = True  # of calls, secrets starred, for `agentstream explain` (SD-5)
    keep_days: int = Field(default=7, ge=0, le=36_500)  # 0: for ever
    registrar: bool = False  # phones of trunks with as_registration_enabled may register (SIP-37)

    @model_validator(mode="before")
    @classmethod
    def _listens_to_tls(cls, given: Any) -> Any:  # noqa: ANN401  (not yet looked at)
        if not isinstance(given, dict) or "listeners" in given:
            return given
        has_certificate = given.get("tls_certificate") or given.get("certificates")
        return {**given, "listeners": _WITH_TLS} if has_certificate else given

    @field_validator("websocket_origins")
    @classmethod
    def _are_origins(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            parts = urlsplit(entry)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
                raise ValueError(f"{entry!r} is no origin, such as https://phone.example")
        return entries

    @model_validator(mode="after")
    def _has_what_tls_needs(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        needy = [each for each in self.listeners if each.transport in SECURE]
        if needy and not self._certificates():
            raise ValueError(f"a {needy[0].transport} listener needs tls_certificate and tls_key")
        if (self.tls_client_check == "off") != (self.tls_client_ca_file is None):
            raise ValueError("tls_client_check and tls_client_ca_file belong together")
        return self

    def admission(self) -> AdmissionLimits:
        """Return the rates as the listeners take them."""
        return AdmissionLimits(
            rate_per_s=self.rate_per_s,
            burst=self.burst,
            invites_per_s=self.invites_per_s,
            invite_burst=self.invite_burst,
            bans=self.bans(),
            listed_rate_per_s=self.listed_rate_per_s,
        )

    def stream_limits(self) -> StreamLimits:
        """Return the bounds of connections as the listeners take them."""
        return StreamLimits(
            connections=self.max_connections,
            per_source=self.connections_per_source,
            connect_ms=self.connect_ms,
            handshake_ms=self.handshake_ms,
            idle_ms=self.idle_ms,
            keep_alive_ms=self.keep_alive_ms,
            pong_ms=self.pong_ms,
            unacknowledged_ms=self.unacknowledged_ms,
            message=Limits(message_bytes=self.max_message_bytes),
        )

    def tls_files(self, profiles: Mapping[str, TlsProfile]) -> TlsFiles:
        """Return all that TLS needs; `profiles` are the trunks' own."""
        ca_file = self.tls_client_ca_file
        check = ClientCheck(str(ca_file), self.tls_client_check == "required") if ca_file else None
        return TlsFiles(
            self._certificates(),
            str(self.tls_ca_file or ""),
            check,
            self.tls_verify,
            self.tls_minimum,
            profiles,
        )

    def _certificates(self) -> tuple[Certificate, ...]:
        own: tuple[Certificate, ...] = ()
        if self.tls_certificate is not None:
            own = (Certificate(str(self.tls_certificate), str(self.tls_key)),)
        return (*own, *(each.certificate() for each in self.certificates))
