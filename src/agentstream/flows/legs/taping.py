"""The one recording of a leg at a time (LG-103, EX-33): until it is stopped, or of a message.

start ──▶ RECORDING ──StopRecording, the leg's end──▶ stopped ──RecordingFinished──▶ available
message ──▶ PROMPT ──it ends, the finish key──▶ BEEP ──▶ RECORDING ──silence, key, time──▶ stopped
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import AudioFile, RecordingSpec, WatchSilence
from agentstream.calls.commands import StartRecording as Record
from agentstream.calls.commands import StopRecording as StopTape
from agentstream.calls.events import RecordingFinished, SilenceHeard
from agentstream.flows.applet import CommandRefused
from agentstream.flows.dial_plan import BEEP
from agentstream.flows.legs.playback import Playback, word_of
from agentstream.flows.legs.told import (
    IMPOSSIBLE,
    UNWRITTEN,
    LegInput,
    Origin,
    Over,
    RecordingBegins,
    Step,
    Teller,
)
from agentstream.flows.legs.verbs import Message, StartPlay, StartRecording

_UNBEGUN: Final = "recording_failed_to_start"
ONE_SIDE: Final[dict[str, Literal["heard", "said"]]] = {"in": "heard", "out": "said"}
Why = Literal["stop_action", "leg_terminated", "silence", "finish_key", "timeout", "error"]


class _Phase(Enum):
    PROMPT = "prompt"
    BEEP = "beep"


@dataclass(slots=True)
class _Tape:
    origin: Origin
    message: Message | None = None
    has_begun: bool = False
    is_stopped: bool = False


@dataclass(slots=True)
class _Awaited:
    """A message whose recording has not begun."""

    origin: Origin
    verb: StartRecording
    message: Message
    phase: _Phase = _Phase.PROMPT


class Taping:
    """Recordings of one leg; of those that were stopped the file is still to come."""

    def __init__(
        self, teller: Teller, playback: Playback, new_sid: Callable[[], RecordingSid]
    ) -> None:
        self.wake_at_ms: int | None = None  # when a message is as long as it may be
        self._teller = teller
        self._playback = playback
        self._new_sid = new_sid
        self._awaited: _Awaited | None = None
        self._tapes: dict[RecordingSid, _Tape] = {}

    @property
    def is_running(self) -> bool:
        """Whether the leg is being recorded, or about to be."""
        return self._awaited is not None or self._running() is not None

    def start(self, origin: Origin, verb: StartRecording, now_ms: int) -> list[Step]:
        """Record from now on, or of a message once its prompt and beep were heard."""
        if verb.message is None:
            return self._record(origin, verb, now_ms)
        self._awaited = _Awaited(origin, verb, verb.message)
        prompt = verb.message.prompt
        if prompt is None:
            return self._beep(self._awaited, now_ms)
        return self._playback.start(origin, (prompt,), word_of(prompt))

    def waits_for(self, over: Over) -> bool:
        """Tell whether this is the end of our prompt, or of our beep."""
        return self._awaited is not None and over.origin == self._awaited.origin

    def prompt_over(self, now_ms: int) -> list[Step]:
        """Go on when one of them has ended: what a caller wants to say is not lost with a sound."""
        awaited = self._awaited
        assert awaited is not None, "waits_for was asked"
        if awaited.phase is _Phase.PROMPT:
            return self._beep(awaited, now_ms)
        self._awaited = None
        return self._record(awaited.origin, awaited.verb, now_ms)

    def press(self, digit: str) -> list[Step]:
        """Take a key: the finish key ends a message, or its prompt."""
        awaited = self._awaited
        if awaited is not None:
            is_end = awaited.phase is _Phase.PROMPT and digit == awaited.message.finish_key
            return self._playback.interrupt() if is_end else []
        running, message = self._running_message()
        is_end = message is not None and digit == message.finish_key
        return self._stop(running, "finish_key") if running is not None and is_end else []

    def wake(self, now_ms: int) -> list[Step]:
        """End a message that is as long as it may be."""
        running = self._running()
        if self.wake_at_ms is None or now_ms < self.wake_at_ms or running is None:
            return []
        return self._stop(running, "timeout")

    def stop(self) -> list[Step]:
        """End it; nothing to end is no mistake (LG-104)."""
        running = self._running()
        if self._awaited is not None:
            return self._give_up("it was stopped before it began")
        return [] if running is None else self._stop(running, "stop_action")

    def end(self) -> list[Step]:
        """Take it that the leg is over; its call ends the recording, whose file is told later."""
        running = self._running()
        if self._awaited is not None:
            return self._give_up("the leg ended before it began")
        return [] if running is None else self._stopped(running, "leg_terminated")

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what becomes of a recording."""
        match happening:
            case RecordingBegins(recording_sid=sid) if sid in self._tapes:
                return self._begun(sid)
            case SilenceHeard(leg_sid=self._teller.leg_sid):
                return self._silent()
            case RecordingFinished(recording_sid=sid) if sid in self._tapes:
                return self._finished(happening)
            case CommandRefused(command=Record(recording_sid=sid), text=text) if sid in self._tapes:
                tape = self._tapes.pop(sid)
                name = "recording_failed_to_upload" if tape.is_stopped else _UNBEGUN
                failed = self._teller.fail(name, tape.origin, IMPOSSIBLE, text)
                return [*self._unwatch(tape), *failed]
            case _:
                return []

    def _running(self) -> RecordingSid | None:
        return next((sid for sid, tape in self._tapes.items() if not tape.is_stopped), None)

    def _running_message(self) -> tuple[RecordingSid | None, Message | None]:
        running = self._running()
        return running, None if running is None else self._tapes[running].message

    def _beep(self, awaited: _Awaited, now_ms: int) -> list[Step]:
        if not awaited.message.beeps or self._playback.is_busy:  # with what came in its place
            self._awaited = None
            return self._record(awaited.origin, awaited.verb, now_ms)
        awaited.phase = _Phase.BEEP
        return self._playback.start(awaited.origin, (StartPlay(AudioFile(BEEP)),), "beep")

    def _record(self, origin: Origin, verb: StartRecording, now_ms: int) -> list[Step]:
        sid, message, leg_sid = self._new_sid(), verb.message, self._teller.leg_sid
        self._tapes[sid] = _Tape(origin, message)
        channels = ONE_SIDE.get(verb.direction, verb.channels)
        spec = RecordingSpec(channels, kind=verb.kind, storage=verb.storage)
        if message is None:
            return [Record(leg_sid, sid, spec)]
        self.wake_at_ms = now_ms + message.max_ms
        steps: list[Step] = [Record(leg_sid, sid, spec)]
        if message.silence_ms:
            steps.append(WatchSilence(leg_sid, message.silence_ms))
        return steps

    def _silent(self) -> list[Step]:
        running, message = self._running_message()
        is_end = message is not None and message.silence_ms > 0
        return self._stop(running, "silence") if running is not None and is_end else []

    def _give_up(self, why: str) -> list[Step]:
        """End a message of which nothing was recorded; its prompt ends with it."""
        awaited, self._awaited = self._awaited, None
        assert awaited is not None, "a message waits"
        steps = self._playback.interrupt_of(awaited.origin)
        failed = self._teller.fail(_UNBEGUN, awaited.origin, IMPOSSIBLE, why)
        return [*steps, *failed]

    def _stop(self, sid: RecordingSid, why: Why) -> list[Step]:
        return [*self._unwatch(self._tapes[sid]), StopTape(sid), *self._stopped(sid, why)]

    def _unwatch(self, tape: _Tape) -> list[Step]:
        if tape.message is None:
            return []
        self.wake_at_ms = None
        return [WatchSilence(self._teller.leg_sid, 0)] if tape.message.silence_ms else []

    def _finished(self, finished: RecordingFinished) -> list[Step]:
        sid = finished.recording_sid
        tape = self._tapes[sid]
        steps: list[Step] = []
        if not tape.is_stopped:
            why: Why = "error" if finished.error else "timeout"
            steps = [*self._unwatch(tape), *self._stopped(sid, why)]
        del self._tapes[sid]
        if finished.error:
            name = "recording_failed_to_upload"
            failed = self._teller.fail(
                name, tape.origin, UNWRITTEN, finished.error, recording_sid=sid
            )
            return [*steps, *failed]
        told = self._teller.tell(
            "recording_available",
            tape.origin,
            status="completed",
            recording_sid=sid,
            url=finished.url,
            duration_ms=finished.duration_ms,
        )
        return [*steps, told]

    def _begun(self, sid: RecordingSid) -> list[Step]:
        tape = self._tapes[sid]
        if tape.has_begun:
            return []
        tape.has_begun = True
        return [self._teller.tell("recording_started", tape.origin, recording_sid=sid)]

    def _stopped(self, sid: RecordingSid, why: Why) -> list[Step]:
        tape, steps = self._tapes[sid], self._begun(sid)
        tape.is_stopped, self.wake_at_ms = True, None
        told = self._teller.tell("recording_stopped", tape.origin, recording_sid=sid, reason=why)
        return [*steps, told, Over(tape.origin)]
