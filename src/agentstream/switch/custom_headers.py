"""The X- headers of an INVITE to an account's trunk: ids, the trunk's map, what a call adds.

SIP-12 (ids), SIP-13 (three of a Connect's own), SIP-15 (templates of the trunk).
"""

import re
from typing import Final

from agentstream.base.ids import AccountSid, CallSid, LegSid, TrunkSid
from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause
from agentstream.sip.reports import Header
from agentstream.store.trunk_options import TrunkOptions
from agentstream.switch.roads import NoRoadError

CUSTOM_LIMIT: Final = 3  # SIP-13
CUSTOM_LIMIT_BYTES: Final = 200  # of all names and values together
RESERVED: Final = ("x-exotel-", "x-veeno-")
VALUE_LIMIT: Final = 512  # characters of a header that a template makes

_VARIABLE: Final = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_.-]{1,64})?)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What templates may name."""

    call_sid: CallSid
    leg_sid: LegSid
    trunk_sid: TrunkSid
    account_sid: AccountSid
    caller: str
    called: str
    custom: tuple[Header, ...] = ()  # of the Connect, and more names of the call


def check_custom(headers: tuple[Header, ...]) -> None:
    """Refuse what a Connect may not add to an INVITE (SIP-13); raises NoRoadError."""
    if len(headers) > CUSTOM_LIMIT:
        text = f"{len(headers)} custom headers are too many: at most {CUSTOM_LIMIT} are sent."
        raise NoRoadError(Cause.FAILED, text)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in headers)
    if size > CUSTOM_LIMIT_BYTES:
        text = f"The custom headers have {size} bytes, at most {CUSTOM_LIMIT_BYTES} are sent."
        raise NoRoadError(Cause.FAILED, text)
    for name, _ in headers:
        if not name.lower().startswith("x-"):
            text = f"The custom header {name[:60]!r} does not begin with X-."
            raise NoRoadError(Cause.FAILED, text)
        if name.lower().startswith(RESERVED):
            text = f"The custom header {name[:60]!r} is reserved: no Exotel-, no Veeno-."
            raise NoRoadError(Cause.FAILED, text)


def headers_for(facts: HeaderFacts, options: TrunkOptions, own: tuple[Header, ...]) -> list[Header]:
    """Return the headers in their order; a name stands once, `own` (of the call) last wins."""
    found: dict[str, Header] = {}
    filled = [(name, _filled(template, facts)) for name, template in options.header_map]
    for name, value in (*_ids(facts), *filled, *own):
        if value:
            found[name.lower()] = (name, value)
    return list(found.values())


def _ids(facts: HeaderFacts) -> tuple[Header, ...]:
    return (
        ("X-Exotel-CallSid", facts.call_sid),
        ("X-Exotel-LegSid", facts.leg_sid),
        ("X-Exotel-TrunkSid", facts.trunk_sid),
        ("X-Exotel-AccountSid", facts.account_sid),
        ("LegSid", facts.leg_sid),
    )


def _filled(template: str, facts: HeaderFacts) -> str:
    """Fill a template; a name that means nothing becomes nothing."""
    text = _VARIABLE.sub(lambda found: _value(found[1], facts), template)
    return "".join(char for char in text if char.isprintable())[:VALUE_LIMIT]


def _value(name: str, facts: HeaderFacts) -> str:
    if name.startswith("custom."):
        wanted = name.removeprefix("custom.").lower()
        for key, value in facts.custom:
            if key.lower().removeprefix("x-") == wanted.removeprefix("x-"):
                return value
        return ""
    match name:
        case "call_sid" | "leg_sid" | "trunk_sid" | "account_sid" | "caller" | "called":
            return str(getattr(facts, name))
        case _:
            return ""
