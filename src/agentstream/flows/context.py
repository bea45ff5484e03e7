"""What a flow remembers: for templates, for later applets, for the customer's server."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from agentstream.base.ids import LegSid, PromptId, RecordingSid, RequestId, StreamSid, Tokens
from agentstream.calls.causes import CallStatus, Cause, Party
from agentstream.calls.events import Event, RecordingFinished, StreamFinished
from agentstream.calls.record import CallSetup
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.template import key, render, render_path, render_url

INDIAN_TIME: Final = timezone(timedelta(hours=5, minutes=30))  # PT-10
NO_TIME: Final = "1970-01-01 05:30:00"  # PT-10: EndTime, as long as the call lasts
DIGITS_LIMIT: Final = 255  # AP-26; more typed ahead is dropped

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DialledParty:
    """One party that a Connect dialled; told as `Legs[n][...]`."""

    number: str
    status: CallStatus
    talk_s: int = 0  # from its answer
    caller_id: str = ""
    cause: Cause = Cause.NORMAL


@dataclass(frozen=True, slots=True)
class Dialled:
    """What a Connect came to; told as `DialCallStatus`, `DialWhomNumber` and so on (PT-10)."""

    status: CallStatus
    whom: str = ""  # who answered, or was dialled last
    duration_s: int = 0  # of the second leg
    caller_id: str = ""  # what was shown to it
    parties: tuple[DialledParty, ...] = ()  # all that were dialled, in their order


class Context:
    """The memory of one flow in one call."""

    def __init__(self, setup: CallSetup, tokens: Tokens, now_ms: int) -> None:
        self.setup = setup
        self.leg_sid = LegSid("")  # the leg that the flow speaks to; set when the call starts
        self.digits = ""  # what the last applet collected, or the caller typed ahead
        self.stream: StreamOutcome | None = None  # the latest one only (PT-25)
        self.stream_sid = StreamSid("")
        self.recording_url = ""
        self.dial: Dialled | None = None  # the latest Connect
        self.call_type = "call-attempt"  # PT-10 lists what else it becomes
        self.transfer_to = ""  # what the bot asked for last (OP-1)
        # Why the flow left the last applet, and who made it; a call that ends next ends for that.
        self.cause = Cause.NORMAL
        self.mover = Party.FLOW
        self.reason = ""
        self._tokens = tokens
        self._zero_ms = now_ms

    def new_stream_sid(self) -> StreamSid:
        """Return a new id: 32 hex characters (AS-69)."""
        return StreamSid(self._tokens.hex())

    def new_leg_sid(self) -> LegSid:
        """Return a new id."""
        return LegSid(self._tokens.hex())

    def new_request_id(self) -> RequestId:
        """Return a new id."""
        return RequestId(self._tokens.hex())

    def new_prompt_id(self) -> PromptId:
        """Return a new id."""
        return PromptId(self._tokens.hex())

    def new_recording_sid(self) -> RecordingSid:
        """Return a new id."""
        return RecordingSid(self._tokens.hex())

    def note(self, event: Event) -> None:
        """Remember what later applets report."""
        match event:
            case StreamFinished():
                self.stream, self.stream_sid = event.outcome, event.stream_sid
            case RecordingFinished(error=""):
                self.recording_url = event.url
            case _:
                pass

    def type_ahead(self, digit: str) -> None:
        """Keep a key for the next applet that collects keys."""
        self.digits = (self.digits + digit)[:DIGITS_LIMIT]

    def text(self, template: str, now_ms: int) -> str:
        """Return a text for people with its variables filled in."""
        return render(template, self._variables(now_ms))

    def url(self, template: str, now_ms: int) -> str:
        """Return a URL with its variables filled in, percent-encoded."""
        if "{" not in template:  # most addresses of bots; working out the variables takes longer
            return template
        return render_url(template, self._variables(now_ms))

    def path(self, template: str, now_ms: int) -> str:
        """Return a file's path with its variables filled in, harmless."""
        return render_path(template, self._variables(now_ms))

    def parameters(self, now_ms: int) -> Parameters:
        """Return what the customer's server is told of the call (PT-10, by the rules of PT-11)."""
        setup = self.setup
        dial = self.dial
        started = self._indian(self._zero_ms)
        always = (
            ("CallSid", setup.call_sid),
            ("CallFrom", setup.from_number),
            ("CallTo", setup.to_number),
            ("From", setup.from_number),
            ("To", setup.to_number),
            ("Direction", self._direction()),
            ("Created", started.strftime("%a, %d %b %Y %H:%M:%S")),
            ("StartTime", started.strftime("%Y-%m-%d %H:%M:%S")),
            ("EndTime", NO_TIME),
            ("CurrentTime", self._indian(now_ms).strftime("%Y-%m-%d %H:%M:%S")),
            ("CallType", self.call_type),
            ("flow_id", setup.flow_sid or ""),
            ("DialCallDuration", str(dial.duration_s) if dial else "0"),
            ("DialWhomNumber", dial.whom if dial else ""),
        )
        sometimes = (
            ("DialCallStatus", dial.status if dial else ""),
            ("OutgoingPhoneNumber", dial.caller_id if dial else ""),
            ("digits", f'"{self.digits}"' if self.digits else ""),  # AP-29: the quotes are wanted
            ("CustomField", setup.custom_field),
            ("RecordingUrl", self.recording_url),
            ("ForwardedFrom", setup.forwarded_from),
        )
        return always + tuple(pair for pair in sometimes if pair[1])

    def stream_parameters(self) -> Parameters:
        """Return what is told of the latest stream (PT-20); nothing before the first has ended."""
        if self.stream is None:
            return ()
        stream = self.stream
        always = (
            ("Stream[StreamSID]", str(self.stream_sid)),
            ("Stream[Status]", stream.status),
            ("Stream[Duration]", str(stream.duration_s)),
            ("Stream[StreamUrl]", stream.url),
            ("Stream[DisconnectedBy]", stream.disconnected_by),
        )
        sometimes = (
            ("Stream[RecordingUrl]", stream.recording_url),
            ("Stream[Error]", stream.error),
            ("Stream[DetailedStatus]", stream.detailed_status),
        )
        return always + tuple(pair for pair in sometimes if pair[1])

    def _variables(self, now_ms: int) -> dict[str, str]:
        return {
            **{key(name): value for name, value in self.setup.variables},
            **dict(self.parameters(now_ms)),
            "digits": self.digits,
            "AccountSid": self.setup.account_sid,
            "StreamSid": self.stream_sid,
            "TransferTo": self.transfer_to,
        }

    def _direction(self) -> str:
        return "incoming" if self.setup.direction == "inbound" else "outbound-dial"

    def _indian(self, time_ms: int) -> datetime:
        wall = self.setup.started_at + timedelta(milliseconds=time_ms - self._zero_ms)
        return wall.astimezone(INDIAN_TIME)
