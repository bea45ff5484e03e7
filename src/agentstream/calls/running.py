"""One thing that runs on a leg, and where it is in its life; `attached` moves it."""

from dataclasses import dataclass
from enum import Enum

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid, RecordingSid
from agentstream.calls.commands import OpenStream, Play


class Phase(Enum):
    """Where something that runs on a leg is in its life."""

    CONNECTING = "connecting"
    OPEN = "open"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"


@dataclass(slots=True)
class RunningPrompt:
    """A prompt that was begun."""

    play: Play
    phase: Phase = Phase.RUNNING


@dataclass(slots=True)
class RunningRecording:
    """A recording that was begun."""

    leg_sid: LegSid
    recording_sid: RecordingSid
    phase: Phase = Phase.RUNNING


@dataclass(slots=True)
class RunningStream:
    """A stream that was asked for."""

    command: OpenStream
    requested_ms: int
    is_early: bool  # its leg is not answered yet (OP-6)
    phase: Phase = Phase.CONNECTING
    opened_ms: int | None = None
    must_end_by_ms: int | None = None  # set while ENDING

    def hears(self, leg_sid: LegSid) -> bool:
        """Tell whether the bot is told of this leg's keys: not before `start` (AS-4, ST-34)."""
        is_open = self.phase is Phase.OPEN and self.command.spec.two_way
        return is_open and self.command.leg_sid == leg_sid


def check_runs(phase: Phase, what: str) -> None:
    """Refuse to end twice."""
    if phase is Phase.ENDING:
        raise CommandError(f"this {what} is already ending")
