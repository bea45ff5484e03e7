"""Whom a call dials, and how; and what is too much of it."""

from typing import Final

from agentstream.base.values import dataclass
from agentstream.calls.checks import check_length, check_range

RING_LIMIT_MS: Final = 600_000
TEXT_LIMIT: Final = 512  # of a destination, and of each name and value of a header
HEADERS_LIMIT: Final = 32


@dataclass(frozen=True, slots=True)
class DialSpec:
    """Whom to dial, and how.

    `destination` is a number, or a `sip:` or `sips:` address. A number goes out by `trunk`, "" is
    the default one; `sip:NAME` without a host is the trunk NAME, which is then given `to_number`.
    """

    destination: str
    to_number: str = ""
    trunk: str = ""
    caller_id: str = ""  # what the callee is shown; "" is the number that was called (AP-47)
    ring_ms: int = 30_000  # unanswered for so long: CANCEL, NO_ANSWER (AP-47)
    headers: tuple[tuple[str, str], ...] = ()  # of the INVITE (AP-42)
    replaces: str = ""  # the talk that the callee is to give up for this one (RFC 3891)
    referred_by: str = ""  # whoever wants the call (RFC 3892)


def check_spec(spec: DialSpec) -> None:
    """Refuse what is out of bounds. Whether there is a road is for the switch to say."""
    check_range(spec.ring_ms, 1, RING_LIMIT_MS, "ring_ms")
    check_range(len(spec.headers), 0, HEADERS_LIMIT, "the number of headers")
    for text in (spec.destination, spec.to_number, spec.caller_id, spec.replaces, spec.referred_by):
        check_length(text, TEXT_LIMIT, "destination, to_number, caller_id, replaces or referred_by")
    for name, value in spec.headers:
        check_length(name + value, TEXT_LIMIT, "a header")
