"""What the stream room says and hears, as frozen values that no dialect colours.

Texts for the bot's socket are templates. A control character, which can never stand inside valid
JSON, marks each place that only the audio path can fill in at the moment of sending; the native
contract knows the same characters.
"""

from typing import Final, Literal

from agentstream.base.values import dataclass

SEQ: Final = "\x01"  # the message's sequence number
CHUNK: Final = "\x02"  # the index of the media message, from 1
TIMESTAMP_MS: Final = "\x03"  # milliseconds since the stream's start
PAYLOAD: Final = "\x04"  # base64 of the samples
MARK_NAME: Final = "\x05"  # the bot's mark name, JSON-escaped, without quotes
PLAYED_MS: Final = "\x06"  # milliseconds of bot audio that the line has heard
TRACK: Final = "\x07"  # whose audio this is: inbound, outbound or mixed (BX-2)

Encoding = Literal["pcm16", "mulaw", "alaw"]
Track = Literal["inbound", "outbound", "mixed", "both"]
StopReason = Literal["stopped", "callended"]  # AS-99


@dataclass(frozen=True, slots=True)
class Audio:
    """What the audio of one stream is, in both directions (AS-142)."""

    encoding: Encoding = "pcm16"
    rate_hz: int = 8000
    track: Track = "inbound"
    shows_track: bool = False  # `media` says its track

    @property
    def bytes_per_ms(self) -> int:
        """8 for µ-law, 16 for PCM at 8000 Hz."""
        return self.rate_hz // 1000 * (2 if self.encoding == "pcm16" else 1)

    @property
    def law(self) -> str:
        """How people call the encoding."""
        return {"pcm16": "PCM", "mulaw": "µ-law", "alaw": "A-law"}[self.encoding]


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """One stream that a flow, an API call or a leg action asks for."""

    stream_sid: str
    call_sid: str
    account_sid: str
    url: str  # ws, wss, or http(s) of a resolver (AS-10, AS-13)
    from_number: str  # the human (AS-70)
    to_number: str
    two_way: bool = True  # False: a unidirectional fork (AS-3)
    encoding: Encoding = "pcm16"  # "mulaw" for leg actions (AS-144), always 8000 Hz
    track: Track = "inbound"  # AS-82, AS-182: what the leg says, hears, or both (BX-2)
    custom_field: str = ""  # the call's CustomField (OP-5)


@dataclass(frozen=True, slots=True)
class Resume:
    """A bot that is dialled again gets to know what it has said (OP-10)."""

    played_ms: int  # of the bot's audio, heard by the line before


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """How to open the socket; the native `StreamPlan` less the addresses, which DNS gives."""

    stream_sid: str
    secure: bool
    server_name: str
    host_header: str
    target: str
    headers: tuple[tuple[str, str], ...]
    rate_hz: int
    encoding: Encoding
    frame_ms: int
    track: Track
    two_way: bool
    holds_opening: bool
    opening: tuple[str, ...]
    media_template: str
    mark_template: str
    connect_timeout_ms: int
    max_message_bytes: int
    rejects_other_sids: bool
    hides_keys: bool
    buffer_ms: int
    marks_on_clear: Literal["echo", "drop"]
    ping_interval_ms: int
    pong_timeout_ms: int
    verify_tls: bool
    ca_file: str | None


# What a bot's text that is no media, mark or clear turns out to be (AS-114 to AS-116).


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The bot asks for a graceful end (AS-116)."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """One of our own events comes back (AS-115); it means nothing."""

    event: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event that this wire does not know (AS-106)."""

    event: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not an event at all, or one that lacks what it needs; `why` is for the bot's developer."""

    why: str


# What a bot asks for by a control event (OP-1). `ask_id` comes back in the answer.

AskId = str | int | None
ControlEvent = Literal["hangup", "transfer", "send_dtmf", "set_rate"]


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """End the call: after a mark, or when all that is queued was heard, or (not `drains`) now."""

    ask_id: AskId = None
    drains: bool = True
    after_mark: str | None = None


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """Hand the caller over to a number, a `sip:` address, or `flow:NAME`."""

    ask_id: AskId
    target: str


@dataclass(frozen=True, slots=True)
class DigitsAsked:
    """Press keys towards the caller."""

    ask_id: AskId
    digits: str


@dataclass(frozen=True, slots=True)
class RateAsked:
    """Go on at another rate, in both directions."""

    ask_id: AskId
    rate_hz: int


@dataclass(frozen=True, slots=True)
class AskRefused:
    """A control event that lacks what it needs; `why` is for the bot's developer."""

    event: ControlEvent
    ask_id: AskId
    why: str


Ask = HangUpAsked | TransferAsked | DigitsAsked | RateAsked | AskRefused
BotText = StopAsked | Echoed | Unknown | Malformed | Ask


@dataclass(frozen=True, slots=True)
class Said:
    """A text of the bot and the stream that it names; None when it names none (AS-114)."""

    text: BotText
    stream_sid: str | None = None
