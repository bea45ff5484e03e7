"""The last word on a leg: that it has ended, or never came to be (EV-4, EV-5)."""

from types import MappingProxyType
from typing import Final

from agentstream.calls.causes import Cause, Party, sip_status, status_word
from agentstream.calls.events import LegTold, Mishap
from agentstream.flows.legs.told import Origin, Teller

HANGUP_BY: Final[MappingProxyType[Party, str]] = MappingProxyType(  # EV-5
    {
        Party.CALLER: "remote",
        Party.CALLEE: "remote",
        Party.BOT: "local",
        Party.FLOW: "local",
        Party.OPERATOR: "local",
        Party.SYSTEM: "platform",
        Party.NETWORK: "platform",
    }
)


def last_word(
    teller: Teller,
    ending: tuple[Cause, Party, str],
    talk_ms: int | None,
    origin: Origin,
    *,
    has_rung: bool,
) -> LegTold:
    """Return the event; `talk_ms` is None for a leg that was never up."""
    cause, party, text = ending
    was_up = talk_ms is not None
    is_lost = not has_rung and not was_up
    code = None if was_up else sip_status(cause)
    status = status_word(cause, was_up)
    error = Mishap(code or 0, f"the leg was not created: {status}", text) if is_lost else None
    return teller.tell(
        "leg_failed_to_create" if is_lost else "leg_terminated",
        origin,
        error,
        terminal_status=status,
        reason=cause.value,
        sip_code=code,
        hangup_by=HANGUP_BY[party],
        duration=(talk_ms or 0) // 1000,
    )
