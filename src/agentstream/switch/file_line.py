"""A line made of WAV files, and what every line tells of itself when it is over."""

from collections.abc import Callable

from agentstream._media import LegStats
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party
from agentstream.calls.dial_spec import DialSpec
from agentstream.media.engine import MediaLeg
from agentstream.switch import feed


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a call record and a metric want to know of a leg when it is over."""

    sip_call_id: str
    stats: LegStats | None
    sip_status: int
    q850: int


class FileLine:
    """A caller made of a WAV file: no phone network, the same audio path."""

    def __init__(self, leg_sid: LegSid, media: MediaLeg) -> None:
        self.leg_sid = leg_sid
        self.media = media
        self.note: Callable[[feed.Note], None] = lambda _: None  # a file has nothing to tell
        self._is_over = False

    @property
    def keys_by_info(self) -> bool:
        """Hear keys as tones."""
        return False

    def ring(self, *, with_media: bool = False) -> None:
        """Let a file wait: it hears nothing."""

    def answer(self) -> list[reports.Report]:
        """Start the clock of the files."""
        self.media.start()
        return [reports.LegAnswered(self.leg_sid)]

    def reject(self, cause: Cause, text: str) -> list[reports.Report]:
        """End before anything was heard."""
        return self._end(cause, Party.SYSTEM, text)

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """End the leg from our side."""
        return self._end(cause, Party.SYSTEM, text)

    def caller_hangs_up(self) -> list[reports.Report]:
        """End the leg as its caller would."""
        return self._end(Cause.NORMAL, Party.CALLER, "")

    def answer_transfer(self, status: int) -> list[reports.Report]:
        """Have asked for none."""
        del status
        return []

    def tell_transfer(self, status: int, *, is_final: bool) -> list[reports.Report]:
        """Have asked for none."""
        del status, is_final
        return []

    def refer(self, spec: DialSpec) -> list[reports.Report]:
        """Call nobody: a file cannot."""
        del spec
        return [not_referred(self.leg_sid)]

    def release(self) -> None:
        """Finish the output file."""
        self.media.close()

    def facts(self, stats: LegStats | None) -> LineFacts:
        """Sum the leg up."""
        return LineFacts("", stats, 0, 0)

    def _end(self, cause: Cause, party: Party, text: str) -> list[reports.Report]:
        if self._is_over:
            return []
        self._is_over = True
        return [reports.LegEnded(self.leg_sid, cause, party, text)]


def not_referred(leg_sid: LegSid) -> reports.TransferTold:
    """Return that a far end will not call anybody in our stead."""
    return reports.TransferTold(leg_sid, 405, is_final=True, was_accepted=False)
