"""What a leg can be told to do: one frozen value for each verb, whatever shape it came in."""

from typing import Literal, get_args

from agentstream.base.ids import LegSid, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.commands import DEFAULT_TONE, AudioFile, AudioKind, Speech
from agentstream.calls.events import MonitorMode
from agentstream.calls.storage import CustomerStorage

Direction = Literal["in", "out", "both"]  # of the leg: spoken by its party, played to it (EX-44)
# What a stream's bot is sent, and sends (LG-87); "" is PCM at the rate of the address (LC-6).
StreamFormat = Literal[
    "",
    "audio/x-mulaw;rate=8000",
    "audio/x-alaw;rate=8000",
    "audio/L16;rate=8000",
    "audio/L16;rate=16000",
    "audio/L16;rate=24000",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """EX-10: answer a leg that rings here; nothing on one that is up (LG-112)."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """EX-11: end the leg."""


@dataclass(frozen=True, slots=True)
class StartPlay:
    """EX-12: play a sound. `is_awaited`: the verb after it waits for its end."""

    sound: AudioFile
    loops: int = 1  # 0: endless
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class StopPlay:
    """EX-13."""


@dataclass(frozen=True, slots=True)
class StartSay:
    """EX-14: speak a text. `is_awaited`: written as `Say`, which blocks (LC-7)."""

    speech: Speech
    loops: int = 1  # 0: endless
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class StopSay:
    """EX-15."""


PromptVerb = StartPlay | StartSay


@dataclass(frozen=True, slots=True)
class PlaySequence:
    """EX-16: one after the other."""

    items: tuple[PromptVerb, ...]


@dataclass(frozen=True, slots=True)
class Gather:
    """EX-17, EX-35: wait for keys, after a prompt if there is one."""

    num_digits: int = 1
    timeout_ms: int = 10_000  # after the prompt, and between keys
    finish_key: str = "#"  # "": none
    prompt: PromptVerb | None = None


@dataclass(frozen=True, slots=True)
class SendDigits:
    """EX-18: press keys towards the party."""

    digits: str
    tone_ms: int = 100
    gap_ms: int = 100


@dataclass(frozen=True, slots=True)
class StartStream:
    """EX-19: stream the leg's audio to a bot."""

    url: str
    two_way: bool = True
    format: StreamFormat = ""
    secure_dtmf: bool = False  # the bot is not told of keys, and hears none (EX-43)
    source: Direction = "both"  # what a one-way stream carries
    greeting: PromptVerb | None = None  # played meanwhile, until the bot speaks (ours)


@dataclass(frozen=True, slots=True)
class StopStream:
    """EX-20: end one stream, or (None) all of the leg (LG-102)."""

    stream_sid: StreamSid | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """EX-21: call one more party, and let the two talk once it answers."""

    contact_uri: str
    exophone: str
    network_type: Literal["pstn", "voip"] = "pstn"
    timeout_ms: int = 30_000
    custom_param: str = ""  # of the new leg
    absorb_dtmf: bool = False  # EX-45


@dataclass(frozen=True, slots=True)
class Transfer:
    """LG-128, ours: let the party go over to somebody else, by REFER where its trunk takes that."""

    contact_uri: str
    exophone: str = ""  # shown to whom we dial ourselves
    timeout_ms: int = 30_000  # of their ringing then


@dataclass(frozen=True, slots=True)
class Message:
    """EX-22 as voicemail, with the defaults of EX-35: a recording that ends by itself."""

    silence_ms: int = 5_000  # so long a silence ends it; 0: none does
    finish_key: str = "#"  # "": none
    max_ms: int = 20_000
    beeps: bool = True  # before it begins, as the classic Record does (XR-13)
    prompt: PromptVerb | None = None  # before the beep


@dataclass(frozen=True, slots=True)
class StartRecording:
    """EX-22: record the leg, until it is stopped or, of a `message`, what ends one."""

    channels: Literal["mono", "stereo"] = "mono"
    direction: Direction = "both"
    message: Message | None = None
    kind: AudioKind = "mp3"  # that is told of, and sent
    storage: CustomerStorage | None = None  # None: it stays here


@dataclass(frozen=True, slots=True)
class StopRecording:
    """EX-23."""


MUSIC = AudioFile(DEFAULT_TONE)


@dataclass(frozen=True, slots=True)
class Hold:
    """EX-24: the party hears music and nobody hears it."""

    music: AudioFile | Speech = MUSIC


@dataclass(frozen=True, slots=True)
class UnHold:
    """EX-24."""


@dataclass(frozen=True, slots=True)
class Mute:
    """EX-25: silence what the party says, what it hears, or both."""

    direction: Direction = "both"


@dataclass(frozen=True, slots=True)
class UnMute:
    """EX-25."""

    direction: Direction = "both"


@dataclass(frozen=True, slots=True)
class JoinBridge:
    """EX-26."""

    bridge_sid: str


@dataclass(frozen=True, slots=True)
class LeaveBridge:
    """EX-26."""


@dataclass(frozen=True, slots=True)
class StartMonitoring:
    """EX-27: hear a bridge without being in it, and (`mode`) speak to one of its legs, or to all.

    The bridge is named by its sid, or by a leg that is in it, which is also whom one whispers to.
    """

    bridge_sid: str = ""
    leg_sid: LegSid | None = None
    mode: MonitorMode = "listen"


@dataclass(frozen=True, slots=True)
class StopMonitoring:
    """EX-27."""


Verb = (
    Answer
    | Hangup
    | StartPlay
    | StopPlay
    | StartSay
    | StopSay
    | PlaySequence
    | Gather
    | SendDigits
    | StartStream
    | StopStream
    | Dial
    | Transfer
    | StartRecording
    | StopRecording
    | Hold
    | UnHold
    | Mute
    | UnMute
    | JoinBridge
    | LeaveBridge
    | StartMonitoring
    | StopMonitoring
)


@dataclass(frozen=True, slots=True)
class Act:
    """One request of the API: verbs for one leg, in their order (EX-2).

    `action_sid` and `custom` come back in every event that the request causes (LG-90, LG-92).
    """

    action_sid: str
    leg_sid: LegSid
    verbs: tuple[Verb, ...]
    custom: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The customer's endpoint has taken the `leg_ringing` of a leg that rings here (LG-112)."""

    leg_sid: LegSid


VERBS = frozenset(get_args(Verb))
