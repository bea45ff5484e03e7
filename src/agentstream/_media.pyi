"""The native contract: plans go in, events and counters come out; no packet and no frame crosses.

`at_ms` of every event is CLOCK_MONOTONIC in whole milliseconds, the same clock as
`agentstream.base.clock.SystemClock.now_ms`. Text ids are those of the plans.
"""

from pathlib import Path
from typing import Literal, final

from agentstream.media.plan import (
    AnswerPlan,
    CapturePlan,
    EnginePlan,
    FileLegPlan,
    PromptPlan,
    RecordPlan,
    RemotePlan,
    RtpLegPlan,
    StreamPlan,
)

__version__: str

class PortsExhausted(Exception):  # noqa: N818 - the state of the ports, which is what we answer
    """No RTP port is free and rested."""

class MediaError(Exception):
    """A plan that cannot be carried out; the text names the field."""

def recover_recordings(folder: Path) -> list[Path]:
    """Give what a crash left of recordings in this folder (not below it) its final names.

    For a start, before anything records; returns the files. Raises OSError.
    """

@final
class Engine:
    """Worker threads and their ports. Methods return at once and never wait for the audio path."""

    def __init__(self, plan: EnginePlan) -> None:
        """Bind the port range and start the threads; raises MediaError naming what is taken."""
    fd: int
    """Readable while events wait (eventfd)."""
    def events(self, limit: int = 1024) -> list[Event]:
        """Take the events that wait, oldest first; clears `fd` once none is left."""
    def open_rtp_leg(self, plan: RtpLegPlan) -> Leg:
        """Reserve a port pair and open a leg; raises PortsExhausted."""
    def open_file_leg(self, plan: FileLegPlan) -> Leg:
        """Open a leg between two WAV files; raises MediaError when the input cannot be read."""
    def free_ports(self) -> int: ...
    def stats(self) -> EngineStats: ...
    def close(self) -> None:
        """End every leg and stop the threads; joins them."""

@final
class Leg:
    """A handle; its commands run in order on the leg's own thread. Unknown ids are ignored."""

    leg_sid: str
    rtp_port: int
    """The local RTP port; 0 for a file leg."""
    def connect(self, plan: RemotePlan) -> None:
        """Start (or, after a re-INVITE, change) the media towards the far end.

        With `plan.srtp` what cannot be authenticated is dropped before it is looked at in any way.
        The same keys again go on as they were; what was sealed with former keys of theirs is
        believed for 5 s more. Keys of another length than the suite's leave all as it was.
        """
    def start(self) -> None:
        """Start the clock of a file leg."""
    def open_stream(self, plan: StreamPlan) -> None: ...
    def send_text(self, stream_sid: str, text: str) -> None:
        """Send one text message; SEQ in it is filled in."""
    def drain_stream(self, stream_sid: str) -> None:
        """Report StreamDrained once the bot's queued audio has been played (at once when empty)."""
    def close_stream(self, stream_sid: str, code: int, reason: str, last_text: str | None) -> None:
        """Send `last_text` and a close frame, or abort when still connecting.

        Ends with StreamClosed (open) or StreamFailed(phase="aborted"); the close reply is waited
        for 5 s at most.
        """
    def drop_stream(self, stream_sid: str) -> None:
        """Forget what a closed stream left to play."""
    def play(self, plan: PromptPlan) -> None:
        """Play a file; it replaces a prompt that plays now."""
    def stop_play(self) -> None: ...
    def send_digits(self, digits: str, tone_ms: int = 100, gap_ms: int = 70) -> None:
        """RFC 4733 where agreed, else tones in the audio; a file leg hears tones."""
    def bridge(self, other: Leg, *, relays_digits: bool = True) -> None:
        """Let two legs hear each other, each beside its own prompts and streams.

        Each leaves the bridge it was in; the end of either leg ends the bridge. It adds no delay
        when both legs run on one thread (see `RtpLegPlan.group`) and have neither stream nor
        recording, else up to a frame of 20 ms (22 while the beats of the two coincide). Packets of
        20 ms are sent on as they came where the codecs match and nothing else is heard. With
        `relays_digits`, keys that come as RFC 4733 events (or from a file leg's script) are pressed
        towards the other far end as well, once released; they are told as Digit all the same.
        Raises MediaError when `other` is this leg.
        """
    def unbridge(self) -> None:
        """Leave the bridge; the other leg leaves it too. Without a bridge nothing happens."""
    def hear(self, other: Leg, *, relays_digits: bool = False) -> None:
        """Let this far end hear what the other's says, beside what it hears otherwise; one way.

        Bridges of three and more legs, and those who listen or whisper, are made of these. Voices
        are brought to this leg's rate, added, and clipped once; each is up to a frame of 20 ms
        older than through a bridge (22 while the beats of the two coincide), and comes and goes
        within 5 ms. A link may stand beside a bridge, whose packets pass as before; where this
        leg is in one, what it hears through that is mixed, and up to a frame older. It counts as
        what is said to this leg for recordings, streams and `mute`. The end of either leg ends
        the link. With `relays_digits`, keys of the other leg are pressed towards this far end, as
        for a bridge. Hearing the same leg again changes that alone. Raises MediaError when `other`
        is this leg, or would be the 17th that it hears.
        """
    def unhear(self, other: Leg) -> None:
        """End that, at once; nothing when this leg does not hear the other."""
    def mute(self, *, heard: bool, said: bool, prompts: bool) -> None:
        """Let what the far end says, what is said to it, and what plays to it be silence.

        `heard` counts for streams, recordings, the bridged leg and those who hear this one; `said`
        is what streams, the bridged leg and those who are heard here say. What is muted goes by
        unheard; keys pass.
        """

    def watch_silence(self, timeout_ms: int) -> None:
        """Report Silence when the far end says nothing for `timeout_ms`; 0: no more.

        Once per silence; the count begins now, and anew after each sound. Silence is what lies less
        than 6 dB above the line's own noise; never above -38 dBov, always below -50 dBov.
        """
    def watch_answer(self, plan: AnswerPlan | None) -> None:
        """Listen who answered, from now on: report AnswerJudged once.

        A machine is listened to for `beep_wait_ms` more, for BeepHeard. None: no more.
        """
    def press_stream(self, stream_sid: str, digit: str, tone_ms: int) -> None:
        """Let the bot hear a key as a tone, in place of the caller (BX-5); 60 ms to 1 s long."""

    def set_stream_rate(self, stream_sid: str, rate_hz: int, text: str) -> None:
        """Give both directions another rate (8000, 16000 or 24000) once all queued was heard.

        `text` is sent between the last sound of the old rate and the first of the new one, and
        RateSet tells of it. A second wish replaces one that waits.
        """

    def begin_stream(self, stream_sid: str) -> None:
        """Let a stream with `holds_opening` begin: opening texts, then sound from time 0."""
    def record(self, plan: RecordPlan) -> None: ...
    def capture(self, plan: CapturePlan) -> None:
        """Keep the leg's packets in a pcap file; another capture of the leg ends."""
    def stop_capture(self) -> None: ...
    def pause_recording(self, recording_sid: str) -> None: ...
    def resume_recording(self, recording_sid: str) -> None: ...
    def stop_recording(self, recording_sid: str) -> None: ...
    def close(self) -> None:
        """End the leg; everything that runs on it ends first, LegClosed is the last event."""

@final
class MediaStarted:
    """The first packet (file leg: frame) in a direction."""

    def __new__(cls, leg_sid: str, at_ms: int, direction: Literal["in", "out"]) -> MediaStarted: ...
    __match_args__ = ("leg_sid", "at_ms", "direction")
    leg_sid: str
    at_ms: int
    direction: Literal["in", "out"]

@final
class Digit:
    """One key press, reported when it ends (AS-91)."""

    def __new__(
        cls,
        leg_sid: str,
        at_ms: int,
        digit: str,
        duration_ms: int,
        source: Literal["rfc4733", "inband", "file"],
    ) -> Digit: ...
    __match_args__ = ("leg_sid", "at_ms", "digit", "duration_ms", "source")
    leg_sid: str
    at_ms: int
    digit: str
    duration_ms: int
    source: Literal["rfc4733", "inband", "file"]

@final
class RtpTimeout:
    """Nothing was received for `silent_ms`; reported once per silence."""

    def __new__(
        cls, leg_sid: str, at_ms: int, silent_ms: int, ever_received: bool
    ) -> RtpTimeout: ...
    leg_sid: str
    at_ms: int
    silent_ms: int
    ever_received: bool

@final
class SourceChanged:
    """The far end's media came from another address than its SDP said, and was learnt (once)."""

    def __new__(cls, leg_sid: str, at_ms: int, address: str) -> SourceChanged: ...
    leg_sid: str
    at_ms: int
    address: str

@final
class SrtpRefused:
    """So many datagrams had no right tag (`rejected`) or came before (`replayed`), in all.

    Told at 50 of both, 500, and so on. `ever_accepted` False: nothing was right so far, so that the
    two ends hardly have the same keys.
    """

    def __new__(
        cls, leg_sid: str, at_ms: int, rejected: int, replayed: int, ever_accepted: bool
    ) -> SrtpRefused: ...
    leg_sid: str
    at_ms: int
    rejected: int
    replayed: int
    ever_accepted: bool

@final
class StreamOpen:
    """101 was received; the phases took this long."""

    def __new__(
        cls, leg_sid: str, at_ms: int, stream_sid: str, tcp_ms: int, tls_ms: int, upgrade_ms: int
    ) -> StreamOpen: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    tcp_ms: int
    tls_ms: int
    upgrade_ms: int

@final
class StreamFailed:
    """The socket did not open. `detail` is for a person: what was tried and what came back."""

    def __new__(
        cls,
        leg_sid: str,
        at_ms: int,
        stream_sid: str,
        phase: Literal["tcp", "tls", "upgrade", "aborted"],
        http_status: int,
        detail: str,
    ) -> StreamFailed: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    phase: Literal["tcp", "tls", "upgrade", "aborted"]
    http_status: int
    """0 when no HTTP answer came."""
    detail: str

@final
class BotMessage:
    """A text message other than media, mark and clear, as it came (at most 64 KiB)."""

    def __new__(cls, leg_sid: str, at_ms: int, stream_sid: str, text: str) -> BotMessage: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    text: str

@final
class BotSample:
    """One of a bot's first messages, whatever it is; the audio path does what it asks.

    4 of audio, 12 others, of each socket. JSON strings of more than 684 bytes are cut. `text` is
    empty for a binary frame that is no text.
    """

    def __new__(
        cls, leg_sid: str, at_ms: int, stream_sid: str, text: str, is_binary: bool
    ) -> BotSample: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    text: str
    is_binary: bool

@final
class BotPace:
    """How much audio the bot has sent; told once a second while it sends, 16 times at most."""

    def __new__(cls, leg_sid: str, at_ms: int, stream_sid: str, bytes_received: int) -> BotPace: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    bytes_received: int
    """Before base64, on this socket."""

@final
class BotAudioStarted:
    """The bot's audio reached the line after silence (first frame of an utterance)."""

    def __new__(cls, leg_sid: str, at_ms: int, stream_sid: str) -> BotAudioStarted: ...
    leg_sid: str
    at_ms: int
    stream_sid: str

@final
class MarkPlayed:
    """A mark was echoed to the bot: heard, or (`cleared`) dropped unheard by a clear."""

    def __new__(
        cls, leg_sid: str, at_ms: int, stream_sid: str, name: str, played_ms: int, cleared: bool
    ) -> MarkPlayed: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    name: str
    played_ms: int
    cleared: bool

@final
class Cleared:
    """The bot's clear was carried out."""

    def __new__(
        cls, leg_sid: str, at_ms: int, stream_sid: str, played_ms: int, dropped_ms: int
    ) -> Cleared: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    played_ms: int
    dropped_ms: int

@final
class StreamDrained:
    """Answer to `drain_stream`."""

    def __new__(cls, leg_sid: str, at_ms: int, stream_sid: str) -> StreamDrained: ...
    leg_sid: str
    at_ms: int
    stream_sid: str

@final
class RateSet:
    """Both directions have another rate from here on."""

    def __new__(cls, leg_sid: str, at_ms: int, stream_sid: str, rate_hz: int) -> RateSet: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    rate_hz: int

@final
class StreamClosed:
    """The socket has ended. Queued audio goes on playing until `drop_stream` or its end."""

    def __new__(
        cls,
        leg_sid: str,
        at_ms: int,
        stream_sid: str,
        code: int,
        reason: str,
        who: Literal["bot", "us", "network"],
        queued_ms: int,
        stats: StreamStats,
    ) -> StreamClosed: ...
    leg_sid: str
    at_ms: int
    stream_sid: str
    code: int
    """The close code; 1005 none given, 1006 no close frame."""
    reason: str
    who: Literal["bot", "us", "network"]
    queued_ms: int
    stats: StreamStats

@final
class PlayFinished:
    """A prompt ended. `error` says why it could not be played, else it is empty."""

    def __new__(
        cls, leg_sid: str, at_ms: int, prompt_id: str, completed: bool, error: str
    ) -> PlayFinished: ...
    leg_sid: str
    at_ms: int
    prompt_id: str
    completed: bool
    """False when stopped or replaced."""
    error: str

@final
class RecordingReady:
    """The file is complete under its final name."""

    def __new__(
        cls, leg_sid: str, at_ms: int, recording_sid: str, path: str, duration_ms: int, sha256: str
    ) -> RecordingReady: ...
    leg_sid: str
    at_ms: int
    recording_sid: str
    path: str
    duration_ms: int
    sha256: str

@final
class RecordingFailed:
    """Disk full and the like; what was written stays as PATH.part, playable."""

    def __new__(
        cls, leg_sid: str, at_ms: int, recording_sid: str, path: str, error: str
    ) -> RecordingFailed: ...
    leg_sid: str
    at_ms: int
    recording_sid: str
    path: str
    error: str

@final
class Silence:
    """The far end has said nothing for `silent_ms`; once per silence (see `Leg.watch_silence`)."""

    def __new__(cls, leg_sid: str, at_ms: int, silent_ms: int) -> Silence: ...
    __match_args__ = ("leg_sid", "at_ms", "silent_ms")
    leg_sid: str
    at_ms: int
    silent_ms: int

@final
class AnswerJudged:
    """Who answered, as far as it can be told; times count from `Leg.watch_answer`.

    `reason`: `pause` (a short greeting, then nothing), `greeting` (a long one), `words` (many),
    `beep`, `silence` (nothing was said), `time` (nothing decided it in time).
    """

    def __new__(
        cls,
        leg_sid: str,
        at_ms: int,
        result: Literal["human", "machine", "unknown"],
        elapsed_ms: int,
        reason: Literal["pause", "greeting", "words", "beep", "silence", "time"],
    ) -> AnswerJudged: ...
    leg_sid: str
    at_ms: int
    result: Literal["human", "machine", "unknown"]
    elapsed_ms: int
    reason: Literal["pause", "greeting", "words", "beep", "silence", "time"]

@final
class BeepHeard:
    """A machine's beep: a steady tone of 400 to 2000 Hz and 120 ms to 3 s, and quiet behind it."""

    def __new__(cls, leg_sid: str, at_ms: int, elapsed_ms: int, hz: int) -> BeepHeard: ...
    leg_sid: str
    at_ms: int
    elapsed_ms: int
    """When it ended; it is told some 100 ms later."""
    hz: int

@final
class LegClosed:
    """The last event of a leg. `fault` is the panic's text if the leg died of a bug, else empty."""

    def __new__(cls, leg_sid: str, at_ms: int, stats: LegStats, fault: str) -> LegClosed: ...
    leg_sid: str
    at_ms: int
    stats: LegStats
    fault: str

Event = (
    MediaStarted
    | Digit
    | RtpTimeout
    | SourceChanged
    | SrtpRefused
    | StreamOpen
    | StreamFailed
    | BotMessage
    | BotSample
    | BotPace
    | BotAudioStarted
    | MarkPlayed
    | Cleared
    | StreamDrained
    | RateSet
    | StreamClosed
    | PlayFinished
    | RecordingReady
    | RecordingFailed
    | Silence
    | AnswerJudged
    | BeepHeard
    | LegClosed
)

@final
class LegStats:
    """Counters of one leg over its life; MOS by the simplified E-model of G.107."""

    def __new__(cls) -> LegStats: ...
    packets_received: int
    packets_sent: int
    bytes_received: int
    bytes_sent: int
    packets_lost: int
    packets_late: int
    packets_duplicate: int
    packets_foreign: int
    """From a source that is not the far end; never played."""
    packets_malformed: int
    srtp_rejected: int
    """Datagrams without a right tag while SRTP was agreed; they count as nothing else."""
    srtp_replayed: int
    """Those that came before, or too late to tell; likewise."""
    concealed_ms: int
    jitter_ms: float
    jitter_max_ms: float
    round_trip_ms: float
    """From RTCP; 0 when the far end sends none."""
    mos: float
    remote_loss: float
    """Fraction lost that the far end last reported (RTCP), 0 to 1."""
    frames_late_5ms: int
    """Frames that we sent more than 5 ms after their time."""
    send_errors: int
    bridge_frames: int
    """Frames (20 ms) that bridged legs, and those that it hears, gave to this one."""
    bridge_passed: int
    """Of these, the packets that were sent on byte by byte, without decoding and encoding."""
    bridge_inserted: int
    """Frames made up because two legs' beats drifted apart or the other leg stalled."""
    bridge_dropped: int
    """Frames left out for the same reasons, or because a leg that hears this one stalled."""
    codec: str
    srtp: str
    """The suite, as SDP names it; empty while all is in clear."""
    def as_dict(self) -> dict[str, int | float | str]: ...

@final
class StreamStats:
    """Counters of one stream over its life."""

    def __new__(cls) -> StreamStats: ...
    media_sent: int
    media_received: int
    bytes_sent: int
    """Audio bytes, before base64."""
    bytes_received: int
    messages_ignored: int
    """Not JSON, unknown shape, or any bot message on a one-way stream or before `begin_stream`."""
    payloads_undecodable: int
    payloads_small: int
    """Below 3200 bytes (AS-150)."""
    payloads_misaligned: int
    """Not a multiple of 320 bytes (AS-151)."""
    media_dropped_in_ms: int
    """Bot audio refused because the buffer was full."""
    media_dropped_out: int
    """Media messages dropped because the bot did not read."""
    underruns: int
    played_ms: int
    clears: int
    marks: int
    first_audio_ms: int
    """From StreamOpen to the bot's first audio on the line; -1 when there was none."""
    rtp_to_ws_p50_ms: float
    rtp_to_ws_p99_ms: float
    ws_to_rtp_p50_ms: float
    ws_to_rtp_p99_ms: float
    clear_to_silence_max_ms: float
    def as_dict(self) -> dict[str, int | float | str]: ...

@final
class EngineStats:
    """Counters of the whole engine, for metrics."""

    legs: int
    streams: int
    packets_received: int
    packets_sent: int
    packets_foreign: int
    srtp_refused: int
    frames_sent: int
    frames_late_5ms: int
    events_waiting: int
    events_dropped: int
    commands_dropped: int
    leg_faults: int
    def as_dict(self) -> dict[str, int | float | str]: ...
