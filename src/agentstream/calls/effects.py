"""Effects: work that a call orders from the switch. Their order is the order of the work.

Every effect is safe to perform when its leg, prompt, stream or recording has ended meanwhile: then
there is nothing to do, and the report of that end is on its way or was already given.
"""

from typing import Literal

from agentstream.base.ids import LegSid, PromptId, RecordingSid, RequestId, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.answering import AnswerCriteria
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    DialSpec,
    HttpRequest,
    Mail,
    Prompt,
    RecordingSpec,
    StreamSpec,
)
from agentstream.calls.transfer_words import TransferEffect


@dataclass(frozen=True, slots=True)
class RingLeg:
    """Say that it rings here; with media the far end hears the leg before its answer."""

    leg_sid: LegSid
    with_media: bool = False


@dataclass(frozen=True, slots=True)
class AnswerLeg:
    """Answer; report LegAnswered once the leg is up."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class RejectLeg:
    """Refuse a leg that rings here; report LegEnded."""

    leg_sid: LegSid
    cause: Cause
    text: str = ""


@dataclass(frozen=True, slots=True)
class EndLeg:
    """Hang up a leg, whatever its state; report LegEnded. Its media stays until ReleaseLeg."""

    leg_sid: LegSid
    cause: Cause
    text: str = ""


@dataclass(frozen=True, slots=True)
class DialLeg:
    """Place a leg; report LegRang, LegAnswered, and in any case LegEnded."""

    leg_sid: LegSid
    spec: DialSpec


@dataclass(frozen=True, slots=True)
class BridgeLegs:
    """Let two legs hear each other."""

    leg_sid: LegSid
    other_sid: LegSid
    relays_digits: bool = True


@dataclass(frozen=True, slots=True)
class UnbridgeLegs:
    """Part two bridged legs."""

    leg_sid: LegSid
    other_sid: LegSid


@dataclass(frozen=True, slots=True)
class ReleaseLeg:
    """Free the leg's media: its signalling and everything that ran on it have ended.

    Given exactly once for every leg, and nothing is ordered for this leg afterwards.
    """

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class PlayPrompt:
    """Play to the leg, replacing what plays there; report PromptEnded."""

    leg_sid: LegSid
    prompt_id: PromptId
    prompt: Prompt
    loops: int = 1  # 0: endless
    max_ms: int = 0  # 0: no limit
    bots_wait_ms: int = 0  # else bots are heard only after it, and so long later


@dataclass(frozen=True, slots=True)
class StopPrompt:
    """Stop a prompt, also one that is still being fetched or spoken; report PromptEnded."""

    leg_sid: LegSid
    prompt_id: PromptId


@dataclass(frozen=True, slots=True)
class SilenceLeg:
    """Let some of a leg's sound be silence, or no more of it; see `commands.MuteLeg`."""

    leg_sid: LegSid
    heard: bool
    said: bool
    prompts: bool


@dataclass(frozen=True, slots=True)
class StartStream:
    """Resolve, connect, greet the bot; report StreamStarted, and in any case StreamEnded.

    When a `recording_sid` is given, RecordLeg and EndRecording come as effects of their own; it
    is here only so that the outcome can name the recording's address. `is_early`: the bot is not
    greeted before ActivateStream; report StreamHeld once it is connected.
    """

    leg_sid: LegSid
    stream_sid: StreamSid
    spec: StreamSpec
    recording_sid: RecordingSid | None = None
    is_early: bool = False


@dataclass(frozen=True, slots=True)
class ActivateStream:
    """The leg of an early stream was answered: greet the bot; report StreamStarted (OP-6)."""

    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class TellStream:
    """Tell the bot that a key was pressed."""

    stream_sid: StreamSid
    digit: str
    duration_ms: int
    in_audio: bool = False  # the bot has heard its tone


StreamEnd = Literal["stopped", "callended", "shutdown"]


def stream_ends(cause: Cause, party: Party) -> tuple[StreamEnd, StreamEnd]:
    """Return what two-way and one-way streams are told: ST-13, ST-14, ST-18 and ST-44."""
    if cause is Cause.DRAINING:
        return "shutdown", "shutdown"
    if party in (Party.CALLER, Party.CALLEE, Party.NETWORK):
        return "callended", "callended"
    return "stopped", "callended"


@dataclass(frozen=True, slots=True)
class EndStream:
    """End a stream in whatever state it is (ST-7, ST-13, ST-14, ST-18); report StreamEnded.

    `callended`: the party at the leg's far end has gone, so the outcome is cancelled by the user;
    `stopped`: we end it; `shutdown`: so does a drain, with close code 1001.
    """

    stream_sid: StreamSid
    why: StreamEnd


@dataclass(frozen=True, slots=True)
class RecordLeg:
    """Begin a recording; report RecordingReady or RecordingFailed when it has ended."""

    leg_sid: LegSid
    recording_sid: RecordingSid
    spec: RecordingSpec


@dataclass(frozen=True, slots=True)
class EndRecording:
    """Finish a recording."""

    leg_sid: LegSid
    recording_sid: RecordingSid


@dataclass(frozen=True, slots=True)
class SuspendRecording:
    """Leave out what follows."""

    leg_sid: LegSid
    recording_sid: RecordingSid


@dataclass(frozen=True, slots=True)
class ContinueRecording:
    """Record again."""

    leg_sid: LegSid
    recording_sid: RecordingSid


@dataclass(frozen=True, slots=True)
class NoticeSilence:
    """Report WentSilent when the leg's party was quiet for so long; 0 ends the watch."""

    leg_sid: LegSid
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class ListenForAnswer:
    """Report AnswererKnown once, and Beeped behind a machine's greeting; None ends it."""

    leg_sid: LegSid
    criteria: AnswerCriteria | None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Ask a server; report Fetched. In the background it must outlive the call."""

    request_id: RequestId
    request: HttpRequest
    purpose: str
    in_background: bool = False


@dataclass(frozen=True, slots=True)
class DeliverMail:
    """Send a letter, in the background; it must outlive the call."""

    request_id: RequestId
    mail: Mail


@dataclass(frozen=True, slots=True)
class PressDigits:
    """Send keys to the leg's far end."""

    leg_sid: LegSid
    digits: str
    tone_ms: int
    gap_ms: int


Effect = (
    RingLeg
    | AnswerLeg
    | RejectLeg
    | EndLeg
    | DialLeg
    | BridgeLegs
    | UnbridgeLegs
    | ReleaseLeg
    | PlayPrompt
    | StopPrompt
    | SilenceLeg
    | StartStream
    | ActivateStream
    | TellStream
    | EndStream
    | RecordLeg
    | EndRecording
    | SuspendRecording
    | ContinueRecording
    | NoticeSilence
    | ListenForAnswer
    | SendRequest
    | DeliverMail
    | PressDigits
    | TransferEffect
)
