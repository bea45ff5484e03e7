"""Bridges of their own as they are kept: written when they begin, change and end."""

from dataclasses import dataclass, field
from datetime import datetime

from agentstream.base.ids import AccountSid, LegSid


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeRow:
    """A bridge as it was ordered, and as it stood when it was last written."""

    sid: str
    account_sid: AccountSid
    event_endpoint: str = field(default="", repr=False)  # may hold credentials
    absorb_dtmf: bool = False
    max_participants: int
    recording: bool = False
    state: str  # "created", "active", "terminal"
    terminal_status: str = ""  # "" until the end
    leg_sids: tuple[LegSid, ...] = ()  # all that ever took part
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
