"""What a call is born with, and what is written down when it has ended."""

from dataclasses import field
from datetime import datetime
from typing import Literal

from agentstream.base.ids import AccountSid, CallSid, FlowSid, LegSid, RecordingSid, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.answering import Verdict
from agentstream.calls.causes import CallStatus, Cause, Party, status_word
from agentstream.calls.reports import StreamOutcome

Direction = Literal["inbound", "outbound"]
CallbackEvent = Literal["ringing", "answered", "terminal"]
WhichLeg = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """Where an account wants to be told how a call goes (CB-1 to CB-3)."""

    url: str
    events: frozenset[CallbackEvent] = frozenset()  # none: once, at the end, in the short form
    is_json: bool = False  # else a multipart form


@dataclass(frozen=True, slots=True)
class CallSetup:
    """Everything that is known of a call before anything happens in it.

    Of a call that we place `from_number` is the party that is dialled first (CC-23), and
    `to_number` the second one, or the number that we show where there is none (AF-7).
    """

    call_sid: CallSid
    account_sid: AccountSid
    direction: Direction
    from_number: str
    to_number: str
    started_at: datetime  # wall time, UTC, of the `now_ms` that the Call is made with
    flow_sid: FlowSid | None = None  # None: no flow; the call does what commands say
    flow_version: int = 0  # 0: no flow
    trunk_sid: str = ""
    custom_field: str = ""
    forwarded_from: str = ""
    variables: tuple[tuple[str, str], ...] = ()  # more names for templates, e.g. from SIP headers
    phone_number: str = ""  # the account's number in this call; "": `to_number`
    callback: StatusCallback | None = None
    status_leg: WhichLeg = "first"  # whose result is the status of an answered call (CC-60)
    takes_refer: bool = False  # the far end of its first leg may be asked to call somebody itself
    hops_left: int = 71  # how often it may still be passed on: no ring of servers goes for ever

    @property
    def account_number(self) -> str:
        """The account's number in this call: what those are shown whom it dials (AP-47)."""
        return self.phone_number or self.to_number


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may take, in milliseconds. The earliest limit wins (AS-49)."""

    setup_ms: int = 180_000  # from the start until the first leg is up
    call_ms: int = 14_400_000  # from the answer
    closing_ms: int = 30_000  # from the hang-up: for the bot's goodbye, recordings, the flow's rest
    stream_close_ms: int = 15_000  # from the wish to end a stream until it must have ended
    leg_close_ms: int = 15_000  # the same for a leg that was dialled, and what runs on it
    ends_without_media: bool = True  # MediaLost ends the call
    outlives_first: bool = False  # it ends with its last leg that talks, not with its first (BR-9)


@dataclass(frozen=True, slots=True)
class LegRecord:
    """One leg of a call record; times as in CallRecord."""

    leg_sid: LegSid
    direction: Direction
    remote: str
    started_ms: int
    rang_ms: int | None
    answered_ms: int | None
    ended_ms: int | None  # None: its end was never reported
    cause: Cause | None
    ended_by: Party | None
    had_media: bool
    destination: str = ""  # whom we dialled; empty for a leg that came in
    talk_ms: int = 0  # from this leg's answer to its hang-up
    verdict: Verdict | None = None  # who answered; None: nobody asked

    @property
    def status(self) -> CallStatus:
        """The word of CB-5 for this party."""
        return status_word(self.cause or Cause.NORMAL, self.answered_ms is not None)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One stream of a call record; times as in CallRecord."""

    stream_sid: StreamSid
    leg_sid: LegSid
    name: str
    two_way: bool
    requested_ms: int
    opened_ms: int | None
    ended_ms: int
    outcome: StreamOutcome
    recording_sid: RecordingSid | None


@dataclass(frozen=True, slots=True)
class RecordingRecord:
    """One recording of a call record; `error` is empty when it is whole."""

    recording_sid: RecordingSid
    leg_sid: LegSid
    duration_ms: int
    path: str
    url: str
    error: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The row that is written when a call ends. `*_ms` count from the call's start."""

    setup: CallSetup
    status: CallStatus
    cause: Cause
    ended_by: Party
    text: str  # one sentence for a person: why it ended
    rang_ms: int | None
    answered_ms: int | None
    hung_up_ms: int  # the talk is over
    ended_ms: int  # nothing runs any more
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime  # wall time of `hung_up_ms`
    duration_ms: int  # from the start to the hang-up
    talk_ms: int  # from the answer to the hang-up; 0 when never answered
    billable_s: int  # `talk_ms` in seconds, rounded up
    digits: int  # keys pressed by all parties
    stray_reports: int  # reports that were ignored
    legs: tuple[LegRecord, ...] = field(default=())
    streams: tuple[StreamRecord, ...] = field(default=())
    recordings: tuple[RecordingRecord, ...] = field(default=())

    @property
    def conversation_ms(self) -> int:
        """How long others were there with the first party (CD-3); without others, its talk."""
        others = self.legs[1:]
        together = (min(leg.talk_ms, self._talk_of_first_since(leg)) for leg in others)
        return sum(together) if others else self.talk_ms

    def _talk_of_first_since(self, leg: LegRecord) -> int:
        """BR-9: the others may have talked on without it."""
        return max(0, self.hung_up_ms - (leg.answered_ms or 0))
