"""Plans: what Python hands to the native audio path, as frozen values.

`agentstream._media` reads these objects by attribute. Units are in the names. Texts for the bot's
socket are templates: a control character that can never stand inside valid JSON text marks each
place that only the audio path can fill in, at the moment of sending.
"""

from dataclasses import field
from typing import Literal

from agentstream.base.values import dataclass

# Placeholders in `StreamPlan` templates and in texts given to `Leg.send_text`.
SEQ = "\x01"  # the message's sequence number, decimal; counted over all messages that carry it
CHUNK = "\x02"  # the index of the media message, decimal, from 1
TIMESTAMP_MS = "\x03"  # milliseconds since the stream's start, decimal
PAYLOAD = "\x04"  # base64 of the samples
MARK_NAME = "\x05"  # the bot's mark name, JSON-escaped, without quotes
PLAYED_MS = "\x06"  # milliseconds of bot audio heard by the line so far, decimal
TRACK = "\x07"  # in `media_template`: whose sound it is, "inbound", "outbound" or "mixed"

Encoding = Literal["PCMU", "PCMA", "G722", "OPUS"]
# How RTP is encrypted and authenticated: RFC 4568 section 6.2, RFC 6188, RFC 7714.
SrtpSuite = Literal[
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
]
Track = Literal["inbound", "outbound", "mixed", "both"]


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One media engine: its threads and its ports.

    Every port of the range is bound at start, so that no other program can take one; RTP uses the
    even port of a pair and RTCP the odd one unless rtcp-mux is agreed.
    """

    rtp_host: str  # the address to bind: "0.0.0.0", "127.0.0.1", "::" ...
    rtp_port_low: int
    rtp_port_high: int
    workers: int = 0  # 0: one per core
    port_rest_ms: int = 30_000  # a freed port is not used again before this
    event_limit: int = 65_536  # waiting for Python; beyond it what bots say gives way first


@dataclass(frozen=True, slots=True)
class RtpLegPlan:
    """A leg whose far end speaks RTP."""

    leg_sid: str
    jitter_min_ms: int = 0
    jitter_max_ms: int = 200
    first_packet_timeout_ms: int = 30_000  # SIP-45; 0 switches the event off
    packet_timeout_ms: int = 60_000
    inband_dtmf: bool = False  # Goertzel detector beside RFC 4733
    follows_clock: bool = True  # our beat follows the far end's packets, for the least delay
    # Legs of one group, say of one call, run on one thread: bridged they hear each other at once,
    # on two threads up to a frame (20 ms) later. "": the thread with the fewest legs.
    group: str = ""


@dataclass(frozen=True, slots=True)
class FileLegPlan:
    """A leg whose far end is a WAV file in and a WAV file out, in real time, 8 or 16 kHz."""

    leg_sid: str
    input_path: str | None  # what the caller says; then silence
    output_path: str | None  # what the caller hears
    rate_hz: int = 8000
    digits: tuple[tuple[int, str], ...] = ()  # (at ms after connect, digit) that the caller presses


@dataclass(frozen=True, slots=True)
class CodecPlan:
    """One agreed payload type."""

    payload_type: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class SrtpPlan:
    """The keys of a leg, each a master key with its salt behind it, of the suite's length."""

    suite: SrtpSuite
    our_key: bytes = field(repr=False)  # what we send is sealed with it
    their_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemotePlan:
    """The far end of an RTP leg, from SDP; may be given again after a re-INVITE."""

    address: str
    port: int
    codecs: tuple[CodecPlan, ...]  # the first is what we send; any may be received
    rtcp_port: int | None = None  # None: rtcp-mux, RTCP shares the RTP port
    ptime_ms: int = 20  # what we send; 10 to 60 in steps of 10
    dtmf_payload_type: int | None = None  # RFC 4733; what we send, and may receive
    dtmf_receive_payload_type: int | None = None  # set when they send under another number
    dtmf_rate_hz: int = 8_000  # the events' clock: 48,000 beside Opus, where it was agreed
    cn_payload_type: int | None = 13  # RFC 3389
    sends: bool = True  # we send media (their direction lets us)
    receives: bool = True
    # Given again with other keys it rekeys; the same keys go on as they were. None: in clear.
    srtp: SrtpPlan | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One WebSocket to a bot. DNS and egress policy were settled before; `addresses` are pinned."""

    stream_sid: str
    addresses: tuple[str, ...]  # "192.0.2.1:443" or "[2001:db8::1]:443", tried in order
    secure: bool
    server_name: str  # TLS SNI and certificate check
    host_header: str  # "bots.example.net" or with ":port"
    target: str  # request target, "/path?query", exactly as given (AS-20)
    headers: tuple[tuple[str, str], ...] = ()  # Authorization (AS-35), User-Agent, extra ones
    rate_hz: int = 8000  # 8000, 16000 or 24000, both directions (AS-142)
    encoding: Literal["pcm16", "mulaw", "alaw"] = "pcm16"
    frame_ms: int = 100  # 20, 40, 60 or 100 (AS-80)
    two_way: bool = True  # False: bot messages are ignored and counted (ST-42)
    # BX-2. inbound: what the far end says; outbound: what it hears; mixed: both added; both: one
    # media message per track and frame, with equal chunk number and timestamp, inbound first.
    track: Track = "inbound"
    # OP-6: the socket opens, and then nothing is sent until `Leg.begin_stream`; what the bot says
    # meanwhile is ignored and counted.
    holds_opening: bool = False
    opening: tuple[str, ...] = ()  # texts sent right after 101, before any media (ST-34)
    media_template: str = ""  # with SEQ, CHUNK, TIMESTAMP_MS, PAYLOAD, TRACK
    mark_template: str = ""  # with SEQ, MARK_NAME, PLAYED_MS
    connect_timeout_ms: int = 10_000  # AS-45, over TCP, TLS and upgrade together
    max_message_bytes: int = 1_048_576  # AS-155; above: close 1009
    buffer_ms: int = 600_000  # AS-125; above: the newest payloads are dropped and counted
    marks_on_clear: Literal["echo", "drop"] = "echo"  # AS-128
    send_buffer_bytes: int = (
        1_048_576  # a bot that never reads: above, media is dropped and counted
    )
    ping_interval_ms: int = 20_000  # AS-118; 0: never
    pong_timeout_ms: int = 60_000
    verify_tls: bool = True  # AS-38
    ca_file: str | None = None  # extra trusted certificates, PEM
    local_address: str | None = None  # AS-36: where the connection comes from
    rejects_other_sids: bool = False  # AS-114: media, marks, clears that name another stream
    # EX-43: keys that the far end presses as tones are silence to the bot, which hears all else
    # 40 ms later; for `track` inbound.
    hides_keys: bool = False


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A sound file for the leg's ear: WAV, MP3 or OGG at any rate."""

    prompt_id: str
    path: str
    loops: int = 1  # 0: endless, until stopped
    max_ms: int = 0  # 0: no limit
    # 0: streams are heard beside it. Else what they say stays queued while it plays, and so long
    # after its end, for a prompt that follows; a prompt that is stopped lets them speak at once.
    streams_wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How it is told who answered; each field is that of `calls.answering.AnswerCriteria`."""

    initial_silence_ms: int
    greeting_ms: int
    after_greeting_silence_ms: int
    total_analysis_ms: int
    min_word_ms: int
    between_words_silence_ms: int
    maximum_words: int
    silence_threshold_dbov: int
    beep_wait_ms: int


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """A recording of one leg: WAV, 16-bit.

    Stereo is left = the far end, right = what it hears; mirrored is the other way round. `heard` is
    the far end alone, `said` what it hears.
    """

    recording_sid: str
    path: str  # the finished file; written as PATH.part until then
    channels: Literal["mono", "stereo", "mirrored", "heard", "said"] = "mono"
    max_ms: int = field(default=14_400_000)


@dataclass(frozen=True, slots=True)
class CapturePlan:
    """A capture of one leg's packets, RTP and RTCP both ways: a pcap file, whole at any time.

    It ends by itself at its largest or longest.
    """

    path: str
    local_address: str  # ours, where the socket has all of them; numeric
    max_bytes: int = 64 * 1_048_576
    max_ms: int = 600_000
