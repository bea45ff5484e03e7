"""A small world around a call and its flow: it knows what runs, and tells ends when asked to.

world = World(parse(text))
world.ring()
world.answer()
world.end_prompt()
world.press("1")
"""

from collections.abc import Callable

from agentstream.base.ids import CountedTokens, RequestId
from agentstream.calls import effects
from agentstream.calls.attached import Output
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.calls.events import CallEnded
from agentstream.calls.record import CallLimits, CallSetup
from agentstream.calls.reports import (
    DigitPressed,
    Fetched,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegPlaced,
    LegRang,
    PromptEnded,
    RecordingReady,
    Report,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
)
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import Flow
from agentstream.flows.journey import Journey, Wanted
from agentstream.testing.call_watch import CallWatch
from agentstream.testing.calls import LEG, make_setup

OBEY_ROUNDS = 20  # what ends may let something else begin


class JourneyWorld:
    """Drives one journey; everything that it answers is watched."""

    def __init__(self, setup: CallSetup, journey: Journey) -> None:
        self.is_ours = setup.direction == "outbound"  # we call, and do not answer
        self.now_ms = 0
        self.watch = CallWatch()
        self.story: list[Output] = []
        self.journey = journey
        self._unanswered: dict[RequestId, effects.SendRequest] = {}

    @property
    def record_of_end(self) -> CallEnded:
        """The end of the call, which must have been told."""
        ended = self.watch.ended
        assert ended is not None, "the call has not ended"
        return ended

    def happens(self, happening: Wanted) -> None:
        """Let something happen now."""
        self._see(self.journey.receive(happening, self.now_ms))

    def ends(self, sid: str, report: Report) -> None:
        """Let something that runs end."""
        self.watch.report_end(sid)
        self.happens(report)

    def wait(self, ms: int) -> None:
        """Let time pass; every timer fires at its own time."""
        until_ms = self.now_ms + ms
        while (wake_at_ms := self.journey.wake_at_ms) is not None and wake_at_ms <= until_ms:
            self.now_ms = max(self.now_ms, wake_at_ms)
            self._see(self.journey.wake(self.now_ms))
        self.now_ms = until_ms

    def ring(self) -> None:
        """Let a caller call, or the party that we call be alerted."""
        if self.is_ours:
            self.happens(LegPlaced(LEG, "+919876500001"))
            self.happens(LegRang(LEG))
        else:
            self.happens(LegOffered(LEG))

    def answer(self) -> None:
        """Let the first leg be up."""
        self.happens(LegAnswered(LEG))

    def press(self, digits: str) -> None:
        """Let the caller press keys."""
        for digit in digits:
            self.happens(DigitPressed(LEG, digit))

    def answer_requests(self, status: int = 200, body: str = "") -> None:
        """Let the customer's servers answer all that they were asked."""
        for request_id in list(self._unanswered):
            del self._unanswered[request_id]
            self.happens(Fetched(request_id, status, "text/plain", body.encode(), 40))

    def end_prompt(self, *, error: str = "") -> None:
        """Let every prompt come to its end."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.PlayPrompt):
                self.ends(begun.prompt_id, PromptEnded(begun.prompt_id, not error, error))

    def open_stream(self) -> None:
        """Let every bot accept its stream."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.StartStream):
                self.happens(StreamStarted(begun.stream_sid))

    def end_stream(self, outcome: StreamOutcome) -> None:
        """Let every stream end."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.StartStream):
                self.ends(begun.stream_sid, StreamEnded(begun.stream_sid, outcome))

    def end_recording(self) -> None:
        """Let every recording be whole."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.RecordLeg):
                self.ends(begun.recording_sid, RecordingReady(begun.recording_sid, 1, "r.wav"))

    @property
    def far_end(self) -> Party:
        """Who is at the first leg."""
        return Party.CALLEE if self.is_ours else Party.CALLER

    def end_leg(self, cause: Cause = Cause.NORMAL, party: Party | None = None) -> None:
        """Let the first party go, or (`party`) somebody else end its leg."""
        self.ends(LEG, LegEnded(LEG, cause, party or self.far_end))

    def answer_callee(self) -> None:
        """Let every party that was dialled answer."""
        for leg_sid in sorted(self.watch.dialled & self.watch.legs):
            self.happens(LegAnswered(leg_sid))

    def end_callee(self, cause: Cause = Cause.NORMAL, party: Party = Party.CALLEE) -> None:
        """Let every party that was dialled go, or never come."""
        for leg_sid in sorted(self.watch.dialled & self.watch.legs):
            self.ends(leg_sid, LegEnded(leg_sid, cause, party))

    def hang_up(self, cause: Cause, party: Party) -> None:
        """Let somebody hang up, if nobody has."""
        if not self.watch.has_hung_up:
            self.happens(HangUp(cause, party))

    def obey(self) -> None:
        """Report the end of everything, as a healthy world does when it is told to."""
        for _ in range(OBEY_ROUNDS):
            self.end_prompt()
            self.end_stream(StreamOutcome("cancelled", "user"))
            self.end_recording()
            self.answer_requests(204)
            self.end_callee(Cause.CANCELED, Party.SYSTEM)
            if LEG in self.watch.legs:
                self.end_leg(Cause.NORMAL, Party.SYSTEM)

    def _see(self, outputs: list[Output]) -> None:
        self.watch.see(outputs)
        self.story += outputs
        for output in outputs:
            if isinstance(output, effects.SendRequest):
                self._unanswered[output.request_id] = output


class World(JourneyWorld):
    """A call that follows a flow."""

    def __init__(
        self,
        document: FlowDocument,
        library: Callable[[str], FlowDocument | None] = lambda name: None,
        setup: CallSetup | None = None,
    ) -> None:
        setup = setup or make_setup()
        self.flow = Flow(document, setup, CountedTokens(), 0, library=library)
        super().__init__(setup, Journey(Call(setup, CallLimits(), 0), self.flow))
