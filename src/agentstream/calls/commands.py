"""Commands: what a flow, a person or a program wants from a call.

Whoever asks makes the ids of what the command begins, so that later facts can be told apart. An
impossible command raises CommandError and changes nothing.
"""

from dataclasses import dataclass, field
from typing import Literal

from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls.causes import Cause, Party


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a leg that rings here."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse a leg that rings here; the cause becomes what its far end is told."""

    leg_sid: LegSid
    cause: Cause
    party: Party = Party.FLOW


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call, whatever it is doing."""

    cause: Cause
    party: Party
    text: str = ""  # one sentence for a person; empty: what the cause says


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A sound file by path, or by http(s) URL."""

    source: str


@dataclass(frozen=True, slots=True)
class Speech:
    """A text to be spoken. `language` is a BCP 47 tag; `voice` "" is that language's default."""

    text: str
    language: str = "en-IN"
    voice: str = ""


Prompt = AudioFile | Speech


@dataclass(frozen=True, slots=True)
class Play:
    """Play a prompt to a leg; it replaces a prompt that plays there now."""

    leg_sid: LegSid
    prompt_id: PromptId
    prompt: Prompt
    loops: int = 1  # 0: endless, until stopped
    max_ms: int = 0  # 0: no limit


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Stop a prompt; PromptFinished follows."""

    prompt_id: PromptId


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream to open. `url` is ws(s), or http(s) of a resolver that names one (AS-13)."""

    url: str
    two_way: bool = True
    name: str = ""  # a label, at most 32 characters (AS-12)
    profile: str = ""  # wire profile, "" is the server's default: docs, field (CX-*)
    overrides: tuple[tuple[str, str], ...] = ()  # settings of the profile, e.g. ("frame_ms", "20")
    parameters: tuple[tuple[str, str], ...] = ()  # what a resolver is sent (AS-14, PT-10)


@dataclass(frozen=True, slots=True)
class RecordingSpec:
    """A recording to make; stereo is left = the far end, right = what it hears."""

    channels: Literal["mono", "stereo"] = "mono"
    max_ms: int = 14_400_000


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open a stream from a leg to a bot.

    With a `recording_sid` the leg is recorded from the stream's start to its end (AP-66).
    """

    leg_sid: LegSid
    stream_sid: StreamSid
    spec: StreamSpec
    recording_sid: RecordingSid | None = None
    recording: RecordingSpec = field(default_factory=RecordingSpec)


@dataclass(frozen=True, slots=True)
class CloseStream:
    """End a stream; the bot is told `stopped`."""

    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record a leg."""

    leg_sid: LegSid
    recording_sid: RecordingSid
    spec: RecordingSpec = field(default_factory=RecordingSpec)


@dataclass(frozen=True, slots=True)
class StopRecording:
    """End a recording; RecordingFinished follows."""

    recording_sid: RecordingSid


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Press keys towards a leg's far end."""

    leg_sid: LegSid
    digits: str  # of 0123456789*#ABCD, at most 64
    tone_ms: int = 100
    gap_ms: int = 70


@dataclass(frozen=True, slots=True)
class ReleaseCall:
    """The flow has finished and asks for nothing more.

    A call whose parties have gone ends with this; a call that is still up goes on without a flow.
    """


Command = (
    Answer
    | Reject
    | HangUp
    | Play
    | StopPlaying
    | OpenStream
    | CloseStream
    | StartRecording
    | StopRecording
    | SendDigits
    | ReleaseCall
)
