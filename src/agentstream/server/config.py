"""The configuration: one file, or the environment, or nothing at all.

`agentstream.toml` (or .yaml) in the working folder, then AGENTSTREAM_* variables over it:
AGENTSTREAM_SIP__PUBLIC_HOST is `public_host` of `[sip]`; a list may be written with commas. Every
mistake is a ConfigError that names the field, where it was set and what it may be.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyAddress,
    field_validator,
    model_validator,
)

from agentstream.base.errors import ConfigError
from agentstream.base.phone import NumberStyle
from agentstream.media.crypto import SrtpUse
from agentstream.media.plan import Encoding, EnginePlan
from agentstream.net.egress import EgressPolicy, mask_secrets
from agentstream.server.config_answering import MachineDetectionConfig
from agentstream.server.config_api import ApiConfig
from agentstream.server.config_bridges import BridgesConfig
from agentstream.server.config_callbacks import CallbacksConfig
from agentstream.server.config_captures import CapturesConfig
from agentstream.server.config_legs import LegsConfig
from agentstream.server.config_recordings import RecordingsConfig
from agentstream.server.config_requests import RequestsConfig
from agentstream.server.config_roads import DialConfig, MailConfig, Trunks
from agentstream.server.config_section import HostEntries, Section, Texts, split
from agentstream.server.config_sip import SipConfig
from agentstream.server.config_trunk import CompatConfig, TrunkConfig
from agentstream.store.files import DATABASE_FILE
from agentstream.stream.profile import WireProfile
from agentstream.switch.routing import Roads
from agentstream.switch.trunk_gate import GateSettings

FILES = ("agentstream.toml", "agentstream.yaml", "agentstream.yml")
_SECRET_NAMES = ("password", "secret", "token")


class RtpConfig(Section):
    """The audio's ports and how patient we are."""

    host: str = "0.0.0.0"  # noqa: S104  (carriers come from outside)
    public_host: str = ""  # in SDP; "": as in [sip]
    port_low: int = Field(default=20_000, ge=1_024, le=65_534)
    port_high: int = Field(default=23_999, ge=1_025, le=65_535)
    workers: int = Field(default=0, ge=0, le=256)  # 0: one per core
    port_rest_ms: int = Field(default=30_000, ge=0)
    codecs: Annotated[tuple[Encoding, ...], BeforeValidator(split)] = Field(
        default=("PCMU", "PCMA", "G722"), min_length=1
    )
    jitter_max_ms: int = Field(default=200, ge=20, le=1_000)
    first_packet_timeout_ms: int = Field(default=30_000, ge=0)  # SIP-45; 0: never
    packet_timeout_ms: int = Field(default=60_000, ge=0)
    inband_dtmf: bool = False
    srtp: SrtpUse = "preferred"  # SIP-42, where a trunk says nothing else

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.port_high <= self.port_low:
            raise ValueError(f"port_high must be greater than port_low ({self.port_low})")
        return self

    @property
    def pairs(self) -> int:
        """How many legs the range has room for: an even port and the odd one after it each."""
        low = self.port_low + self.port_low % 2
        return max(0, (self.port_high + 1 - low) // 2)

    def engine_plan(self) -> EnginePlan:
        """Return the plan of the media engine."""
        return EnginePlan(
            rtp_host=self.host,
            rtp_port_low=self.port_low,
            rtp_port_high=self.port_high,
            workers=self.workers,
            port_rest_ms=self.port_rest_ms,
        )


class HttpConfig(Section):
    """The HTTP interface."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    live_subscribers: int = Field(default=64, ge=1)


class LimitsConfig(Section):
    """How much may run at once, and for how long."""

    calls: int = Field(default=2_000, ge=1)
    calls_per_account: int = Field(default=0, ge=0)  # at once; 0: as many as there is room for
    placed_per_second: int = Field(default=0, ge=0, le=1_000)  # by one account; 0: no limit
    streams_per_account: int = Field(default=100, ge=0)  # AS-50, for accounts made from now on
    call_seconds: int = Field(default=14_400, ge=1, le=86_400)  # AS-49
    drain_seconds: int = Field(default=300, ge=0)
    unwritten_rows: int = Field(default=20_000, ge=100)


class SpeechConfig(Section):
    """Text to speech for prompts."""

    engine: Literal["espeak", "none"] = "espeak"
    cache_mb: int = Field(default=256, ge=1)
    timeout_ms: int = Field(default=10_000, ge=100)
    waiting: int = Field(default=64, ge=1)  # texts waiting to be spoken


class EgressConfig(Section):
    """What URLs that users give us may reach; see `net.egress`."""

    mode: Literal["open", "closed"] = "open"
    allow: HostEntries = ()
    deny: HostEntries = ()
    ports: Texts = ()  # "443", "8000-8999"; empty: as the mode says
    verify_tls: bool = True  # AS-38
    ca_file: Path | None = None
    local_address: IPvAnyAddress | None = None  # AS-36: where our connections come from

    @field_validator("ports")
    @classmethod
    def _are_ports(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            _port_range(entry)
        return entries

    def policy(self) -> EgressPolicy:
        """Return the policy as `net.egress` takes it."""
        ports = tuple(_port_range(entry) for entry in self.ports)
        return EgressPolicy(self.mode, self.allow, self.deny, ports)


class EventsConfig(Section):
    """What is kept of what happens in calls, for `agentstream explain`."""

    store: bool = True
    mask_digits: bool = True  # keys that callers press may be PINs and card numbers
    keep_days: int = Field(default=30, ge=0, le=36_500)  # 0: for ever
    unwritten: int = Field(default=200_000, ge=2_000)  # events waiting for the database


class AuditConfig(Section):
    """What is kept of who changed what, for `agentstream audit`."""

    keep_days: int = Field(default=365, ge=0, le=36_500)  # 0: for ever
    unwritten: int = Field(default=10_000, ge=100)  # changes waiting for the database


class LogConfig(Section):
    """What is logged, and how."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
    mask_numbers: bool = True


class Config(Section):
    """Everything that an operator may set."""

    data_dir: Path = Path("agentstream-data")
    database_url: str = ""  # "": SQLite in `data_dir`
    country_code: str = Field(default="", pattern=r"^\d{0,3}$")  # of numbers dialled with one 0
    number_format: Literal["", "e164", "national0"] = ""  # US-13; "": bots as set there
    sip: SipConfig = SipConfig()
    rtp: RtpConfig = RtpConfig()
    http: HttpConfig = HttpConfig()
    api: ApiConfig = ApiConfig()
    stream: Mapping[str, str | bool | int] = Field(default_factory=dict)  # of every bot
    limits: LimitsConfig = LimitsConfig()
    speech: SpeechConfig = SpeechConfig()
    egress: EgressConfig = EgressConfig()
    requests: RequestsConfig = RequestsConfig()
    callbacks: CallbacksConfig = CallbacksConfig()
    recordings: RecordingsConfig = RecordingsConfig()
    events: EventsConfig = EventsConfig()
    captures: CapturesConfig = CapturesConfig()
    legs: LegsConfig = LegsConfig()
    bridges: BridgesConfig = BridgesConfig()
    audit: AuditConfig = AuditConfig()
    compat: CompatConfig = CompatConfig()
    trunk: TrunkConfig = TrunkConfig()  # of accounts
    trunks: Trunks = Field(default_factory=dict)  # roads to carriers
    dial: DialConfig = DialConfig()
    machine_detection: MachineDetectionConfig = MachineDetectionConfig()
    mail: MailConfig = MailConfig()
    log: LogConfig = LogConfig()

    @field_validator("stream")
    @classmethod
    def _is_a_profile(cls, settings: Mapping[str, object]) -> Mapping[str, object]:
        try:
            WireProfile.from_mapping(settings)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return settings

    @model_validator(mode="after")
    def _has_ports_for_its_calls(self) -> Self:
        if self.limits.calls > self.rtp.pairs:
            raise ValueError(
                f"limits.calls is {self.limits.calls}, but rtp.port_low to rtp.port_high has "
                f"room for {self.rtp.pairs} legs (two ports each)"
            )
        return self

    @model_validator(mode="after")
    def _has_the_country_of_its_numbers(self) -> Self:
        if "national0" in (self.number_format, self.api.number_format) and not self.country_code:
            raise ValueError("number_format national0 needs country_code")
        return self

    @model_validator(mode="after")
    def _has_the_trunks_that_it_names(self) -> Self:
        for place, name in self.dial.trunk_names():
            if name.lower() not in self.trunks:
                known = ", ".join(self.trunks) or "none"
                raise ValueError(f"{place} is {name!r}, but the trunks are: {known}")
        return self

    def codecs(self) -> tuple[Encoding, ...]:
        """Return what is offered, in order; strict, and not set: as the hosted service (SIP-14)."""
        is_set = "codecs" in self.rtp.model_fields_set
        return ("PCMA", "PCMU") if self.compat.is_strict and not is_set else self.rtp.codecs

    def gate(self) -> GateSettings:
        """Return who may call, and what."""
        sources = [source for trunk in self.trunks.values() for source in trunk.sources]
        return self.sip.gate(sources, self.country_code, self.roads().guard)

    def roads(self) -> Roads:
        """Return the ways out for the legs that calls dial."""
        return self.dial.roads(self.trunks, self.country_code, self.egress.mode, self.egress.deny)

    def numbers(self) -> NumberStyle:
        """Return how customers' servers are shown numbers."""
        return NumberStyle(self.number_format, self.country_code)

    def profile(self) -> WireProfile:
        """Return the settings of every bot that has none of its own."""
        numbers: dict[str, object] = {}
        if self.number_format:
            numbers["number_format"] = self.number_format
        if self.number_format and self.country_code:
            numbers["country_code"] = self.country_code
        return WireProfile.from_mapping({**numbers, **self.stream})

    @property
    def public_url(self) -> str:
        """How others reach our HTTP interface, as far as we know."""
        host, port = self.http.host, self.http.port
        if host in {"0.0.0.0", "::"}:  # noqa: S104  (we bind all; a link needs one of them)
            host = self.sip.public_host or self.rtp.public_host or "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        return self.recordings.public_url or f"http://{shown}:{port}"

    @property
    def database_file(self) -> Path | None:
        """The embedded database's file; None when another database is used."""
        return None if self.database_url else self.data_dir / DATABASE_FILE

    def shown(self) -> dict[str, Any]:
        """Return every value as it may be shown: credentials and secrets masked."""
        return _masked(self.model_dump(mode="json", exclude_none=True, by_alias=True))


def as_toml(values: Mapping[str, Any]) -> str:
    """Write plain values as TOML."""
    return "\n".join(_tables(values, ())) + "\n"


def _tables(values: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    plain = {key: v for key, v in values.items() if not isinstance(v, dict) and not _is_array(v)}
    lines = [
        f"{json.dumps(key) if place[2:] else key} = {json.dumps(v)}" for key, v in plain.items()
    ]
    for key, table in values.items():
        if isinstance(table, dict):
            inner = _tables(table, (*place, key))
            # A table of tables alone needs no line of its own.
            has_own = not table or any(not isinstance(value, dict) for value in table.values())
            lines += ["", f"[{'.'.join((*place, key))}]", *inner] if has_own else inner
        elif _is_array(table):
            for each in table:
                lines += ["", f"[[{'.'.join((*place, key))}]]", *_tables(each, (*place, key))]
    return lines


def _is_array(value: object) -> bool:
    """Tell whether this is an array of tables."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _masked(values: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            shown[key] = _masked(value)
        elif value and any(key.endswith(name) for name in _SECRET_NAMES):
            shown[key] = "***"
        else:
            shown[key] = mask_secrets(value) if isinstance(value, str) else value
    return shown


def _port_range(entry: str) -> tuple[int, int]:
    low, _, high = entry.partition("-")
    try:
        found = int(low), int(high or low)
    except ValueError:
        found = (0, 0)
    if not 1 <= found[0] <= found[1] <= 65_535:
        raise ValueError(f"{entry!r} is no port or range, such as 443 or 8000-8999")
    return found
