"""The one recording of a leg at a time (LG-103, EX-33)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import RecordingSpec
from agentstream.calls.commands import StartRecording as Record
from agentstream.calls.commands import StopRecording as StopTape
from agentstream.calls.events import RecordingFinished
from agentstream.flows.applet import CommandRefused
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
from agentstream.flows.legs.verbs import StartRecording

_UNBEGUN: Final = "recording_failed_to_start"
ONE_SIDE: Final[dict[str, Literal["heard", "said"]]] = {"in": "heard", "out": "said"}


@dataclass(slots=True)
class _Tape:
    origin: Origin
    has_begun: bool = False
    is_stopped: bool = False


class Taping:
    """Recordings of one leg; of those that were stopped the file is still to come."""

    def __init__(self, teller: Teller, new_sid: Callable[[], RecordingSid]) -> None:
        self._teller = teller
        self._new_sid = new_sid
        self._tapes: dict[RecordingSid, _Tape] = {}

    @property
    def is_running(self) -> bool:
        """Whether the leg is being recorded."""
        return any(not tape.is_stopped for tape in self._tapes.values())

    def start(self, origin: Origin, verb: StartRecording) -> list[Step]:
        """Record from now on."""
        sid = self._new_sid()
        self._tapes[sid] = _Tape(origin)
        channels = ONE_SIDE.get(verb.direction, verb.channels)
        return [Record(self._teller.leg_sid, sid, RecordingSpec(channels))]

    def stop(self) -> list[Step]:
        """End it; nothing to end is no mistake (LG-104)."""
        steps: list[Step] = []
        for sid, tape in self._tapes.items():
            if not tape.is_stopped:
                steps += [StopTape(sid), *self._stopped(sid, tape)]
        return steps

    def end(self) -> list[Step]:
        """Take it that the leg is over; its call ends the recording, whose file is told later."""
        steps: list[Step] = []
        for sid, tape in self._tapes.items():
            if not tape.is_stopped:
                steps += self._stopped(sid, tape)
        return steps

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what becomes of a recording."""
        match happening:
            case RecordingBegins(recording_sid=sid) if sid in self._tapes:
                return self._begun(sid, self._tapes[sid])
            case RecordingFinished(recording_sid=sid) if sid in self._tapes:
                return self._finished(happening)
            case CommandRefused(command=Record(recording_sid=sid), text=text) if sid in self._tapes:
                tape = self._tapes.pop(sid)
                name = "recording_failed_to_upload" if tape.is_stopped else _UNBEGUN
                return self._teller.fail(name, tape.origin, IMPOSSIBLE, text)
            case _:
                return []

    def _finished(self, finished: RecordingFinished) -> list[Step]:
        sid = finished.recording_sid
        tape = self._tapes[sid]
        steps = [] if tape.is_stopped else self._stopped(sid, tape)
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

    def _begun(self, sid: RecordingSid, tape: _Tape) -> list[Step]:
        if tape.has_begun:
            return []
        tape.has_begun = True
        return [self._teller.tell("recording_started", tape.origin, recording_sid=sid)]

    def _stopped(self, sid: RecordingSid, tape: _Tape) -> list[Step]:
        steps = self._begun(sid, tape)
        tape.is_stopped = True
        told = self._teller.tell("recording_stopped", tape.origin, recording_sid=sid)
        return [*steps, told, Over(tape.origin)]
