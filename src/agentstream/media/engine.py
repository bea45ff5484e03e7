"""The media engine as the product sees it: the shape of `agentstream._media`, and of its double."""

from typing import Protocol, Self

from agentstream._media import Event
from agentstream.media.plan import (
    AnswerPlan,
    CapturePlan,
    FileLegPlan,
    PromptPlan,
    RecordPlan,
    RemotePlan,
    RtpLegPlan,
    StreamPlan,
)


class MediaLeg(Protocol):
    """One leg's audio; see `agentstream._media.Leg` for each method."""

    @property
    def leg_sid(self) -> str:
        """The plan's id."""

    @property
    def rtp_port(self) -> int:
        """The local RTP port; 0 for a file leg."""

    def connect(self, plan: RemotePlan) -> None:
        """Start or change the media towards the far end; other keys of SRTP rekey it."""

    def start(self) -> None:
        """Start the clock of a file leg."""

    def open_stream(self, plan: StreamPlan) -> None:
        """Dial the bot."""

    def send_text(self, stream_sid: str, text: str) -> None:
        """Send one text message to the bot."""

    def drain_stream(self, stream_sid: str) -> None:
        """Report StreamDrained once the queued audio has been played."""

    def close_stream(self, stream_sid: str, code: int, reason: str, last_text: str | None) -> None:
        """Say goodbye to the bot."""

    def drop_stream(self, stream_sid: str) -> None:
        """Forget what a closed stream left to play."""

    def play(self, plan: PromptPlan) -> None:
        """Play a file."""

    def stop_play(self) -> None:
        """Stop the file that plays."""

    def send_digits(self, digits: str, tone_ms: int = 100, gap_ms: int = 70) -> None:
        """Press keys."""

    def bridge(self, other: Self, *, relays_digits: bool = True) -> None:
        """Let this leg and another hear each other; raises MediaError when it is the same."""

    def unbridge(self) -> None:
        """Leave the bridge, and let the other leg leave it."""

    def hear(self, other: Self, *, relays_digits: bool = False) -> None:
        """Let this leg hear another, beside all else that it hears; 16 at once, else MediaError."""

    def unhear(self, other: Self) -> None:
        """Let it hear that one no more; the end of either ends it too."""

    def mute(self, *, heard: bool, said: bool, prompts: bool) -> None:
        """Let what the far end says, what is said to it, and what plays to it be silence."""

    def watch_silence(self, timeout_ms: int) -> None:
        """Report Silence once per silence of this length; 0 switches it off."""

    def watch_answer(self, plan: AnswerPlan | None) -> None:
        """Report AnswerJudged once, and BeepHeard behind a machine's greeting; None: no more."""

    def press_stream(self, stream_sid: str, digit: str, tone_ms: int) -> None:
        """Let a bot hear a key as a tone."""

    def set_stream_rate(self, stream_sid: str, rate_hz: int, text: str) -> None:
        """Give a stream another rate once all queued was heard; RateSet tells of it."""

    def begin_stream(self, stream_sid: str) -> None:
        """Let a stream begin whose opening was held back."""

    def record(self, plan: RecordPlan) -> None:
        """Record the leg."""

    def capture(self, plan: CapturePlan) -> None:
        """Keep the leg's packets in a pcap file; another capture of the leg ends."""

    def stop_capture(self) -> None:
        """Capture no more."""

    def pause_recording(self, recording_sid: str) -> None:
        """Leave out what comes until it is resumed."""

    def resume_recording(self, recording_sid: str) -> None:
        """Go on with a recording that was paused."""

    def stop_recording(self, recording_sid: str) -> None:
        """Finish a recording."""

    def close(self) -> None:
        """End the leg."""


class MediaEngine(Protocol):
    """Worker threads and ports; see `agentstream._media.Engine` for each method."""

    @property
    def fd(self) -> int:
        """Readable while events wait."""

    def events(self, limit: int = 1024) -> list[Event]:
        """Take the events that wait."""

    def open_rtp_leg(self, plan: RtpLegPlan) -> MediaLeg:
        """Open a leg with a port of its own; raises PortsExhausted."""

    def open_file_leg(self, plan: FileLegPlan) -> MediaLeg:
        """Open a leg between two WAV files."""

    def free_ports(self) -> int:
        """Count the port pairs that a call could have now."""

    def close(self) -> None:
        """End every leg and stop the threads."""
