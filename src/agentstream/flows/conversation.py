"""What a caller hears while others are dialled, and the talk with the one who answered.

LegUp ──▶ WHISPERING ──▶ JOINING ──LegsBridged──▶ TALKING ──callee gone──▶ WRITING ──▶ over
  └──── nothing to whisper ──▲ │                     │ caller gone, limit     ▲ recording finished
                               └── refused: over     └────────────────────────┘
"""

from enum import Enum
from typing import Final

from agentstream.base.ids import LegSid, PromptId, RecordingSid
from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Bridge,
    Fetch,
    HangUpLeg,
    OpenStream,
    Play,
    StartRecording,
    StopPlaying,
    StopRecording,
    Unbridge,
)
from agentstream.calls.events import (
    CallHungUp,
    LegGone,
    LegsBridged,
    PromptFinished,
    RecordingFinished,
)
from agentstream.calls.transfer_words import LegReplaced
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import OPERATOR_TONE, DialPlan
from agentstream.flows.dialling import AgentEvents, Attempt

WHISPER_MS: Final = 75_000  # to fetch or speak what is whispered, and to play it
RECORDING_WAIT_MS: Final = 5_000  # so that the next Passthru can name the recording (US-17)


class CallerEar:
    """What the caller hears while waiting: music, or the party that is dialled."""

    def __init__(self, context: Context) -> None:
        self.hears: LegSid | None = None  # the leg that the caller's is bridged to
        self._context = context
        self._prompt_id: PromptId | None = None
        self._source = ""
        self._has_music = True  # until it turns out that none can be played

    def hold(self, music: str) -> list[Step]:
        """Let the caller hear music; what plays already goes on."""
        steps = self._part()
        if self._prompt_id is None and self._has_music:
            steps.append(self._play(music))
        return steps

    def quiet(self) -> list[Step]:
        """Let the caller hear nothing of this."""
        return self._part() + self._stop()

    def hear(self, leg_sid: LegSid) -> list[Step]:
        """Let the caller and a party hear each other."""
        steps = [*self.quiet(), Bridge(self._context.leg_sid, leg_sid)]
        self.hears = leg_sid
        return steps

    def receive(self, happening: AppletInput) -> list[Step]:
        """Take the end of the music or of the bridge; music that cannot be played is replaced."""
        match happening:
            case LegGone(leg_sid=self.hears):
                self.hears = None
            case LegReplaced(leg_sid=self.hears, by_sid=by_sid):
                self.hears = by_sid
            case PromptFinished(prompt_id=self._prompt_id, error=error):
                self._prompt_id = None
                if error and self._source != OPERATOR_TONE:
                    return [self._play(OPERATOR_TONE)]
                self._has_music = not error
            case CommandRefused(command=Play(prompt_id=self._prompt_id)):
                self._prompt_id, self._has_music = None, False  # asking again would never end
            case CommandRefused(command=Bridge(other_sid=self.hears)):
                self.hears = None
            case _:
                pass
        return []

    def _play(self, music: str) -> Step:
        self._prompt_id, self._source = self._context.new_prompt_id(), music
        return Play(self._context.leg_sid, self._prompt_id, AudioFile(music), loops=0)

    def _stop(self) -> list[Step]:
        prompt_id, self._prompt_id = self._prompt_id, None
        return [] if prompt_id is None else [StopPlaying(prompt_id)]

    def _part(self) -> list[Step]:
        heard, self.hears = self.hears, None
        return [] if heard is None else [Unbridge(self._context.leg_sid)]


class Phase(Enum):
    """Where a conversation is in its life."""

    WHISPERING = "whispering"
    JOINING = "joining"
    TALKING = "talking"
    WRITING = "writing"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Ending:
    """How it came to its end."""

    cause: Cause
    party: Party
    text: str = ""


class Conversation:
    """One answered party, from the answer until it has gone and the recording is written."""

    def __init__(
        self, context: Context, plan: DialPlan, callee: Attempt, ear: CallerEar, events: AgentEvents
    ) -> None:
        self.callee = callee
        self.phase = Phase.JOINING
        self.has_talked = False
        self.ending = Ending(Cause.NORMAL, Party.CALLEE)
        self.talk_s = 0  # from the callee's answer to the end of the talk
        self.wake_at_ms: int | None = None
        self._context = context
        self._plan = plan
        self._ear = ear
        self._events = events
        self._whispers: dict[PromptId, LegSid] = {}
        self._recording_sid: RecordingSid | None = None
        self._answered_ms = 0
        self._callee_sid = callee.leg_sid  # who talks now

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for."""
        return self.phase is Phase.OVER

    def begin(self, now_ms: int) -> list[Step]:
        """Whisper, or let the two talk at once."""
        self._answered_ms = now_ms
        whisper = self._plan.whisper
        if whisper is None:
            return self._join(now_ms)
        legs = [self.callee.leg_sid, *([self._context.leg_sid] if whisper.is_for_both else [])]
        self._whispers = {self._context.new_prompt_id(): leg_sid for leg_sid in legs}
        self.phase, self.wake_at_ms = Phase.WHISPERING, now_ms + WHISPER_MS
        ear = self._ear
        steps = ear.quiet() if whisper.is_for_both else ear.hold(self._plan.music)
        plays = (Play(leg, prompt, whisper.prompt) for prompt, leg in self._whispers.items())
        return [*steps, *plays]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call."""
        if isinstance(happening, LegReplaced) and happening.leg_sid == self._callee_sid:
            self._callee_sid = happening.by_sid  # a transfer: the talk goes on with another one
        match self.phase:
            case Phase.WHISPERING:
                return self._whispering(happening, now_ms)
            case Phase.JOINING:
                return self._joining(happening, now_ms)
            case Phase.TALKING:
                return self._talking(happening, now_ms)
            case _:
                return self._writing(happening)

    def wake(self, now_ms: int) -> list[Step]:
        """Let a whisper, a talk or a recording take no longer."""
        match self.phase:
            case Phase.WHISPERING:
                return [*map(StopPlaying, self._whispers), *self._join(now_ms)]
            case Phase.TALKING:
                self.ending = Ending(
                    Cause.TIME_LIMIT, Party.SYSTEM, "the conversation's time limit"
                )
                gone = HangUpLeg(self._callee_sid, Cause.TIME_LIMIT, Party.SYSTEM)
                return [*self._ear.quiet(), gone, *self._part(now_ms)]
            case _:
                self._end()
                return []

    def forget(self, now_ms: int) -> list[Fetch]:
        """Take that the call ends it, and tell that the party is free."""
        self._end()
        return self._events.free(self.callee, now_ms)

    def _whispering(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case PromptFinished(prompt_id=prompt_id) if prompt_id in self._whispers:
                return self._whispered(prompt_id, now_ms)
            case CommandRefused(command=Play(prompt_id=prompt_id)) if prompt_id in self._whispers:
                return self._whispered(prompt_id, now_ms)
            case LegGone(leg_sid=self.callee.leg_sid):
                # What plays on the leg that has gone ends with it.
                rest = [
                    StopPlaying(prompt_id)
                    for prompt_id, leg_sid in self._whispers.items()
                    if leg_sid != self.callee.leg_sid
                ]
                return [*rest, *self._lost(happening, now_ms)]
            case CallHungUp():
                return self._lost(happening, now_ms)
            case _:
                return []

    def _whispered(self, prompt_id: PromptId, now_ms: int) -> list[Step]:
        del self._whispers[prompt_id]
        return [] if self._whispers else self._join(now_ms)

    def _join(self, now_ms: int) -> list[Step]:
        self.phase, self.wake_at_ms = Phase.JOINING, None
        if self._ear.hears == self.callee.leg_sid:  # by its early media
            return self._talk(now_ms)
        return self._ear.hear(self.callee.leg_sid)

    def _joining(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case LegsBridged() if self.callee.leg_sid in (happening.leg_sid, happening.other_sid):
                return self._talk(now_ms)
            case CommandRefused(command=Bridge(), text=text):
                self.ending = Ending(Cause.FAILED, Party.SYSTEM, text)
                self._end()
                return [HangUpLeg(self.callee.leg_sid), *self._events.free(self.callee, now_ms)]
            case LegGone(leg_sid=self.callee.leg_sid) | CallHungUp():
                return self._lost(happening, now_ms)
            case _:
                return []

    def _lost(self, gone: LegGone | CallHungUp, now_ms: int) -> list[Step]:
        """Take that they never heard each other."""
        self.ending = Ending(gone.cause, gone.party, gone.text)
        return [*self.forget(now_ms)]

    def _talk(self, now_ms: int) -> list[Step]:
        self.phase, self.has_talked = Phase.TALKING, True
        self.wake_at_ms = now_ms + self._plan.talk_ms
        leg_sid = self._context.leg_sid
        steps = self._fork(leg_sid)
        if self._plan.recording is not None:
            self._recording_sid = self._context.new_recording_sid()
            steps.append(StartRecording(leg_sid, self._recording_sid, self._plan.recording))
        return steps

    def _fork(self, leg_sid: LegSid) -> list[Step]:
        """Let a bot listen; like every fork it lives on when the talk is over (AS-182)."""
        if self._plan.fork is None:
            return []
        stream_sid = self._context.new_stream_sid()
        self._context.forks[stream_sid] = self._plan.fork.name
        return [OpenStream(leg_sid, stream_sid, self._plan.fork)]

    def _talking(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case LegGone(leg_sid=self._callee_sid):
                self.ending = Ending(happening.cause, happening.party, happening.text)
                return self._part(now_ms)
            case CallHungUp():
                self.ending = Ending(happening.cause, happening.party, happening.text)
                steps = self._part(now_ms)
                # The call has told the recording to end.
                return [step for step in steps if not isinstance(step, StopRecording)]
            case RecordingFinished(recording_sid=self._recording_sid):
                self._recording_sid = None
            case CommandRefused(command=StartRecording(recording_sid=self._recording_sid)):
                self._recording_sid = None  # the talk matters more
            case CommandRefused(command=OpenStream(stream_sid=stream_sid)):
                self._context.forks.pop(stream_sid, None)
            case _:
                pass
        return []

    def _part(self, now_ms: int) -> list[Step]:
        self.talk_s = (now_ms - self._answered_ms) // 1000
        freed = self._events.free(self.callee, now_ms)
        if self._recording_sid is None:
            self._end()
            return [*freed]
        self.phase, self.wake_at_ms = Phase.WRITING, now_ms + RECORDING_WAIT_MS
        return [StopRecording(self._recording_sid), *freed]

    def _writing(self, happening: AppletInput) -> list[Step]:
        match happening:
            case RecordingFinished(recording_sid=self._recording_sid):
                self._end()
            case _:  # also a StopRecording that is refused: then the end is on its way
                pass
        return []

    def _end(self) -> None:
        self.phase, self.wake_at_ms = Phase.OVER, None
