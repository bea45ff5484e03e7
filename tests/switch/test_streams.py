"""One stream's run: its machine on one side, the audio path, DNS and the call on the other."""

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from agentstream import _media
from agentstream.base.ids import AccountSid, CallSid, LegSid, StreamSid
from agentstream.calls import effects, reports
from agentstream.calls.commands import StreamSpec
from agentstream.calls.record import CallSetup, Direction
from agentstream.stream import happenings as wire
from agentstream.stream.bot_stream import BotStream
from agentstream.stream.profile import WireProfile
from agentstream.switch import feed
from agentstream.switch.streams import ForStream, StreamDoors, StreamRun, order_of
from agentstream.testing.board import FakeWeb
from agentstream.testing.bot_streams import ORDER, said
from agentstream.testing.calls import make_setup
from agentstream.testing.fake_media import FakeLeg, FakeMedia

SID = StreamSid(ORDER.stream_sid)


@dataclass
class Bench:
    """One run, with everything around it in reach."""

    leg: FakeLeg
    run: StreamRun = field(init=False)
    notes: list[feed.Note] = field(default_factory=list)
    posted: list[ForStream] = field(default_factory=list)
    jobs: list[Coroutine[Any, Any, None]] = field(default_factory=list)

    async def settle(self) -> list[reports.Report]:
        """Let jobs finish and their results come in."""
        followed: list[reports.Report] = []
        while self.jobs:
            await self.jobs.pop(0)
        while self.posted:
            followed += self.run.receive(self.posted.pop(0).happening, 0)
        return followed

    def tell(self, event: _media.Event, now_ms: int = 0) -> list[reports.Report]:
        """Let the audio path say something."""
        return self.run.take_event(event, now_ms)

    def opens(self) -> list[reports.Report]:
        return self.tell(_media.StreamOpen("leg", 0, SID, 1, 0, 1))

    def closes(self, code: int, now_ms: int = 0) -> list[reports.Report]:
        stats = _media.StreamStats()
        return self.tell(_media.StreamClosed("leg", 0, SID, code, "", "network", 0, stats), now_ms)

    async def talking(self) -> "Bench":
        self.run.receive(wire.Begin(), 0)
        await self.settle()
        assert self.opens() == [reports.StreamStarted(SID)]
        return self


Make = Callable[..., Bench]


@pytest.fixture
def bench() -> Iterator[Make]:
    """Return how to make a run; settings are those of its bot."""
    media = FakeMedia()

    def make(**settings: Any) -> Bench:
        leg = FakeLeg(media, "leg", 0)
        made = Bench(leg)
        doors = StreamDoors(
            made.jobs.append, made.posted.append, made.notes.append, FakeWeb(), (), ()
        )
        order = replace(ORDER, url="ws://bot.example:9000/")
        made.run = StreamRun(SID, BotStream(order, WireProfile.from_mapping(settings)), leg, doors)
        return made

    yield make
    media.close()


async def test_a_bots_wishes_become_reports_of_its_call_op_1(bench: Make) -> None:
    table = await bench(control_events=True).talking()
    text = said("transfer", to="+14155550100").text
    assert table.tell(_media.BotMessage("leg", 0, SID, text)) == [
        reports.BotWished(SID, "transfer", "+14155550100")
    ]
    assert '"ack"' in table.leg.texts[-1]


async def test_a_leg_is_watched_for_silence_while_its_bot_is_there_bx_4(bench: Make) -> None:
    table = await bench(silence_timeout_ms=2_000).talking()
    assert table.leg.silence_ms == 2_000
    assert table.run.leg_sid == "leg"
    assert table.run.receive(wire.SilenceHeard(2_000), 0) == []
    assert '"silence"' in table.leg.texts[-1]
    table.run.receive(wire.StopRequested("moved on"), 0)
    assert table.leg.silence_ms == 0


async def test_marks_and_clears_are_told_and_passed_on_op_7(bench: Make) -> None:
    table = await bench(marks_carry_cleared=True, acknowledge_clear=True).talking()
    table.tell(_media.Cleared("leg", 0, SID, 640, 1_200))
    table.tell(_media.MarkPlayed("leg", 0, SID, "m", 640, True))
    table.tell(_media.BotAudioStarted("leg", 0, SID))
    assert table.notes[-3:] == [
        feed.PlayoutCleared(SID, 640, 1_200),
        feed.MarkEchoed(SID, "m", 640, cleared=True),
        feed.BotSpoke(SID),
    ]
    assert ['"cleared":{' in text for text in table.leg.texts] == [True, False]


async def test_a_bot_that_broke_off_is_dialled_again_op_10(bench: Make) -> None:
    table = await bench(reconnect_attempts=1, hold_audio="/srv/hold.wav").talking()
    assert table.closes(1011) == []
    assert not table.run.is_over
    assert table.leg.dropped_streams == [SID]
    assert [(p.path, p.loops) for p in table.leg.prompts] == [("/srv/hold.wav", 0)]
    assert table.run.wake_at_ms == 500
    table.run.wake(500)
    await table.settle()
    assert '"resumed":true' in table.leg.streams[-1].opening[1]
    assert table.opens() == [], "the call knows that the stream has started"
    (stopped,) = table.leg.engine.events()
    assert isinstance(stopped, _media.PlayFinished)
    (ended,) = table.closes(1000, now_ms=2_000)
    assert isinstance(ended, reports.StreamEnded)
    assert ended.outcome.status == "completed"
    assert table.run.is_over
    told = [note.attempt for note in table.notes if isinstance(note, feed.StreamConnected)]
    assert told == [1, 2]


async def test_a_caller_who_leaves_during_the_look_up_frees_the_run_op_10(
    bench: Make,
) -> None:
    table = await bench(reconnect_attempts=1).talking()
    table.closes(1011)
    table.run.wake(500)
    (ended,) = table.run.receive(wire.CallerGone(), 600)
    assert isinstance(ended, reports.StreamEnded)
    assert ended.outcome.status == "cancelled"
    assert table.run.is_over
    await table.settle()
    assert len(table.leg.streams) == 1, "it is not dialled any more"


async def test_a_slow_look_up_is_tried_again_as_45(bench: Make) -> None:
    table = bench()
    table.run.receive(wire.Begin(), 0)
    assert table.run.wake_at_ms is not None
    table.run.wake(table.run.wake_at_ms)
    await table.settle()
    assert len(table.leg.streams) == 1, "the first attempt was given up before it was dialled"
    assert table.opens() == [reports.StreamStarted(SID)]


async def test_an_early_stream_begins_with_the_answer_op_6(bench: Make) -> None:
    table = bench()
    table.run.receive(wire.Begin(is_early=True), 0)
    await table.settle()
    assert table.leg.streams[-1].holds_opening
    assert table.opens() == [reports.StreamHeld(SID)]
    assert table.leg.begun_streams == []
    assert table.run.receive(wire.Activated(), 9_000) == [reports.StreamStarted(SID)]
    assert table.leg.begun_streams == [SID]


async def test_an_early_stream_of_a_call_that_is_not_answered_is_closed_op_6(bench: Make) -> None:
    table = bench()
    table.run.receive(wire.Begin(is_early=True), 0)
    await table.settle()
    table.opens()
    (ended,) = table.run.receive(wire.CallerGone(), 9_000)
    assert isinstance(ended, reports.StreamEnded)
    assert table.leg.closed_streams == [(SID, 1000, None)]
    assert not table.run.is_over, "its socket is still there"
    table.closes(1000)
    assert table.run.is_over


def test_an_order_has_what_its_call_knows_op_5_bx_2() -> None:
    setup = CallSetup(
        CallSid("c"),
        AccountSid("a"),
        "inbound",
        "+911",
        "+912",
        datetime(2027, 1, 1, tzinfo=UTC),
        custom_field="ticket 17",
    )
    spec = StreamSpec("ws://b.example", two_way=False, track="mixed")
    start = effects.StartStream(LegSid("l"), SID, spec)
    order = order_of(start, setup, AccountSid("a"), WireProfile())
    assert (order.call_sid, order.account_sid, order.stream_sid) == ("c", "a", SID)
    assert (order.two_way, order.track, order.custom_field) == (False, "mixed", "ticket 17")
    assert (order.from_number, order.to_number) == ("+911", "+912")


@pytest.mark.parametrize(
    ("placed_from", "direction", "parties"),
    [
        ("customer", "outbound", ("+911", "+912")),
        ("number", "outbound", ("+912", "+911")),
        ("number", "inbound", ("+911", "+912")),
    ],
)
def test_who_is_from_in_a_call_that_was_placed_is_a_setting_as_70(
    placed_from: Literal["customer", "number"], direction: Direction, parties: tuple[str, str]
) -> None:
    setup = replace(make_setup(direction), from_number="+911", to_number="+912")
    start = effects.StartStream(LegSid("l"), SID, StreamSpec("ws://b.example"))
    order = order_of(start, setup, AccountSid("a"), WireProfile(placed_from=placed_from))
    assert (order.from_number, order.to_number) == parties
