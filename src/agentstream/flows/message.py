"""What a caller leaves after a beep: recorded until a silence, a key, or for so long (AP-56).

begin ──▶ BEEP ──▶ RECORDING ──silence, key, time──▶ WRITING ──▶ then(kept)
           └── caller gone: nothing ──▶ then(kept)     ▲
                      └────────── caller gone ─────────┘
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from agentstream.base.ids import PromptId
from agentstream.base.values import dataclass
from agentstream.calls.causes import Party
from agentstream.calls.commands import (
    AudioFile,
    Play,
    RecordingSpec,
    StartRecording,
    StopPlaying,
    StopRecording,
    WatchSilence,
)
from agentstream.calls.events import (
    CallHungUp,
    DigitReceived,
    PromptFinished,
    RecordingFinished,
    SilenceHeard,
)
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import BEEP
from agentstream.flows.prompt import PREPARE_MS

BEEP_MS: Final = 120_000  # to be played, at the most
WRITING_MS: Final = 10_000
NOTHING: Final = "nothing was said"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a message is taken."""

    max_ms: int
    silence_ms: int = 5_000  # so long a silence ends it; 0: none does
    end_keys: frozenset[str] = frozenset()
    beeps: bool = True


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of it."""

    recording: RecordingFinished | None = None  # None: nothing was said, or it failed
    why: str = ""  # it ended, or there is none
    party: Party = Party.FLOW  # who ended it before anything was said
    error: str = ""


class Phase(Enum):
    """Where a message is in its life."""

    BEEP = "beep"
    RECORDING = "recording"
    WRITING = "writing"
    OVER = "over"


class Message:
    """One message, from the beep until its recording is written."""

    def __init__(
        self, context: Context, wish: Wish, then: Callable[[Kept, int], list[Step]]
    ) -> None:
        """Take how to record; `then` says what follows, once."""
        self.phase = Phase.BEEP
        self.wake_at_ms: int | None = None
        self._context = context
        self._wish = wish
        self._then = then
        self._prompt_id = PromptId("")
        self._recording_sid = context.new_recording_sid()
        self._why = ""

    def begin(self, now_ms: int) -> list[Step]:
        """Beep, or record at once."""
        if not self._wish.beeps:
            return self._record(now_ms)
        self._prompt_id = self._context.new_prompt_id()
        self.wake_at_ms = now_ms + PREPARE_MS + BEEP_MS
        beep = AudioFile(BEEP)
        return [Play(self._context.leg_sid, self._prompt_id, beep, max_ms=BEEP_MS)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call."""
        match self.phase:
            case Phase.BEEP:
                return self._beeping(happening, now_ms)
            case Phase.RECORDING:
                return self._recording(happening, now_ms)
            case Phase.WRITING:
                return self._writing(happening, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Wait no longer for the beep, for the caller's last word, or for the file."""
        match self.phase:
            case Phase.BEEP:
                return [StopPlaying(self._prompt_id), *self._record(now_ms)]
            case Phase.RECORDING:
                return self._stop("it was as long as it may be", now_ms)
            case _:
                return self._over(Kept(error="it was not written in time"), now_ms)

    def _beeping(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case PromptFinished(prompt_id=self._prompt_id):
                return self._record(now_ms)
            case CommandRefused(command=Play(prompt_id=self._prompt_id)):
                return self._record(now_ms)
            case CallHungUp(party=party):
                return self._over(Kept(why=NOTHING, party=party), now_ms)
            case _:
                return []

    def _record(self, now_ms: int) -> list[Step]:
        wish, leg_sid = self._wish, self._context.leg_sid
        self.phase, self.wake_at_ms = Phase.RECORDING, now_ms + wish.max_ms
        spec = RecordingSpec(max_ms=wish.max_ms)
        steps: list[Step] = [StartRecording(leg_sid, self._recording_sid, spec)]
        if wish.silence_ms:
            steps.append(WatchSilence(leg_sid, wish.silence_ms))
        return steps

    def _recording(self, happening: AppletInput, now_ms: int) -> list[Step]:
        leg_sid = self._context.leg_sid
        match happening:
            case DigitReceived(leg_sid=pressed_sid, digit=digit) if pressed_sid == leg_sid:
                is_end = digit in self._wish.end_keys
                return self._stop(f"ended with key {digit}", now_ms) if is_end else []
            case SilenceHeard(leg_sid=heard_sid) if heard_sid == leg_sid:
                return self._stop("the caller was silent", now_ms)
            case CallHungUp():
                self._stop("the caller hung up", now_ms)  # the call has ended the recording
                return []
            case RecordingFinished(recording_sid=self._recording_sid):
                return [*self._unwatch(), *self._written(happening, now_ms)]
            case CommandRefused(command=StartRecording(), text=text):
                return [*self._unwatch(), *self._over(Kept(error=text), now_ms)]
            case _:
                return []

    def _stop(self, why: str, now_ms: int) -> list[Step]:
        self.phase, self.wake_at_ms, self._why = Phase.WRITING, now_ms + WRITING_MS, why
        return [*self._unwatch(), StopRecording(self._recording_sid)]

    def _unwatch(self) -> list[Step]:
        return [WatchSilence(self._context.leg_sid, 0)] if self._wish.silence_ms else []

    def _writing(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case RecordingFinished(recording_sid=self._recording_sid):
                return self._written(happening, now_ms)
            case _:  # also a StopRecording that is refused: then the end is on its way
                return []

    def _written(self, event: RecordingFinished, now_ms: int) -> list[Step]:
        if event.error:
            return self._over(Kept(error=event.error), now_ms)
        if not event.duration_ms:
            return self._over(Kept(why=NOTHING), now_ms)
        # The engine has noted it too; what is told must not depend on who is told first.
        self._context.recording_url = event.url
        return self._over(Kept(event, self._why), now_ms)

    def _over(self, kept: Kept, now_ms: int) -> list[Step]:
        self.phase, self.wake_at_ms = Phase.OVER, None
        return self._then(kept, now_ms)
