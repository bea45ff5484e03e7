"""What a flow remembers: for templates, for later applets, for the customer's server."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Final, Literal

from agentstream.base.ids import LegSid, PromptId, RecordingSid, RequestId, StreamSid, Tokens
from agentstream.base.phone import AS_THEY_ARE, NumberStyle
from agentstream.base.values import dataclass
from agentstream.calls.answering import Answerer, answered_by
from agentstream.calls.causes import CallStatus, Cause, Party, q850
from agentstream.calls.events import (
    AnswerJudged,
    CallAnswered,
    CallHungUp,
    Event,
    RecordingFinished,
    StreamFinished,
    StreamRequested,
)
from agentstream.calls.ledger import masked
from agentstream.calls.record import CallSetup
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.answer import Answer
from agentstream.flows.template import key, render, render_path, render_url

INDIAN_TIME: Final = timezone(timedelta(hours=5, minutes=30))  # PT-10
NO_TIME: Final = "1970-01-01 05:30:00"  # PT-10: EndTime, as long as the call lasts
DIGITS_LIMIT: Final = 255  # AP-26; more typed ahead is dropped

Parameters = tuple[tuple[str, str], ...]
CallType = Literal["call-attempt", "completed", "client-hangup", "incomplete", "voicemail"]
DirectionWords = Literal["outbound-dial", "outgoing", "inbound"]

# What a call that comes in, and one that was placed, is called (PT-13, PT-30).
DIRECTIONS: Final[Mapping[DirectionWords, tuple[str, str]]] = MappingProxyType(
    {
        "outbound-dial": ("incoming", "outbound-dial"),
        "outgoing": ("incoming", "outgoing"),
        "inbound": ("inbound", "outbound"),
    }
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How the customer's server is spoken to where there is a choice."""

    directions: DirectionWords = "outbound-dial"
    quotes_digits: bool = True  # AP-29, US-12


USUAL: Final = Wording()


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

    def __init__(
        self,
        setup: CallSetup,
        tokens: Tokens,
        now_ms: int,
        numbers: NumberStyle = AS_THEY_ARE,
    ) -> None:
        """Begin a memory; `numbers` is how the customer's servers are shown numbers (US-13)."""
        self.setup = setup
        self.numbers = numbers
        self.leg_sid = LegSid("")  # the leg that the flow speaks to; set when the call starts
        self.digits = ""  # what the last applet collected, or the caller typed ahead
        self.stream: StreamOutcome | None = None  # the latest one's (PT-25); None while it runs
        self.stream_sid = StreamSid("")
        self.stream_url = ""
        self.forks: dict[StreamSid, str] = {}  # the running one-way streams of applets: their names
        self.coming_stream_url = ""  # of the applet behind `next`, not filled in (PT-30)
        self.recording_url = ""
        self.dial: Dialled | None = None  # of the last Connect
        self.call_type: CallType = "call-attempt"  # Connect and Voicemail say otherwise
        self.transfer_to = ""  # whom or where a bot asked to be transferred to (OP-1)
        self.answer: Answer | None = None  # the last synchronous Passthru's, for SwitchCase (AP-33)
        self.answerer: Answerer | None = None  # of the flow's leg; None: nobody asked, or not yet
        self.is_answered = False
        self.is_gone = False  # somebody has hung up
        # Why the flow left the last applet, and who made it; a call that ends next ends for that.
        self.cause = Cause.NORMAL
        self.mover = Party.FLOW
        self.reason = ""
        self._tokens = tokens
        self._zero_ms = now_ms
        self._ahead = ""  # the keys of `digits` that no applet has taken yet
        self._coming_sid = StreamSid("")
        self._running: set[StreamSid] = set()
        self.talks: set[StreamSid] = set()  # the bots that speak, or are about to

    @property
    def coming_stream_sid(self) -> StreamSid:
        """The id that the next stream will have, for whoever must know it before (PT-31)."""
        self._coming_sid = self._coming_sid or StreamSid(self._tokens.hex())
        return self._coming_sid

    def new_stream_sid(self) -> StreamSid:
        """Return a new id: 32 hex characters (AS-69)."""
        sid, self._coming_sid = self.coming_stream_sid, StreamSid("")
        return sid

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
            case CallAnswered():
                self.is_answered = True
            case AnswerJudged(leg_sid=self.leg_sid, result=result):
                self.answerer = result
            case StreamRequested():
                self._running.add(event.stream_sid)
                if event.two_way:
                    self.talks.add(event.stream_sid)
                self.stream, self.stream_sid, self.stream_url = None, event.stream_sid, event.url
            case StreamFinished():
                self._finished(event)
            case RecordingFinished(error=""):
                self.recording_url = event.url
            case CallHungUp():
                self.is_gone = True
            case _:
                pass

    def type_ahead(self, digit: str) -> None:
        """Keep a key for the next applet that collects keys."""
        self._ahead = self.digits = (self._ahead + digit)[:DIGITS_LIMIT]

    def take_ahead(self) -> str:
        """Return the keys that were typed ahead; they are given once."""
        ahead, self._ahead = self._ahead, ""
        return ahead

    def put_back(self, ahead: str) -> None:
        """Keep keys that an applet took and had no use for; they are not what it collected."""
        self._ahead = ahead

    def wall(self, now_ms: int) -> datetime:
        """Return the time of day, UTC."""
        return self.setup.started_at + timedelta(milliseconds=now_ms - self._zero_ms)

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

    def parameters(self, now_ms: int, wording: Wording = USUAL) -> Parameters:
        """Return what the customer's server is told of the call (PT-10, by the rules of PT-11)."""
        setup, shown = self.setup, self.numbers.show
        started = self._indian(self._zero_ms)
        dial = self.dial
        caller, called = shown(setup.from_number), shown(setup.to_number)
        quote = '"' if wording.quotes_digits and self.digits else ""
        always = (
            ("CallSid", setup.call_sid),
            ("CallFrom", caller),
            ("CallTo", called),
            ("From", caller),
            ("To", called),
            ("Direction", DIRECTIONS[wording.directions][setup.direction == "outbound"]),
            ("Created", started.strftime("%a, %d %b %Y %H:%M:%S")),
            ("StartTime", started.strftime("%Y-%m-%d %H:%M:%S")),
            ("EndTime", NO_TIME),
            ("CurrentTime", self._current(now_ms)),
            ("CallType", self.call_type),
            ("flow_id", setup.flow_sid or ""),
            ("DialCallDuration", str(dial.duration_s) if dial else "0"),
            ("DialWhomNumber", shown(dial.whom) if dial else ""),
        )
        sometimes = (
            ("CallStatus", "completed" if self.is_gone else "in-progress"),
            ("tenant_id", setup.account_sid),
            ("digits", f"{quote}{self.digits}{quote}"),
            ("CustomField", setup.custom_field),
            ("AnsweredBy", answered_by(self.answerer) if self.answerer else ""),
            ("RecordingUrl", self.recording_url),
            ("ForwardedFrom", shown(setup.forwarded_from)),
            ("DialCallStatus", dial.status if dial else ""),
            ("OutgoingPhoneNumber", shown(dial.caller_id) if dial else ""),
        )
        legs = leg_parameters(dial.parties, self.numbers) if dial else ()
        return always + tuple(pair for pair in sometimes if pair[1]) + legs

    def stream_parameters(self) -> Parameters:
        """Return what is told of the latest stream (PT-20); nothing before the first."""
        stream = self.stream
        if stream is None:
            running = (("StreamSID", str(self.stream_sid)), ("StreamUrl", self.stream_url))
            return bracketed(running) if self.stream_sid else ()
        always = (
            ("StreamSID", str(self.stream_sid)),
            ("Status", stream.status),
            ("Duration", str(stream.duration_s)),
            ("StreamUrl", stream.url),
            ("DisconnectedBy", stream.disconnected_by),
        )
        sometimes = (
            ("RecordingUrl", stream.recording_url),
            ("Error", stream.error),
            ("DetailedStatus", stream.detailed_status),
        )
        return bracketed(always + tuple(pair for pair in sometimes if pair[1]))

    def coming_url(self, now_ms: int) -> str:
        """Return the address of the stream behind `next`, filled in and masked; "" for none."""
        return masked(self.url(self.coming_stream_url, now_ms))

    def _finished(self, event: StreamFinished) -> None:
        # An older stream that ends after the latest began is not reported (PT-25).
        is_older = event.stream_sid in self._running and event.stream_sid != self.stream_sid
        self._running.discard(event.stream_sid)
        self.talks.discard(event.stream_sid)
        self.forks.pop(event.stream_sid, None)
        if not is_older:
            self.stream, self.stream_sid = event.outcome, event.stream_sid

    def _variables(self, now_ms: int) -> dict[str, str]:
        return {
            **{key(name): value for name, value in self.setup.variables},
            **dict(self.parameters(now_ms)),
            "digits": self.digits,
            "AnsweredBy": answered_by(self.answerer),
            "AccountSid": self.setup.account_sid,
            "StreamSid": self.stream_sid,
            "DateTime": self._current(now_ms),
            "TransferTo": self.transfer_to,
        }

    def _current(self, now_ms: int) -> str:
        return self._indian(now_ms).strftime("%Y-%m-%d %H:%M:%S")

    def _indian(self, time_ms: int) -> datetime:
        return self.wall(time_ms).astimezone(INDIAN_TIME)


def bracketed(stream: Parameters) -> Parameters:
    """Return a stream's parameters under the names that a query has."""
    return tuple((f"Stream[{name}]", value) for name, value in stream)


def leg_parameters(parties: tuple[DialledParty, ...], numbers: NumberStyle) -> Parameters:
    """Return what is told of each dialled party (PT-10); `frappe/erpnext` has these names."""
    pairs: list[tuple[str, str]] = []
    for place, party in enumerate(parties):
        told = (
            ("Number", numbers.show(party.number)),
            ("Type", "single"),
            ("OnCallDuration", str(party.talk_s)),
            ("Status", party.status),
            ("CallerId", numbers.show(party.caller_id)),
            ("Cause", str(q850(party.cause))),
        )
        pairs += [(f"Legs[{place}][{name}]", value) for name, value in told]
    return tuple(pairs)
