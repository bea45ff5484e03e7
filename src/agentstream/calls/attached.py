"""What runs on a call's legs: prompts, streams and recordings; each is begun once and ends once.

stream      CONNECTING ──StreamStarted──▶ OPEN             StreamHeld: it waits for the answer
                 └────────CloseStream───────┴──▶ ENDING      StreamEnded ends each of them
recording   RUNNING ◀─PauseRecording, ResumeRecording─▶ PAUSED
                 └─────StopRecording────┴──▶ ENDING          RecordingReady, RecordingFailed
prompt      RUNNING ──StopPlaying────▶ ENDING                PromptEnded
"""

from dataclasses import replace
from typing import Final, assert_never

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.base.machine import earliest
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party
from agentstream.calls.checks import check_new, check_room, found
from agentstream.calls.commands import (
    CloseStream,
    OpenStream,
    PauseRecording,
    Play,
    RecordingSpec,
    ResumeRecording,
    StartRecording,
    StopPlaying,
    StopRecording,
)
from agentstream.calls.effects import (
    ActivateStream,
    ContinueRecording,
    Effect,
    EndRecording,
    EndStream,
    PlayPrompt,
    RecordLeg,
    StartStream,
    StopPrompt,
    StreamEnd,
    SuspendRecording,
    TellStream,
    stream_ends,
)
from agentstream.calls.events import (
    Event,
    PromptFinished,
    RecordingFinished,
    StreamFinished,
    StreamHeld,
    StreamOpened,
    StreamRequested,
)
from agentstream.calls.ledger import Ledger, masked
from agentstream.calls.reports import (
    DigitPressed,
    PromptEnded,
    RecordingFailed,
    RecordingReady,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
)
from agentstream.calls.running import (
    Phase,
    RunningPrompt,
    RunningRecording,
    RunningStream,
    check_runs,
)

STREAMS_AT_ONCE: Final = 4  # ST-46
PROMPTS_AT_ONCE: Final = 8  # the playing one, and those that it replaced and that still report
RECORDINGS_AT_ONCE: Final = 8
BEGUN_PER_CALL: Final = 1000  # streams, and recordings, over a call's life: its record is bounded

NOT_IN_TIME: Final = "the {} did not end in time"
NEVER_ENDED: Final = StreamOutcome("failed", error="the stream did not end when it was told to")

Wish = (
    Play
    | StopPlaying
    | OpenStream
    | CloseStream
    | StartRecording
    | StopRecording
    | PauseRecording
    | ResumeRecording
)
StreamWord = reports.StreamHeld | StreamStarted | StreamEnded
Word = DigitPressed | PromptEnded | StreamWord | RecordingReady | RecordingFailed
Output = Event | Effect


class Attached:
    """Everything that runs on the legs of one call; a machine inside the call's machine."""

    def __init__(self, ledger: Ledger, stream_close_ms: int) -> None:
        self._ledger = ledger
        self._call_sid = ledger.setup.call_sid
        self._stream_close_ms = stream_close_ms
        self._prompts: dict[PromptId, RunningPrompt] = {}
        self._streams: dict[StreamSid, RunningStream] = {}
        self._recordings: dict[RecordingSid, RunningRecording] = {}
        self._streams_begun = 0
        self._recordings_begun = 0

    @property
    def wake_at_ms(self) -> int | None:
        """When the first stream that was told to end must have ended."""
        if not self._streams:
            return None
        return earliest(*[stream.must_end_by_ms for stream in self._streams.values()])

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs any more."""
        return not (self._prompts or self._streams or self._recordings)

    def is_leg_free(self, leg_sid: LegSid) -> bool:
        """Whether nothing runs on this leg any more."""
        on_legs = [prompt.play.leg_sid for prompt in self._prompts.values()]
        on_legs += [stream.command.leg_sid for stream in self._streams.values()]
        on_legs += [recording.leg_sid for recording in self._recordings.values()]
        return leg_sid not in on_legs

    def order(self, wish: Wish, now_ms: int) -> list[Output]:
        """Carry out a command, whose leg was checked to be up; raises CommandError."""
        match wish:
            case Play():
                return self._play(wish)
            case StopPlaying(prompt_id):
                return self._stop_prompt(found(self._prompts.get(prompt_id), "prompt"))
            case OpenStream():
                return self.open(wish, now_ms)
            case CloseStream(stream_sid):
                stream = found(self._streams.get(stream_sid), "stream")
                return self._end_stream(stream, "stopped", now_ms)
            case StartRecording(leg_sid, recording_sid, spec):
                self._check_recording(recording_sid)
                return self._record(leg_sid, recording_sid, spec)
            case StopRecording(recording_sid):
                return self._stop_recording(found(self._recordings.get(recording_sid), "recording"))
            case PauseRecording() | ResumeRecording():
                return self._hold_recording(wish)
            case _:
                assert_never(wish)

    def open(self, wish: OpenStream, now_ms: int, *, is_early: bool = False) -> list[Output]:
        """Open a stream, or (`is_early`) connect it for when its leg is answered."""
        check_new(wish.stream_sid in self._streams, "stream")
        check_room(len(self._streams), STREAMS_AT_ONCE, "streams")
        check_room(self._streams_begun, BEGUN_PER_CALL, "streams")
        streams = [stream.command for stream in self._streams.values()]
        if wish.spec.two_way and any(
            one.spec.two_way and one.leg_sid == wish.leg_sid for one in streams
        ):
            raise CommandError("a bot already speaks to this leg")
        if wish.recording_sid is not None:
            self._check_recording(wish.recording_sid)
        self._streams_begun += 1
        self._streams[wish.stream_sid] = RunningStream(wish, now_ms, is_early)
        leg_sid, stream_sid, spec = wish.leg_sid, wish.stream_sid, wish.spec
        return [
            StreamRequested(
                self._call_sid, leg_sid, stream_sid, masked(spec.url), spec.name, spec.two_way
            ),
            StartStream(leg_sid, stream_sid, spec, wish.recording_sid, is_early),
        ]

    def leg_answered(self, leg_sid: LegSid) -> list[Output]:
        """Let the streams begin that were connected ahead (AS-51)."""
        outputs: list[Output] = []
        for stream_sid, stream in self._streams.items():
            if stream.is_early and stream.command.leg_sid == leg_sid:
                stream.is_early = False
                outputs.append(ActivateStream(stream_sid))
        return outputs

    def hear(self, word: Word, now_ms: int) -> list[Output] | None:
        """Take a report; None when it is about nothing that runs here."""
        match word:
            case DigitPressed(leg_sid):
                hearing = (one for one in self._streams.values() if one.hears(leg_sid))
                press = word.digit, word.duration_ms, word.in_audio
                return [TellStream(one.command.stream_sid, *press) for one in hearing]
            case PromptEnded():
                return self._prompt_ended(word)
            case reports.StreamHeld(stream_sid):
                return self._stream_held(stream_sid)
            case StreamStarted(stream_sid):
                return self._stream_started(stream_sid, now_ms)
            case StreamEnded(stream_sid, outcome):
                return self._stream_ended(stream_sid, outcome, now_ms)
            case RecordingReady() | RecordingFailed():
                return self._recording_ended(word)
            case _:
                assert_never(word)

    def wake(self, now_ms: int) -> list[Output]:
        """Write off the streams that should have ended by now."""
        outputs: list[Output] = []
        for stream_sid, stream in list(self._streams.items()):
            if stream.must_end_by_ms is not None and stream.must_end_by_ms <= now_ms:
                outputs += self._stream_ended(stream_sid, NEVER_ENDED, now_ms) or []
        return outputs

    def silence(self, prompt_id: PromptId | None) -> list[Output]:
        """Stop a prompt, if it plays."""
        prompt = self._prompts.get(prompt_id) if prompt_id is not None else None
        return [] if prompt is None or prompt.phase is Phase.ENDING else self._stop_prompt(prompt)

    def leg_of(self, stream_sid: StreamSid) -> LegSid | None:
        """Return whose ear a bot has: the leg of a two-way stream that is open."""
        stream = self._streams.get(stream_sid)
        is_heard = stream is not None and stream.hears(stream.command.leg_sid)
        return stream.command.leg_sid if stream is not None and is_heard else None

    def end_all(self, cause: Cause, party: Party, now_ms: int) -> list[Output]:
        """Tell everything that runs to end; what is ending already is not told again."""
        return self._end(cause, party, now_ms, None)

    def end_leg(self, leg_sid: LegSid, cause: Cause, party: Party, now_ms: int) -> list[Output]:
        """Tell what runs on one leg to end."""
        return self._end(cause, party, now_ms, leg_sid)

    def part_from_bot(self, leg_sid: LegSid, now_ms: int) -> list[Output]:
        """Tell the bots that speak to a leg, and what it is played, to end: it talks otherwise."""
        outputs: list[Output] = []
        for prompt in self._prompts.values():
            if prompt.phase is not Phase.ENDING and prompt.play.leg_sid == leg_sid:
                outputs += self._stop_prompt(prompt)
        for stream in self._streams.values():
            is_its = stream.command.spec.two_way and stream.command.leg_sid == leg_sid
            if is_its and stream.phase is not Phase.ENDING:
                outputs += self._end_stream(stream, "stopped", now_ms)
        return outputs

    def start_over(self, kept: RecordingSid | None, now_ms: int) -> list[Output]:
        """Tell what a flow began to end: all but bots that only listen, and the recording kept."""
        outputs: list[Output] = []
        for prompt_id in list(self._prompts):
            outputs += self.silence(prompt_id)
        for stream in self._streams.values():
            if stream.phase is not Phase.ENDING and stream.command.spec.two_way:
                outputs += self._end_stream(stream, "stopped", now_ms)
        for sid, recording in self._recordings.items():
            if recording.phase is not Phase.ENDING and sid != kept:
                outputs += self._stop_recording(recording)
        return outputs

    def _end(
        self, cause: Cause, party: Party, now_ms: int, only_sid: LegSid | None
    ) -> list[Output]:
        outputs: list[Output] = []
        for prompt in self._prompts.values():
            if prompt.phase is not Phase.ENDING and only_sid in (None, prompt.play.leg_sid):
                outputs += self._stop_prompt(prompt)
        two_way, one_way = stream_ends(cause, party)
        for stream in self._streams.values():
            if stream.phase is not Phase.ENDING and only_sid in (None, stream.command.leg_sid):
                why = two_way if stream.command.spec.two_way else one_way
                outputs += self._end_stream(stream, why, now_ms)
        for recording in self._recordings.values():
            if recording.phase is not Phase.ENDING and only_sid in (None, recording.leg_sid):
                outputs += self._stop_recording(recording)
        return outputs

    def write_off(self, now_ms: int, only_sid: LegSid | None = None) -> list[Output]:
        """Take everything that still runs (on one leg) as ended: no report came in time."""
        outputs: list[Output] = []
        for prompt_id, prompt in list(self._prompts.items()):
            if only_sid in (None, prompt.play.leg_sid):
                late = PromptEnded(prompt_id, completed=False, error=NOT_IN_TIME.format("prompt"))
                outputs += self._prompt_ended(late) or []
        for stream_sid, stream in list(self._streams.items()):
            if only_sid in (None, stream.command.leg_sid):
                outputs += self._stream_ended(stream_sid, NEVER_ENDED, now_ms) or []
        for recording_sid, recording in list(self._recordings.items()):
            if only_sid in (None, recording.leg_sid):
                failed = RecordingFailed(recording_sid, NOT_IN_TIME.format("recording"))
                outputs += self._recording_ended(failed) or []
        return outputs

    def _play(self, play: Play) -> list[Output]:
        check_new(play.prompt_id in self._prompts, "prompt")
        check_room(len(self._prompts), PROMPTS_AT_ONCE, "prompts")
        self._prompts[play.prompt_id] = RunningPrompt(play)
        leg_sid, prompt_id, prompt = play.leg_sid, play.prompt_id, play.prompt
        limits = play.loops, play.max_ms, play.bots_wait_ms
        return [PlayPrompt(leg_sid, prompt_id, prompt, *limits)]

    def _stop_prompt(self, prompt: RunningPrompt) -> list[Output]:
        check_runs(prompt.phase, "prompt")
        prompt.phase = Phase.ENDING
        return [StopPrompt(prompt.play.leg_sid, prompt.play.prompt_id)]

    def _prompt_ended(self, word: PromptEnded) -> list[Output] | None:
        prompt = self._prompts.pop(word.prompt_id, None)
        if prompt is None:
            return None
        leg_sid = prompt.play.leg_sid
        return [PromptFinished(self._call_sid, leg_sid, word.prompt_id, word.completed, word.error)]

    def _stream_held(self, stream_sid: StreamSid) -> list[Output] | None:
        stream = self._streams.get(stream_sid)
        if stream is None or not stream.is_early or stream.phase is not Phase.CONNECTING:
            return None
        return [StreamHeld(self._call_sid, stream.command.leg_sid, stream_sid)]

    def _stream_started(self, stream_sid: StreamSid, now_ms: int) -> list[Output] | None:
        stream = self._streams.get(stream_sid)
        if stream is None or stream.phase is not Phase.CONNECTING:
            return None
        stream.phase, stream.opened_ms = Phase.OPEN, now_ms
        command = stream.command
        outputs: list[Output] = [StreamOpened(self._call_sid, command.leg_sid, stream_sid)]
        if command.recording_sid is not None:
            outputs += self._record(command.leg_sid, command.recording_sid, command.recording)
        return outputs

    def _end_stream(self, stream: RunningStream, why: StreamEnd, now_ms: int) -> list[Output]:
        check_runs(stream.phase, "stream")
        stream.phase, stream.must_end_by_ms = Phase.ENDING, now_ms + self._stream_close_ms
        return [EndStream(stream.command.stream_sid, why)]

    def _stream_ended(
        self, stream_sid: StreamSid, outcome: StreamOutcome, now_ms: int
    ) -> list[Output] | None:
        stream = self._streams.pop(stream_sid, None)
        if stream is None:
            return None
        command = stream.command
        if not outcome.url:
            outcome = replace(outcome, url=masked(command.spec.url))
        self._ledger.note_stream(command, stream.requested_ms, stream.opened_ms, outcome, now_ms)
        outputs: list[Output] = []
        recording = command.recording_sid and self._recordings.get(command.recording_sid)
        if recording and recording.phase is not Phase.ENDING:
            outputs += self._stop_recording(recording)
        outputs.append(StreamFinished(self._call_sid, command.leg_sid, stream_sid, outcome))
        return outputs

    def _check_recording(self, recording_sid: RecordingSid) -> None:
        promised = [stream.command.recording_sid for stream in self._streams.values()]
        check_new(recording_sid in self._recordings or recording_sid in promised, "recording")
        check_room(len(self._recordings), RECORDINGS_AT_ONCE, "recordings")
        check_room(self._recordings_begun, BEGUN_PER_CALL, "recordings")

    def _record(
        self, leg_sid: LegSid, recording_sid: RecordingSid, spec: RecordingSpec
    ) -> list[Output]:
        self._recordings_begun += 1
        self._recordings[recording_sid] = RunningRecording(leg_sid, recording_sid)
        return [RecordLeg(leg_sid, recording_sid, spec)]

    def _stop_recording(self, recording: RunningRecording) -> list[Output]:
        check_runs(recording.phase, "recording")
        recording.phase = Phase.ENDING
        return [EndRecording(recording.leg_sid, recording.recording_sid)]

    def _hold_recording(self, wish: PauseRecording | ResumeRecording) -> list[Output]:
        pauses = isinstance(wish, PauseRecording)
        if wish.recording_sid is not None:
            recording = found(self._recordings.get(wish.recording_sid), "recording")
            return self._pause(recording, pauses)
        wanted = Phase.RUNNING if pauses else Phase.PAUSED
        recordings = [one for one in self._recordings.values() if one.phase is wanted]
        if not recordings:
            raise CommandError(f"nothing {'is being recorded' if pauses else 'is paused'} now")
        return [output for one in recordings for output in self._pause(one, pauses)]

    def _pause(self, recording: RunningRecording, pauses: bool) -> list[Output]:
        check_runs(recording.phase, "recording")
        if pauses is (recording.phase is Phase.PAUSED):
            raise CommandError(f"this recording is {'already' if pauses else 'not'} paused")
        recording.phase = Phase.PAUSED if pauses else Phase.RUNNING
        order = SuspendRecording if pauses else ContinueRecording
        return [order(recording.leg_sid, recording.recording_sid)]

    def _recording_ended(self, word: RecordingReady | RecordingFailed) -> list[Output] | None:
        recording = self._recordings.pop(word.recording_sid, None)
        if recording is None:
            return None
        self._ledger.note_recording(recording.leg_sid, word)
        call_sid, leg_sid, sid = self._call_sid, recording.leg_sid, word.recording_sid
        if isinstance(word, RecordingFailed):
            return [RecordingFinished(call_sid, leg_sid, sid, 0, "", word.error)]
        return [RecordingFinished(call_sid, leg_sid, sid, word.duration_ms, word.url, "")]
