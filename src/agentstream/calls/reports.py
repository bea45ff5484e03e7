"""Reports: what the world did to a call, in words that name neither signalling nor sockets.

The switch translates what its engines tell into these and posts them to the call. A report about
something that the call does not know (any more) is ignored and counted.
"""

from typing import Literal

from agentstream.base.ids import LegSid, PromptId, RecordingSid, RequestId, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.answering import Answerer, AnswerReason
from agentstream.calls.causes import Cause, Party
from agentstream.calls.transfer_words import LegReplaces as LegReplaces
from agentstream.calls.transfer_words import TransferAsked as TransferAsked
from agentstream.calls.transfer_words import TransferTold as TransferTold


@dataclass(frozen=True, slots=True)
class LegOffered:
    """A party calls; its leg rings until it is answered, rejected or gone."""

    leg_sid: LegSid
    remote: str = ""  # where it comes from, for people: "udp:192.0.2.1:5060", "file:hello.wav"


@dataclass(frozen=True, slots=True)
class LegPlaced:
    """A call that we place begins: the party that is dialled first is being called."""

    leg_sid: LegSid
    destination: str


@dataclass(frozen=True, slots=True)
class LegRang:
    """A party that we dial is being alerted; comes again when its early media begins."""

    leg_sid: LegSid
    has_early_media: bool = False


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The leg is up both ways: ours was acknowledged, or the party that we dial has answered."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg is over, whoever ended it; the last report of this leg.

    `party` and `cause` count only if nobody had ended the call before. `text` is one sentence
    for a person, or empty. `status` is that of SIP which refused the leg, else 0.
    """

    leg_sid: LegSid
    cause: Cause
    party: Party
    text: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class MediaFlowing:
    """The first audio from the leg's far end has arrived."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class MediaLost:
    """No audio came from the leg's far end for too long (SIP-45); not while it is on hold."""

    leg_sid: LegSid
    silent_ms: int
    ever_flowed: bool


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The leg's party pressed one key; told when the key is released (AS-91)."""

    leg_sid: LegSid
    digit: str  # one of 0123456789*#ABCD
    duration_ms: int = 0
    in_audio: bool = False  # as a tone, which is part of what the leg says
    in_message: bool = False  # by signalling alone: nobody to whom the leg talks has heard it


@dataclass(frozen=True, slots=True)
class WentSilent:
    """The leg's party was quiet for as long as was asked."""

    leg_sid: LegSid
    silent_ms: int


@dataclass(frozen=True, slots=True)
class AnswererKnown:
    """It is decided who answered the leg; `elapsed_ms` counts from the beginning of the watch."""

    leg_sid: LegSid
    answerer: Answerer
    elapsed_ms: int
    reason: AnswerReason


@dataclass(frozen=True, slots=True)
class Beeped:
    """The leg's answering machine has beeped; what is said now is recorded by it."""

    leg_sid: LegSid
    elapsed_ms: int  # as in AnswererKnown; the end of the beep


@dataclass(frozen=True, slots=True)
class Fetched:
    """A server answered, whatever its status; or, `status` 0, did not, and `error` says why."""

    request_id: RequestId
    status: int
    content_type: str = ""
    body: bytes = b""
    elapsed_ms: int = 0
    attempts: int = 1
    error: str = ""


BotAction = Literal["hangup", "transfer", "send_dtmf"]


@dataclass(frozen=True, slots=True)
class BotWished:
    """The bot used a control event (OP-1): the number, address or flow of a transfer, or digits."""

    stream_sid: StreamSid
    action: BotAction
    value: str = ""


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """A prompt is over: played to its end, stopped, replaced, or (`error`) never playable."""

    prompt_id: PromptId
    completed: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class StreamHeld:
    """The bot of an early stream is connected and waits for the answer (OP-6)."""

    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The bot has accepted the stream: it has `connected` and `start`, audio flows."""

    stream_sid: StreamSid


StreamStatus = Literal["completed", "failed", "cancelled"]
DisconnectedBy = Literal["user", "bot", "NA"]


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """How a stream ended, in the words that a Passthru repeats (PT-20, ST-30)."""

    status: StreamStatus
    disconnected_by: DisconnectedBy = "NA"
    error: str = ""  # opaque; connect failures begin with "3009 " (AS-166)
    detailed_status: str = ""  # "Streaming_call_throttled" (AS-50)
    duration_s: int = 0
    url: str = ""  # the address used, its credentials masked (AS-37)
    recording_url: str = ""
    attempt: int = 0  # the last one to reach the bot
    http_status: int = 0  # with which it refused; 0 when no HTTP answer came


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream is over, whoever ended it; what the bot said last has been played out."""

    stream_sid: StreamSid
    outcome: StreamOutcome


@dataclass(frozen=True, slots=True)
class RecordingReady:
    """A recording is complete under its final name."""

    recording_sid: RecordingSid
    duration_ms: int
    path: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording broke off (disk full and the like); the call goes on."""

    recording_sid: RecordingSid
    error: str


Report = (
    LegOffered
    | LegPlaced
    | LegRang
    | LegAnswered
    | LegEnded
    | MediaFlowing
    | MediaLost
    | DigitPressed
    | WentSilent
    | AnswererKnown
    | Beeped
    | Fetched
    | BotWished
    | PromptEnded
    | StreamHeld
    | StreamStarted
    | StreamEnded
    | RecordingReady
    | RecordingFailed
    | TransferAsked
    | TransferTold
    | LegReplaces
)
