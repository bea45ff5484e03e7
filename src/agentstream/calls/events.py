"""Events: facts of a call, from CallStarted to CallEnded, each of which is told exactly once."""

from typing import Literal

from agentstream.base.ids import CallSid, LegSid, PromptId, RecordingSid, RequestId, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.answering import Answerer, AnswerReason
from agentstream.calls.causes import Cause, Party
from agentstream.calls.record import CallRecord, CallSetup
from agentstream.calls.reports import BotAction, StreamOutcome
from agentstream.calls.transfer_words import TransferEvent


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The first leg is there: a call rings here, or a party is being called."""

    call_sid: CallSid
    leg_sid: LegSid
    setup: CallSetup


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The first leg is up."""

    call_sid: CallSid
    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegDialled:
    """One more party is being called."""

    call_sid: CallSid
    leg_sid: LegSid
    destination: str
    caller_id: str


@dataclass(frozen=True, slots=True)
class LegRinging:
    """A dialled party, also the first one, is alerted; told again when early media begins."""

    call_sid: CallSid
    leg_sid: LegSid
    has_early_media: bool


@dataclass(frozen=True, slots=True)
class LegUp:
    """A dialled party has answered."""

    call_sid: CallSid
    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegGone:
    """The leg of a dialled party, or a first one that its call outlives (BR-9), is over.

    `talk_ms` is 0 without an answer; `cause` then says why: BUSY, NO_ANSWER, REJECTED ...
    """

    call_sid: CallSid
    leg_sid: LegSid
    cause: Cause
    party: Party
    talk_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class LegsBridged:
    """Two legs hear each other."""

    call_sid: CallSid
    leg_sid: LegSid
    other_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegsUnbridged:
    """They do not any more."""

    call_sid: CallSid
    leg_sid: LegSid
    other_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegHeld:
    """A bridged party hears music, and nobody hears it, until LegUnheld or the bridge's end."""

    call_sid: CallSid
    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegUnheld:
    """It and the other one hear each other again."""

    call_sid: CallSid
    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class MediaBegan:
    """Audio from a leg's far end arrives for the first time."""

    call_sid: CallSid
    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class MediaStopped:
    """Audio from a leg's far end stays away."""

    call_sid: CallSid
    leg_sid: LegSid
    silent_ms: int
    ever_flowed: bool


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A party pressed a key."""

    call_sid: CallSid
    leg_sid: LegSid
    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SilenceHeard:
    """A party was quiet for as long as was asked (WatchSilence)."""

    call_sid: CallSid
    leg_sid: LegSid
    silent_ms: int


@dataclass(frozen=True, slots=True)
class AnswerJudged:
    """Who answered a leg (WatchAnswer), told once; `unknown` also when it ended before."""

    call_sid: CallSid
    leg_sid: LegSid
    result: Answerer
    elapsed_ms: int  # from the answer
    reason: AnswerReason


@dataclass(frozen=True, slots=True)
class BeepHeard:
    """The beep of a machine that answered is over: it records what it is told now."""

    call_sid: CallSid
    leg_sid: LegSid
    elapsed_ms: int  # from the answer


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """A server is asked; credentials in `url` are masked."""

    call_sid: CallSid
    request_id: RequestId
    purpose: str
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """A server answered, whatever its status; or, `status` 0, did not, and `error` says why."""

    call_sid: CallSid
    request_id: RequestId
    purpose: str
    status: int
    content_type: str
    body: bytes
    elapsed_ms: int
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class BotAsked:
    """A bot used a control event (OP-1); hang-ups and digits are carried out by the call itself."""

    call_sid: CallSid
    leg_sid: LegSid
    stream_sid: StreamSid
    action: BotAction
    value: str


@dataclass(frozen=True, slots=True)
class PromptFinished:
    """A prompt is over; `error` says why it could not be played."""

    call_sid: CallSid
    leg_sid: LegSid
    prompt_id: PromptId
    completed: bool
    error: str


@dataclass(frozen=True, slots=True)
class StreamRequested:
    """A stream is being opened; the credentials in `url` are masked (AS-37)."""

    call_sid: CallSid
    leg_sid: LegSid
    stream_sid: StreamSid
    url: str
    name: str
    two_way: bool


@dataclass(frozen=True, slots=True)
class StreamHeld:
    """A bot is connected while its call still rings, and waits for the answer (OP-6)."""

    call_sid: CallSid
    leg_sid: LegSid
    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A bot has accepted a stream."""

    call_sid: CallSid
    leg_sid: LegSid
    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class StreamFinished:
    """A stream is over."""

    call_sid: CallSid
    leg_sid: LegSid
    stream_sid: StreamSid
    outcome: StreamOutcome


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """A recording is whole, or broke off with `error`."""

    call_sid: CallSid
    leg_sid: LegSid
    recording_sid: RecordingSid
    duration_ms: int
    url: str
    error: str


@dataclass(frozen=True, slots=True)
class AppletEntered:
    """The flow reached an applet."""

    call_sid: CallSid
    applet: str
    type: str


@dataclass(frozen=True, slots=True)
class AppletLeft:
    """The flow left an applet by an exit; `to` "" when the exit leads nowhere.

    `reason` is one sentence for a person, or empty.
    """

    call_sid: CallSid
    applet: str
    exit: str
    to: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AppletNoted:
    """What a person should know of a visit to an applet; `is_trouble` goes to the log too."""

    call_sid: CallSid
    applet: str
    text: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class CallHungUp:
    """Somebody ended the call; what still runs is being ended. Nothing can be asked any more."""

    call_sid: CallSid
    cause: Cause
    party: Party
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """Nothing of the call runs any more."""

    call_sid: CallSid
    record: CallRecord


@dataclass(frozen=True, slots=True)
class Mishap:
    """Why an action failed (EV-8); `code` is that of SIP where signalling said why."""

    code: int
    message: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class LegTold:
    """A stage of the life of a leg that is steered from outside, or what an action came to.

    `name` is that of the documents (EV-1, section 6 of the verbs): "leg_answered", "say_started".
    The `action_sid` and `custom` are of the request that caused it, "" where none did; `verb_index`
    counts its verbs from 0. A leg that an action dialled has in the `data` of its "leg_connecting"
    what it was dialled with: contact_uri, exophone, network_type, custom_param, parent_leg_sid.
    """

    call_sid: CallSid
    leg_sid: LegSid
    name: str
    action_sid: str = ""
    custom: str = ""
    verb_index: int = 0
    data: tuple[tuple[str, str | int | None], ...] = ()
    error: Mishap | None = None


MonitorMode = Literal["listen", "whisper", "barge"]


@dataclass(frozen=True, slots=True)
class BridgeAsked:
    """A leg that is steered wants something of a bridge that is of no call (EX-26, EX-27).

    `join`: to be in it. `decline`: it was invited, and `text` says why it cannot come. `watch`: to
    hear it, where `other_sid` is whom it whispers to, or without a `bridge_sid` whose bridge it is.
    """

    call_sid: CallSid
    leg_sid: LegSid
    wish: Literal["join", "decline", "watch"]
    bridge_sid: str
    mode: MonitorMode = "listen"
    other_sid: LegSid | None = None
    text: str = ""


Event = (
    CallStarted
    | CallAnswered
    | LegDialled
    | LegRinging
    | LegUp
    | LegGone
    | LegsBridged
    | LegsUnbridged
    | LegHeld
    | LegUnheld
    | MediaBegan
    | MediaStopped
    | DigitReceived
    | SilenceHeard
    | AnswerJudged
    | BeepHeard
    | RequestStarted
    | RequestFinished
    | BotAsked
    | PromptFinished
    | StreamRequested
    | StreamHeld
    | StreamOpened
    | StreamFinished
    | RecordingFinished
    | AppletEntered
    | AppletLeft
    | AppletNoted
    | LegTold
    | BridgeAsked
    | TransferEvent
    | CallHungUp
    | CallEnded
)
