"""What a `BotStream` receives and gives back, as frozen values."""

from typing import Literal, Protocol

from agentstream.base.values import dataclass
from agentstream.stream.messages import SocketPlan


class StreamCounters(Protocol):
    """The part of the native `StreamStats` that is worth a warning."""

    @property
    def media_received(self) -> int:
        """Media messages from the bot."""

    @property
    def payloads_small(self) -> int:
        """Those below 3200 bytes (AS-150)."""

    @property
    def payloads_misaligned(self) -> int:
        """Those whose size is no multiple of 320 bytes (AS-151)."""

    @property
    def payloads_undecodable(self) -> int:
        """Those that are no base64 (AS-157)."""

    @property
    def media_dropped_in_ms(self) -> int:
        """Bot audio refused because the buffer was full (AS-125)."""

    @property
    def played_ms(self) -> int:
        """Bot audio that the line has heard."""


# Inputs.


@dataclass(frozen=True, slots=True)
class Begin:
    """The flow has reached the applet. `is_throttled`: the account has its share (AS-50).

    `is_early`: the call is not answered yet; connect, but keep `start` until Activated (OP-6).
    """

    is_throttled: bool = False
    is_early: bool = False


@dataclass(frozen=True, slots=True)
class Activated:
    """The call of a stream that began early is there: the bot may have its `start` (AS-51)."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The resolver answered, whatever it said."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ResolveFailed:
    """No HTTP answer came from the resolver: DNS, refused, TLS, too long."""

    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """101 was received; how long each phase took."""

    tcp_ms: int = 0
    tls_ms: int = 0
    upgrade_ms: int = 0


@dataclass(frozen=True, slots=True)
class OpenFailed:
    """The socket did not open. "egress": our own rules forbid the address, a retry is useless."""

    phase: Literal["dns", "egress", "tcp", "tls", "upgrade", "aborted"]
    http_status: int = 0  # 0: no HTTP answer
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BotSaid:
    """A text of the bot other than media, mark and clear."""

    text: str


@dataclass(frozen=True, slots=True)
class BotSampled:
    """One of the bot's first messages, whatever it is; the audio path has done what it asks.

    Its long texts may be cut. A binary frame that is no text has none.
    """

    text: str
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class BotPaced:
    """How much audio the bot has sent on this socket; told about once a second while it sends."""

    bytes_received: int  # before base64


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The caller pressed a key."""

    digit: str
    duration_ms: int
    in_audio: bool = False  # as a tone, which the bot has heard


@dataclass(frozen=True, slots=True)
class RateSet:
    """Both directions have another rate from here on: the answer to `SetRate`."""

    rate_hz: int


@dataclass(frozen=True, slots=True)
class MarkReached:
    """A mark of the bot was heard, or (`cleared`) dropped unheard by a clear."""

    name: str
    played_ms: int
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class QueueCleared:
    """The bot's clear was carried out; `played_ms` counts since this socket was opened."""

    played_ms: int
    dropped_ms: int


@dataclass(frozen=True, slots=True)
class SilenceHeard:
    """The caller has been quiet for so long; told once per silence."""

    silent_ms: int


@dataclass(frozen=True, slots=True)
class Drained:
    """The bot's queued audio has been played: the answer to `Drain`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket has ended; `queued_ms` of the bot's audio are not played yet."""

    code: int  # 1005: none given, 1006: no close frame
    reason: str
    who: Literal["bot", "us", "network"]
    queued_ms: int = 0
    counters: StreamCounters | None = None


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller hung up."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The flow moved on, a Stop applet, the API, or the call's own limit; `why` is for a person."""

    why: str


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The server stops."""


@dataclass(frozen=True, slots=True)
class TimeUp:
    """The machine's own timer; `wake` makes it."""


StreamInput = (
    Begin
    | Activated
    | Resolved
    | ResolveFailed
    | Opened
    | OpenFailed
    | BotSaid
    | BotSampled
    | BotPaced
    | DigitPressed
    | RateSet
    | MarkReached
    | QueueCleared
    | SilenceHeard
    | Drained
    | Closed
    | CallerGone
    | StopRequested
    | ShutDown
    | TimeUp
)

# Outputs.


@dataclass(frozen=True, slots=True)
class Resolve:
    """GET this URL with the applet's parameters (AS-14); answer Resolved or ResolveFailed."""

    url: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Connect:
    """Look up `host`, open the socket, answer Opened or OpenFailed; `attempt` counts from 1."""

    attempt: int
    host: str
    port: int
    plan: SocketPlan


@dataclass(frozen=True, slots=True)
class BeginStream:
    """Send the opening that was held, and let media flow (OP-6)."""


@dataclass(frozen=True, slots=True)
class HoldSound:
    """Play a file to the caller, again and again, until StopHold (OP-10)."""

    path: str


@dataclass(frozen=True, slots=True)
class StopHold:
    """Stop the hold sound."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one text; the audio path fills in its sequence number."""

    text: str


@dataclass(frozen=True, slots=True)
class SoundKey:
    """Let the bot hear a key as a tone (BX-5)."""

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SetRate:
    """Give both directions another rate once all queued was heard, and send `text` just then."""

    rate_hz: int
    text: str


@dataclass(frozen=True, slots=True)
class WatchSilence:
    """Report SilenceHeard when the caller is quiet for so long; 0 ends the watch (BX-4)."""

    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Wish:
    """The bot wants this of its call (OP-1): a transfer's target, or digits, is its value."""

    action: Literal["hangup", "transfer", "send_dtmf"]
    value: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """Report Drained once the queued audio has been played."""


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Send `last_text`, if any, then close; abort when the socket is not open yet."""

    code: int
    reason: str
    last_text: str | None = None


@dataclass(frozen=True, slots=True)
class DropQueue:
    """Forget the bot's audio that was not played."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Something that the bot's developer should know; `about` is the dossier's id, if any."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class StreamHeld:
    """The bot is connected before its call is there, and has no `start` yet (OP-6)."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The bot is connected and has its `start`."""

    shown_url: str
    opened: Opened
    attempt: int


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How a stream ended, in the words that webhooks promise (ST-30, PT-20)."""

    status: Literal["completed", "failed", "cancelled"]
    disconnected_by: Literal["user", "bot", "NA"]
    error: str = ""
    detailed_status: str = ""
    duration_s: int = 0  # whole seconds from 101 to the end
    url: str = ""  # as shown: credentials masked
    why: str = ""  # one sentence for a person


@dataclass(frozen=True, slots=True)
class StreamFinished:
    """The stream is over, said exactly once; its socket may still be closing in the background."""

    result: StreamResult


StreamOutput = (
    Resolve
    | Connect
    | BeginStream
    | HoldSound
    | StopHold
    | SendText
    | SoundKey
    | SetRate
    | WatchSilence
    | Wish
    | Drain
    | CloseSocket
    | DropQueue
    | Warn
    | StreamHeld
    | StreamStarted
    | StreamFinished
)
