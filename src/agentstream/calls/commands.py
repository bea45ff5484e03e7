"""Commands: what a flow, a person or a program wants from a call.

Whoever asks makes the ids of what the command begins, so that later facts can be told apart. An
impossible command raises CommandError and changes nothing.
"""

from dataclasses import field
from typing import Final, Literal

from agentstream.base.ids import LegSid, PromptId, RecordingSid, RequestId, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.answering import AnswerCriteria
from agentstream.calls.causes import Cause, Party
from agentstream.calls.dial_spec import DialSpec as DialSpec
from agentstream.calls.storage import CustomerStorage
from agentstream.calls.transfer_words import TransferLeg as TransferLeg


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the far end of a leg that is not answered yet that it rings here.

    With media it hears, from now on and before the answer, whom the leg is bridged with (183).
    """

    leg_sid: LegSid
    with_media: bool = False


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
class Dial:
    """Call one more party. LegDialled follows, then LegRinging, LegUp or LegGone."""

    leg_sid: LegSid
    spec: DialSpec


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """End one leg that was dialled, in whatever state it is; the call goes on. LegGone follows.

    Of a call that outlives its first leg any leg is meant: the last one ends the call.
    """

    leg_sid: LegSid
    cause: Cause = Cause.NORMAL
    party: Party = Party.FLOW
    text: str = ""


@dataclass(frozen=True, slots=True)
class Bridge:
    """Let two legs hear each other: answered ones, or a dialled one that sends early media.

    A leg is in one bridge at most. The end of either leg ends the bridge.
    """

    leg_sid: LegSid
    other_sid: LegSid
    relays_digits: bool = True  # each hears the other's keys


@dataclass(frozen=True, slots=True)
class Unbridge:
    """End the bridge of a leg; both legs stay."""

    leg_sid: LegSid


DEFAULT_TONE: Final = "builtin:default_tone"  # music


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
    bots_wait_ms: int = 0  # else bots are heard only after it, and so long later


@dataclass(frozen=True, slots=True)
class Hold:
    """Let a bridged party hear music, and the other one nothing, until Unhold.

    The bridge stays theirs: it ends with either leg, or by Unbridge. None is the call's first leg.
    """

    prompt_id: PromptId  # the music's
    leg_sid: LegSid | None = None
    music: Prompt = AudioFile(DEFAULT_TONE)


@dataclass(frozen=True, slots=True)
class Unhold:
    """Let a party that was held, and the other one, hear each other again."""

    leg_sid: LegSid | None = None


@dataclass(frozen=True, slots=True)
class MuteLeg:
    """Say what of a leg's sound is silence from now on; keys still pass.

    `heard` is what its party says, for streams, recordings and the bridged leg; `said` what streams
    and the bridged leg say to it; `prompts` what it is played.
    """

    leg_sid: LegSid
    heard: bool
    said: bool
    prompts: bool


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
    track: Literal["inbound", "outbound", "mixed", "both"] = "inbound"  # whose audio (BX-2)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A question to a server of the customer's; `query` is appended to the URL's own (AP-1)."""

    url: str
    method: Literal["GET", "POST", "HEAD"] = "GET"
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    content_type: str = ""  # of the body
    timeout_ms: int = 5_000  # one attempt, all of it
    retries: int = 0  # after no answer or a 5xx
    max_bytes: int = 65_536
    redirects: int = 0  # followed on the same host; 0: a 3xx is an answer like others (PT-3)


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter."""

    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask a server; RequestFinished follows. Also allowed while a call closes for its flow (PT-22).

    In the background nobody waits: it is tried to its end even when the call ends before, and
    RequestFinished comes only if the call is still there.
    """

    request_id: RequestId
    request: HttpRequest
    purpose: str  # for people: "passthru", "gather" ...
    in_background: bool = False


@dataclass(frozen=True, slots=True)
class SendMail:
    """Send a letter, in the background."""

    request_id: RequestId
    mail: Mail


@dataclass(frozen=True, slots=True)
class WatchSilence:
    """Report SilenceHeard when a leg's party was quiet for so long; 0 ends the watch.

    It is reported once per silence; sound arms it again.
    """

    leg_sid: LegSid
    timeout_ms: int


Channels = Literal["mono", "stereo", "mirrored", "heard", "said"]
# How a recording is listened to: MP3 at the house's bit rate, or at so many kbit/s a channel.
AudioKind = Literal["mp3", "wav", "8.mp3", "32.mp3"]


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """Find out who answered a leg; AnswerJudged follows, and perhaps BeepHeard.

    For the moment of the answer: what was said before is not heard any more.
    """

    leg_sid: LegSid
    criteria: AnswerCriteria = field(default_factory=AnswerCriteria)


@dataclass(frozen=True, slots=True)
class RecordingSpec:
    """A recording to make.

    Stereo is left = the far end, right = what it hears; mirrored is the other way round. `heard`
    and `said` are one of the two alone.
    """

    channels: Channels = "mono"
    max_ms: int = 14_400_000
    kind: AudioKind = "mp3"  # that its address leads to
    storage: CustomerStorage | None = None  # to which it is sent when it is whole (EX-46)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open a stream from a leg to a bot.

    On a leg that rings here a two-way stream connects ahead: StreamHeld follows, and the bot has
    its `start` with the answer (OP-6, AS-51). With a `recording_sid` the leg is recorded from the
    stream's start to its end (AP-66).
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
class PauseRecording:
    """Leave out what is said from now on, as for a card number; the file has no gap.

    None: of every recording of the call that runs (V3-10).
    """

    recording_sid: RecordingSid | None = None


@dataclass(frozen=True, slots=True)
class ResumeRecording:
    """Record again; None: every recording that was paused."""

    recording_sid: RecordingSid | None = None


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Press keys towards a leg's far end."""

    leg_sid: LegSid
    digits: str  # of 0123456789*#ABCD, at most 64
    tone_ms: int = 100
    gap_ms: int = 70


@dataclass(frozen=True, slots=True)
class StartOver:
    """Let an answered call be as it was at its answer: its flow goes on elsewhere.

    Prompts, conversations with bots, what the flow records, and every leg but the first end. Bots
    that only listen stay, and so does the recording of the whole call.
    """

    party: Party


@dataclass(frozen=True, slots=True)
class ReleaseCall:
    """The flow has finished and asks for nothing more.

    A call whose parties have gone ends with this; a call that is still up goes on without a flow.
    """


Command = (
    Ring
    | Answer
    | Reject
    | HangUp
    | Dial
    | HangUpLeg
    | Bridge
    | Unbridge
    | Hold
    | Unhold
    | MuteLeg
    | Play
    | StopPlaying
    | OpenStream
    | CloseStream
    | StartRecording
    | StopRecording
    | PauseRecording
    | ResumeRecording
    | WatchSilence
    | WatchAnswer
    | Fetch
    | SendMail
    | SendDigits
    | StartOver
    | TransferLeg
    | ReleaseCall
)
