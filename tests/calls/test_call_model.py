"""Random reports and commands against a small model of a call."""

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentstream.base.errors import CommandError
from agentstream.base.ids import (
    CountedTokens,
    LegSid,
    PromptId,
    RecordingSid,
    RequestId,
    StreamSid,
)
from agentstream.calls import effects
from agentstream.calls.answering import ANSWERERS, Answerer, AskWho
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    Bridge,
    CloseStream,
    Command,
    Dial,
    DialSpec,
    Fetch,
    HangUp,
    HangUpLeg,
    Hold,
    HttpRequest,
    Mail,
    OpenStream,
    PauseRecording,
    Play,
    Reject,
    ReleaseCall,
    ResumeRecording,
    SendDigits,
    SendMail,
    StartOver,
    StartRecording,
    StopPlaying,
    StopRecording,
    StreamSpec,
    Unbridge,
    Unhold,
    WatchAnswer,
    WatchSilence,
)
from agentstream.calls.record import CallLimits, Direction
from agentstream.calls.reports import (
    AnswererKnown,
    Beeped,
    BotWished,
    DigitPressed,
    Fetched,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegPlaced,
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
    WentSilent,
)
from agentstream.testing.call_watch import CallWatch
from agentstream.testing.calls import LEG, make_setup

DAY_MS = 86_400_000
DIALLED = [LegSid("dialled-1"), LegSid("dialled-2")]
LEGS = st.sampled_from([LEG, LEG, *DIALLED, LegSid("other")])
CAUSES, PARTIES = st.sampled_from(Cause), st.sampled_from(Party)


class CallModel(RuleBasedStateMachine):
    direction: Direction = "inbound"
    asks_who: AskWho | None = None
    limits = CallLimits()

    def __init__(self) -> None:
        super().__init__()
        self.tokens = CountedTokens()
        self.call = Call(make_setup(self.direction), self.limits, 0, asks_who=self.asks_who)
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
        is_ours = self.direction == "outbound"
        self.happens(LegPlaced(leg, "+919876500001") if is_ours else LegOffered(leg))

    @rule(leg=LEGS)
    def bring_up(self, leg: LegSid) -> None:
        self.happens(Answer(leg))
        self.happens(LegAnswered(leg))

    @rule(party=PARTIES)
    def start_over(self, party: Party) -> None:
        self.happens(StartOver(party))

    @rule(leg=LEGS, report=st.sampled_from([LegRang, LegAnswered, MediaFlowing]))
    def tell_of_a_leg(
        self, leg: LegSid, report: type[LegRang] | type[LegAnswered] | type[MediaFlowing]
    ) -> None:
        self.happens(report(leg))

    @rule(
        leg=st.sampled_from(DIALLED), comes_up=st.booleans(), ring_ms=st.sampled_from([1, 30_000])
    )
    def dial(self, leg: LegSid, comes_up: bool, ring_ms: int) -> None:
        self.happens(Dial(leg, DialSpec("+918040000009", ring_ms=ring_ms)))
        self.happens(LegRang(leg, has_early_media=not comes_up))
        if comes_up:
            self.happens(LegAnswered(leg))

    @rule(leg=st.sampled_from(DIALLED), cause=CAUSES, party=PARTIES, how=st.integers(0, 3))
    def end_a_dialled_leg(self, leg: LegSid, cause: Cause, party: Party, how: int) -> None:
        if how == 0:
            self.happens(HangUpLeg(leg, cause, party))
        elif how == 1:
            self.happens(MediaLost(leg, 30_000, ever_flowed=True))
        else:
            self.ends(LegEnded(leg, cause, party), leg)

    @rule(one=LEGS, other=LEGS, joins=st.sampled_from([True, True, False]))
    def bridge(self, one: LegSid, other: LegSid, joins: bool) -> None:
        self.happens(Bridge(one, other) if joins else Unbridge(one))

    @rule(leg=st.sampled_from(DIALLED))
    def connect(self, leg: LegSid) -> None:
        """Without this, two parties hardly ever come to hear each other."""
        self.dial(leg, comes_up=True, ring_ms=30_000)
        self.happens(Bridge(LEG, leg))

    @rule(leg=LEGS, comes_back=st.booleans())
    def hold(self, leg: LegSid, comes_back: bool) -> None:
        self.happens(Hold(PromptId(self.tokens.hex()), leg))
        if comes_back:
            self.happens(Unhold(leg))

    @rule(leg=LEGS, ms=st.sampled_from([0, 2000]))
    def listen_for_silence(self, leg: LegSid, ms: int) -> None:
        self.happens(WatchSilence(leg, ms))
        self.happens(WentSilent(leg, 2000))

    @rule(leg=LEGS, answerer=st.sampled_from([None, *ANSWERERS]), beeps=st.booleans())
    def listen_for_who_answered(self, leg: LegSid, answerer: Answerer | None, beeps: bool) -> None:
        self.happens(WatchAnswer(leg))
        if answerer is not None:
            self.happens(AnswererKnown(leg, answerer, 1_700, "pause"))
        if beeps:
            self.happens(Beeped(leg, 9_000))

    @rule(in_background=st.booleans(), is_mail=st.sampled_from([False, False, True]))
    def ask_a_server(self, in_background: bool, is_mail: bool) -> None:
        request_id = RequestId(self.tokens.hex())
        if is_mail:
            self.happens(SendMail(request_id, Mail(("ann@example.org",), "s", "t")))
        else:
            request = HttpRequest("https://hooks.example/")
            self.happens(Fetch(request_id, request, "passthru", in_background))

    @precondition(lambda self: self.watch.asked)
    @rule(data=st.data(), status=st.sampled_from([0, 200]))
    def answer_a_request(self, data: st.DataObject, status: int) -> None:
        request_id = data.draw(st.sampled_from(list(self.watch.asked)))
        self.happens(Fetched(request_id, status))

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
    @rule(data=st.data(), what=st.sampled_from(["start", "stop", "end", "break", "wish"]))
    def touch_what_runs(self, data: st.DataObject, what: str) -> None:
        begun = data.draw(st.sampled_from(list(self.watch.running.values())))
        match begun:
            case effects.PlayPrompt(prompt_id=prompt):
                if what == "stop":
                    self.happens(StopPlaying(prompt))
                else:
                    self.ends(PromptEnded(prompt, completed=what == "end"), prompt)
            case effects.StartStream(stream_sid=stream):
                self.touch_stream(stream, what)
            case effects.RecordLeg(recording_sid=recording):
                self.touch_recording(recording, what)

    def touch_stream(self, stream: StreamSid, what: str) -> None:
        if what == "start":
            self.happens(StreamStarted(stream))
        elif what == "wish":
            self.happens(BotWished(stream, "send_dtmf", "12"))
            self.happens(BotWished(stream, "transfer", "+918040000009"))
        elif what == "stop":
            self.happens(CloseStream(stream))
        else:
            outcome = StreamOutcome("completed" if what == "end" else "failed", "bot")
            self.ends(StreamEnded(stream, outcome), stream)

    def touch_recording(self, recording: RecordingSid, what: str) -> None:
        if what == "stop":
            self.happens(StopRecording(recording))
        elif what in ("start", "wish"):
            self.happens(PauseRecording(recording))
            self.happens(ResumeRecording(recording))
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
        assert {leg.leg_sid for leg in ended.record.legs[1:]} == self.watch.dialled
        assert self.call.wake_at_ms is None
        assert self.call.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), self.now_ms) == []


class PlacedCallModel(CallModel):
    direction: Direction = "outbound"


class AskingCallModel(PlacedCallModel):
    """Nothing of it begins before it is known who answered."""

    asks_who = AskWho("sync")


class OutlivingCallModel(CallModel):
    """It goes on while anybody talks, whoever that is."""

    limits = CallLimits(outlives_first=True)

    @invariant()
    def whoever_talks_is_in_a_call(self) -> None:
        if LEG in self.watch.gone:
            assert bool(self.watch.talking) is not self.watch.has_hung_up


TestCallModel = CallModel.TestCase
TestCallModel.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestPlacedCallModel = PlacedCallModel.TestCase
TestPlacedCallModel.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestAskingCallModel = AskingCallModel.TestCase
TestAskingCallModel.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestOutlivingCallModel = OutlivingCallModel.TestCase
TestOutlivingCallModel.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
