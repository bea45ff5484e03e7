"""Who may call, and what is done against those who may not: a part of [sip].

[sip]
unknown_callers = "refuse"
verbose_rejects = "known"

[trunks.carrier]
sources = ["198.51.100.0/24"]
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from agentstream.net.bans import BanLimits
from agentstream.server.config_section import Section, Texts, split
from agentstream.sip.digest import STRONGEST_FIRST
from agentstream.switch.caller_id import CliSource
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.gatekeeper import SCANNERS
from agentstream.switch.minute_rates import PER_MINUTE_LIMIT
from agentstream.switch.trunk_gate import GateSettings, UnknownCallers


def network(entry: str) -> str:
    """Check one address or network."""
    try:
        ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry!r} is no address or network, such as 192.0.2.0/24") from None
    return entry


def _networks(entries: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(network(entry) for entry in entries)


def _algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(name.upper() for name in names)
    if not known or any(name not in STRONGEST_FIRST for name in known):
        raise ValueError(f"names of {', '.join(STRONGEST_FIRST)}, with commas between")
    return known


Networks = Annotated[Texts, AfterValidator(_networks)]


class GateSection(Section):
    """What [sip] says of callers."""

    unknown_callers: UnknownCallers = "accept"  # of no trunk and no carrier: numbers that ring here
    from_host_check: Literal["strict", "warn", "off"] = "warn"  # SIP-26
    cli_fallback: Annotated[tuple[CliSource, ...], BeforeValidator(split)] = (
        "pai",
        "alias",
        "first",
    )
    challenge_status: Literal[401, 407] = 407  # SIP-31
    # SIP-32: each is a challenge of its own, in this order; many callers read the first only.
    digest_algorithms: Annotated[Texts, AfterValidator(_algorithms)] = ("MD5",)
    verbose_rejects: Literal["known", "always", "never"] = "known"  # SIP-24
    strict_headers: bool = False  # SIP-22
    trunk_header: bool = False  # SIP-25: X-Exotel-TrunkSid tells trunks of one address apart
    trunk_certificates: bool = False  # SIP-36
    trunk_daily_minutes: int = Field(default=0, ge=0, le=1_000_000)  # of each trunk; 0: no limit
    # TR-83, 0: no limit. Of each trunk; of each account, by its trunks and by API together.
    trunk_calls_per_minute: int = Field(default=0, ge=0, le=PER_MINUTE_LIMIT)
    account_calls_per_minute: int = Field(default=0, ge=0, le=PER_MINUTE_LIMIT)
    # INVITEs of one address that is in no list; 0: no limit, unset: a quarter of rate_per_s.
    invites_per_s: int | None = Field(default=None, ge=0)
    invite_burst: int | None = Field(default=None, ge=1)  # unset: half of burst
    ban_after: int = Field(default=10, ge=0, le=10_000)  # strikes in a minute; 0: nobody is banned
    ban_seconds: int = Field(default=600, ge=1, le=604_800)
    scanners: Texts = SCANNERS  # parts of User-Agent that get no answer

    def gate(self, sources: Iterable[str], country_code: str, guard: DialGuard) -> GateSettings:
        """Return the settings as the gate takes them; `sources` are the carriers' networks."""
        carriers: list[IPv4Network | IPv6Network] = [
            ip_network(source, strict=False) for source in sources
        ]
        return GateSettings(
            unknown_callers=self.unknown_callers,
            carriers=tuple(carriers),
            from_host_check=self.from_host_check,
            cli_fallback=self.cli_fallback,
            challenge_status=self.challenge_status,
            algorithms=self.digest_algorithms,
            verbose_rejects=self.verbose_rejects,
            strict_headers=self.strict_headers,
            reads_trunk_header=self.trunk_header,
            wants_certificates=self.trunk_certificates,
            daily_minutes=self.trunk_daily_minutes,
            calls_per_minute=self.trunk_calls_per_minute,
            account_calls_per_minute=self.account_calls_per_minute,
            country_code=country_code,
            guard=guard,
        )

    def bans(self) -> BanLimits:
        """Return when a source is banned."""
        return BanLimits(strikes=self.ban_after, ban_ms=self.ban_seconds * 1_000)
