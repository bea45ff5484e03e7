"""Connect, voicemail and a transfer with the real call: nothing is left, whoever goes when."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentstream.calls import effects
from agentstream.calls.attached import Output
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import AppletEntered, AppletLeft, CallEnded
from agentstream.calls.reports import (
    BotWished,
    DigitPressed,
    Fetched,
    LegAnswered,
    LegEnded,
    LegRang,
    PromptEnded,
    RecordingReady,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
    WentSilent,
)
from agentstream.flows.document import FlowDocument, parse
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import World

DAY_MS = 86_400_000

SALES = parse("""
name: sales
start: bot
applets:
  bot: {type: voicebot, url: "wss://bot.example/ws", next: sales, on_transfer: human}
  human: {type: connect, numbers: ["{TransferTo}"], parallel: 10, next: sales}
  sales:
    type: connect
    numbers: ["+919000000001", "sip:anna@pbx.example", "+919000000003"]
    parallel: 2
    record: true
    whisper_text: Hello
    popup_url: "https://crm.example/popup"
    on_nobody_answered: asked
    next: message
  asked:
    type: connect
    url: "https://crm.example/whom"
    fetch_after_attempt: true
    whisper_text: Hello
    whisper_to: both
    next: message
  message: {type: voicemail, email: [a@crm.example], webhook_url: "https://crm.example/vm"}
""")
HANDED = parse("""
name: handed
start: bot
applets:
  bot: {type: voicebot, url: "wss://bot.example/ws", record: true, next: bye}
  bye: {type: hangup}
""")


class Telephones(World):
    """A world of whatever was begun, in any order."""

    def __init__(self, document: FlowDocument) -> None:
        super().__init__(document)
        self.dialled: list[effects.DialLeg] = []
        self.asked: list[effects.SendRequest] = []

    def answered(self) -> None:
        self.ring()
        self.answer()

    def rang(self, index: int, *, early: bool) -> None:
        for dial in self.dialled[index : index + 1]:
            self.happens(LegRang(dial.leg_sid, early))

    def picked_up(self, index: int) -> None:
        for dial in self.dialled[index : index + 1]:
            self.happens(LegAnswered(dial.leg_sid))

    def put_down(self, index: int, cause: Cause) -> None:
        for dial in self.dialled[index : index + 1]:
            self.dialled.remove(dial)
            self.watch.report_end(dial.leg_sid)
            self.happens(LegEnded(dial.leg_sid, cause, Party.CALLEE))

    def fetched(self, body: str, status: int) -> None:
        for request in self.asked[:1]:
            self.asked.remove(request)
            self.happens(Fetched(request.request_id, status, "text/plain", body.encode()))

    def finishes(self, kind: type[effects.Effect]) -> None:
        for sid, begun in list(self.watch.running.items()):
            if not isinstance(begun, kind):
                continue
            self.watch.report_end(sid)
            match begun:
                case effects.PlayPrompt(prompt_id=prompt_id):
                    self.happens(PromptEnded(prompt_id, completed=True))
                case effects.StartStream(stream_sid=stream_sid):
                    self.happens(StreamEnded(stream_sid, StreamOutcome("completed", "bot")))
                case effects.RecordLeg(recording_sid=recording_sid):
                    self.happens(RecordingReady(recording_sid, 9000, "r.wav", "/r.mp3"))

    def wishes(self, value: str) -> None:
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.StartStream):
                self.happens(StreamStarted(begun.stream_sid))
                self.happens(BotWished(begun.stream_sid, "transfer", value))

    def _see(self, outputs: list[Output]) -> None:
        super()._see(outputs)
        self.dialled += [output for output in outputs if isinstance(output, effects.DialLeg)]
        self.asked += [output for output in outputs if isinstance(output, effects.SendRequest)]

    def ended(self) -> CallEnded:
        self.wait(DAY_MS)
        record_of_end = self.record_of_end
        assert self.journey.wake_at_ms is None
        kinds = [type(fact) for fact in self.story if isinstance(fact, AppletEntered | AppletLeft)]
        assert kinds == [AppletEntered, AppletLeft] * (len(kinds) // 2), "entered and left in turn"
        return record_of_end


Happening = Callable[[Telephones], None]
INDEX = st.integers(0, 2)
CAUSES = st.sampled_from([Cause.BUSY, Cause.NO_ANSWER, Cause.REJECTED, Cause.NORMAL])
ENDING = (effects.PlayPrompt, effects.StartStream, effects.RecordLeg)
BODIES = st.sampled_from(["+919000000001", "+919000000001,sip:b@pbx.example", "", "<xml/>"])
HAPPENINGS = st.one_of(
    st.builds(lambda i, early: lambda world: world.rang(i, early=early), INDEX, st.booleans()),
    st.builds(lambda i: lambda world: world.picked_up(i), INDEX),
    st.builds(lambda i, cause: lambda world: world.put_down(i, cause), INDEX, CAUSES),
    st.builds(
        lambda body, ok: lambda world: world.fetched(body, ok), BODIES, st.sampled_from([200, 0])
    ),
    st.builds(lambda kind: lambda world: world.finishes(kind), st.sampled_from(ENDING)),
    st.builds(
        lambda value: lambda world: world.wishes(value),
        st.sampled_from(["+919000000009", "sales", "sip:c@pbx.example"]),
    ),
    st.builds(lambda ms: lambda world: world.wait(ms), st.sampled_from([100, 6000, 40_000])),
    st.just(lambda world: world.happens(DigitPressed(LEG, "#"))),
    st.just(lambda world: world.happens(WentSilent(LEG, 5000))),
)
ENDS: dict[str, Happening] = {
    "the caller hangs up": Telephones.end_leg,
    "an operator hangs up": lambda world: world.hang_up(Cause.NORMAL, Party.OPERATOR),
    "nothing happens any more": lambda world: world.wait(DAY_MS),
}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([SALES, HANDED]),
    st.lists(HAPPENINGS, max_size=30),
    st.sampled_from(list(ENDS.values())),
    st.lists(HAPPENINGS, max_size=8),
)
def test_any_course_of_events_ends_once_and_leaves_nothing(
    document: FlowDocument, before: list[Happening], end: Happening, after: list[Happening]
) -> None:
    world = Telephones(document)
    world.answered()
    for happening in before:
        happening(world)
    end(world)
    for happening in after:
        happening(world)
    assert world.ended().record.setup == make_setup()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("steps", range(11))
def test_whoever_goes_on_the_way_to_a_message_nothing_is_left(steps: int, end: str) -> None:
    world = Telephones(SALES)
    world.answered()
    way: list[Happening] = [
        lambda world: world.finishes(effects.StartStream),
        lambda world: world.rang(0, early=True),
        lambda world: world.picked_up(0),
        lambda world: world.finishes(effects.PlayPrompt),
        lambda world: world.put_down(0, Cause.NORMAL),
        lambda world: world.finishes(effects.RecordLeg),
        lambda world: world.finishes(effects.PlayPrompt),  # the invitation
        lambda world: world.finishes(effects.PlayPrompt),  # the beep
        lambda world: world.happens(WentSilent(LEG, 5000)),
        lambda world: world.finishes(effects.RecordLeg),
    ]
    for step in way[:steps]:
        step(world)
    ENDS[end](world)
    world.ended()
