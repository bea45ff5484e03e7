"""Random reports and commands against a small model of a call."""

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agentstream.base.errors import CommandError
from agentstream.base.ids import CountedTokens, LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls import effects
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    CloseStream,
    Command,
    HangUp,
    OpenStream,
    Play,
    Reject,
    ReleaseCall,
    SendDigits,
    StartRecording,
    StopPlaying,
    StopRecording,
    StreamSpec,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    DigitPressed,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRang,
    MediaFlowing,
    MediaLost,
    PromptEnded,
    RecordingFailed,
    RecordingReady,
    Report,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
)
from agentstream.testing.call_watch import CallWatch
from agentstream.testing.calls import LEG, make_setup

DAY_MS = 86_400_000
LEGS = st.sampled_from([LEG, LEG, LEG, LegSid("other")])
CAUSES, PARTIES = st.sampled_from(Cause), st.sampled_from(Party)


class CallModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = CountedTokens()
        self.call = Call(make_setup(), CallLimits(), 0)
        self.watch = CallWatch()
        self.now_ms = 0

    def happens(self, happening: Report | Command) -> None:
        with contextlib.suppress(CommandError):
            self.watch.see(self.call.receive(happening, self.now_ms))

    def ends(self, report: Report, sid: str) -> None:
        self.watch.report_end(sid)  # first: the answer may already be CallEnded
        self.happens(report)

    @initialize(is_up=st.sampled_from([True, True, True, False]))
    def begin(self, is_up: bool) -> None:
        """Most of what can go wrong needs a call that is up."""
        if is_up:
            self.offer(LEG)
            self.bring_up(LEG)

    @rule(leg=LEGS)
    def offer(self, leg: LegSid) -> None:
        self.happens(LegOffered(leg))

    @rule(leg=LEGS)
    def bring_up(self, leg: LegSid) -> None:
        self.happens(Answer(leg))
        self.happens(LegAnswered(leg))

    @rule(leg=LEGS, report=st.sampled_from([LegRang, LegAnswered, MediaFlowing]))
    def tell_of_a_leg(
        self, leg: LegSid, report: type[LegRang] | type[LegAnswered] | type[MediaFlowing]
    ) -> None:
        self.happens(report(leg))

    @rule(leg=LEGS, cause=CAUSES, party=PARTIES, how=st.integers(0, 3))
    def end_it(self, leg: LegSid, cause: Cause, party: Party, how: int) -> None:
        """All the ends are one rule, so that more happens before the first of them."""
        if how == 0:
            self.ends(LegEnded(leg, cause, party), leg)
        elif how == 1:
            self.happens(HangUp(cause, party))
        elif how == 2:
            self.happens(Reject(leg, cause))
        else:
            self.happens(MediaLost(leg, 30_000, ever_flowed=True))

    @rule()
    def let_go(self) -> None:
        self.happens(ReleaseCall())

    @rule(leg=LEGS, digit=st.sampled_from("5#x"))
    def press(self, leg: LegSid, digit: str) -> None:
        self.happens(DigitPressed(leg, digit))
        self.happens(SendDigits(leg, digit))

    @rule(leg=LEGS)
    def play(self, leg: LegSid) -> None:
        self.happens(Play(leg, PromptId(self.tokens.hex()), AudioFile("a.wav")))

    @rule(leg=LEGS, two_way=st.booleans(), record=st.booleans())
    def open_stream(self, leg: LegSid, two_way: bool, record: bool) -> None:
        recording_sid = RecordingSid(self.tokens.hex()) if record else None
        spec = StreamSpec("wss://bot.example/ws", two_way=two_way)
        self.happens(OpenStream(leg, StreamSid(self.tokens.hex()), spec, recording_sid))

    @rule(leg=LEGS)
    def record(self, leg: LegSid) -> None:
        self.happens(StartRecording(leg, RecordingSid(self.tokens.hex())))

    @precondition(lambda self: self.watch.running)
    @rule(data=st.data(), what=st.sampled_from(["start", "stop", "end", "break"]))
    def touch_what_runs(self, data: st.DataObject, what: str) -> None:
        begun = data.draw(st.sampled_from(list(self.watch.running.values())))
        match begun:
            case effects.PlayPrompt(prompt_id=prompt):
                if what == "stop":
                    self.happens(StopPlaying(prompt))
                else:
                    self.ends(PromptEnded(prompt, completed=what == "end"), prompt)
            case effects.StartStream(stream_sid=stream):
                if what == "start":
                    self.happens(StreamStarted(stream))
                elif what == "stop":
                    self.happens(CloseStream(stream))
                else:
                    outcome = StreamOutcome("completed" if what == "end" else "failed", "bot")
                    self.ends(StreamEnded(stream, outcome), stream)
            case effects.RecordLeg(recording_sid=recording):
                if what == "stop":
                    self.happens(StopRecording(recording))
                elif what == "end":
                    self.ends(RecordingReady(recording, 1, "r.wav"), recording)
                else:
                    self.ends(RecordingFailed(recording, "disk full"), recording)

    @rule(ms=st.sampled_from([0, 20, 1000, 15_000, 60_000]))
    def wait(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while (wake_at_ms := self.call.wake_at_ms) is not None and wake_at_ms <= until_ms:
            self.now_ms = wake_at_ms
            self.watch.see(self.call.wake(self.now_ms))
        self.now_ms = until_ms

    def teardown(self) -> None:
        self.wait(DAY_MS)  # in the end every limit is reached, and nothing is left
        ended = self.watch.ended
        assert ended is not None
        assert ended.record.hung_up_ms <= ended.record.ended_ms
        assert self.call.wake_at_ms is None
        assert self.call.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), self.now_ms) == []


TestCallModel = CallModel.TestCase
TestCallModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
