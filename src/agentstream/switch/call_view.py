"""What a live call looks like to those who ask for it, or are called back about it."""

from dataclasses import dataclass
from datetime import datetime

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause
from agentstream.calls.record import CallSetup


@dataclass(frozen=True, slots=True)
class LegView:
    """One party, in the order of dialling (CB-5)."""

    leg_sid: LegSid
    status: str  # "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"
    talk_ms: int = 0  # so far
    cause: Cause | None = None  # once it has ended


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as it stands."""

    setup: CallSetup
    status: str  # "queued", "ringing", "in-progress", and at the end those of CallStatus
    updated_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    legs: tuple[LegView, ...] = ()
    talk_ms: int = 0  # both parties heard each other (CD-3); of a call with one party, its talk
    cause: Cause | None = None
    text: str = ""  # one sentence for a person: why it ended
    recording_url: str = ""
