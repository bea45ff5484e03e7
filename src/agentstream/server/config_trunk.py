"""What accounts may write about trunks of their own; their roads to carriers are `[trunks.NAME]`.

[compat]
mode = "strict"

[trunk]
domain_suffixes = ["pstn.voice.example.net"]
allow_udp = true
"""

from typing import Literal

from pydantic import Field, field_validator

from agentstream.server.config_section import Section, Texts
from agentstream.store.trunk_rules import Charset, TrunkRules

Mode = Literal["lenient", "strict"]
_LENIENT = TrunkRules()
_STRICT_SUFFIXES = ("pstn.exotel.com",)


class CompatConfig(Section):
    """SD-3: strict limits and refuses as the hosted service does, to test client code with."""

    mode: Mode = "lenient"

    @property
    def is_strict(self) -> bool:
        """Whether it is."""
        return self.mode == "strict"


class TrunkConfig(Section):
    """The trunks API; what is not set is as `compat.mode` says."""

    region: str = Field(default="dev", pattern=r"^[a-z]{3}$")  # TR-4: of new sids
    domain_suffixes: Texts | None = None  # TR-38; empty: any domain
    nso_codes: Texts = ()  # TR-37: beside ANY-ANY
    credential_charset: Charset | None = None  # TR-62
    allow_udp: bool | None = None  # TR-66
    require_acl_for_ip_destination: bool | None = None  # TR-67
    allow_private_destinations: bool | None = None  # TR-67; lenient: as [egress] says
    allow_ipv6: bool | None = None  # TR-59
    acl_mask_min: int = Field(default=16, ge=8, le=32)  # TR-59
    own_numbers_only: bool | None = None  # numbers that ring for the account, and no others
    requests_per_minute: int = Field(default=0, ge=0)  # TR-3, of each account; 0: no limit

    @field_validator("domain_suffixes")
    @classmethod
    def _are_plain(cls, suffixes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if suffixes is None else tuple(one.lower().strip(".") for one in suffixes)

    def rules(self, compat: CompatConfig) -> TrunkRules:
        """Return what may be written."""
        strict = compat.is_strict
        suffixes = _STRICT_SUFFIXES if strict else _LENIENT.domain_suffixes
        return TrunkRules(
            is_strict=strict,
            region=self.region,
            domain_suffixes=suffixes if self.domain_suffixes is None else self.domain_suffixes,
            nso_codes=self.nso_codes,
            credential_charset=self.credential_charset or ("strict" if strict else "printable"),
            acl_mask_low=self.acl_mask_min,
            takes_ipv6=_either(self.allow_ipv6, not strict),
            takes_udp=_either(self.allow_udp, not strict),
            needs_acl_for_ip=_either(self.require_acl_for_ip_destination, strict),
            own_numbers_only=_either(self.own_numbers_only, strict),
        )

    def takes_private(self, compat: CompatConfig, egress_mode: str) -> bool:
        """Tell whether calls may be sent to private addresses, and to this machine (TR-67)."""
        usual = not compat.is_strict and egress_mode == "open"
        return _either(self.allow_private_destinations, usual)


def _either(wanted: bool | None, usual: bool) -> bool:
    return usual if wanted is None else wanted
