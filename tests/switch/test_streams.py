"""One stream's run: its machine on one side, the audio path, DNS and the call on the other."""

from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from agentstream import _media
from agentstream.base.ids import AccountSid, CallSid, LegSid, StreamSid
from agentstream.calls import effects, reports
from agentstream.calls.commands import StreamSpec
from agentstream.calls.record import CallSetup
from agentstream.stream import happenings as wire
from agentstream.stream.bot_stream import BotStream
from agentstream.stream.profile import WireProfile
from agentstream.switch import feed
from agentstream.switch.streams import ForStream, StreamDoors, StreamRun, order_of
from agentstream.testing.board import FakeWeb
from agentstream.testing.bot_streams import ORDER, said
from agentstream.testing.fake_media import FakeLeg, FakeMedia

SID = StreamSid(ORDER.stream_sid)


@dataclass
class Bench:
    """One run, with everything around it in reach."""

    run: StreamRun
    leg: FakeLeg
    notes: list[feed.Note]
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


def bench(
    web: FakeWeb | None = None, url: str = "ws://bot.example:9000/", **settings: Any
) -> Bench:
    media = FakeMedia()
    leg = FakeLeg(media, "leg", 0)
    media.close()
    notes: list[feed.Note] = []
    posted: list[ForStream] = []
    jobs: list[Coroutine[Any, Any, None]] = []
    doors = StreamDoors(jobs.append, posted.append, notes.append, FakeWeb(), (), ())
    machine = BotStream(replace(ORDER, url=url), WireProfile.from_mapping(settings))
    return Bench(StreamRun(SID, machine, leg, doors), leg, notes, posted, jobs)


async def test_a_bots_wishes_become_reports_of_its_call_op_1() -> None:
    table = await bench(control_events=True).talking()
    text = said("transfer", to="+14155550100").text
    assert table.tell(_media.BotMessage("leg", 0, SID, text)) == [
        reports.BotWished(SID, "transfer", "+14155550100")
    ]
    assert '"ack"' in table.leg.texts[-1]


async def test_a_leg_is_watched_for_silence_while_its_bot_is_there_bx_4() -> None:
    table = await bench(silence_timeout_ms=2_000).talking()
    assert table.leg.silence_watches == [2_000]
    assert table.run.leg_sid == "leg"
    assert table.run.receive(wire.SilenceHeard(2_000), 0) == []
    assert '"silence"' in table.leg.texts[-1]
    table.run.receive(wire.StopRequested("moved on"), 0)
    assert table.leg.silence_watches == [2_000, 0]


async def test_marks_and_clears_are_told_and_passed_on_op_7() -> None:
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
    order = order_of(effects.StartStream(LegSid("l"), SID, spec), setup, AccountSid("a"))
    assert (order.call_sid, order.account_sid, order.stream_sid) == ("c", "a", SID)
    assert (order.two_way, order.track, order.custom_field) == (False, "mixed", "ticket 17")
