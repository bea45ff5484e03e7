"""Facts of one made-up call, from its start to its end, with counters that are not zero."""

from datetime import timedelta
from typing import Any, cast

from agentstream import _media
from agentstream.base.ids import AccountSid, CallSid, LegSid, RecordingSid, StreamSid
from agentstream.calls import record as calls
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    Event,
    StreamFinished,
)
from agentstream.calls.reports import StreamOutcome
from agentstream.switch import feed
from agentstream.testing.calls import CALL, LEG, STARTED_AT, make_setup

STREAM = StreamSid("57e0000000000000000000000000000a")


class Counters:
    """Stands for native counters, which only the audio path can write."""

    def __init__(self, values: dict[str, int | float | str]) -> None:
        self.values = values

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the counter's kind is)
        if name.startswith("__") or name == "values":
            raise AttributeError(name)
        return self.values[name]

    def as_dict(self) -> dict[str, int | float | str]:
        """Return every counter by its name."""
        return dict(self.values)


def stream_stats(**changes: float) -> _media.StreamStats:
    """Return a stream's counters."""
    values: dict[str, int | float | str] = {**_media.StreamStats().as_dict(), **changes}
    return cast("_media.StreamStats", Counters(values))


def leg_stats(**changes: float | str) -> _media.LegStats:
    """Return a leg's counters."""
    values: dict[str, int | float | str] = {**_media.LegStats().as_dict(), **changes}
    return cast("_media.LegStats", Counters(values))


def fact(event: Event | feed.Note, account_sid: str = "greenleaf1", at_ms: int = 0) -> feed.Fact:
    """Return a fact of the call."""
    at = STARTED_AT + timedelta(milliseconds=at_ms)
    call_sid = cast("CallSid", getattr(event, "call_sid", CALL))
    return feed.Fact(call_sid, AccountSid(account_sid), 1_000_000 + at_ms, at, event)


def ended_record() -> calls.CallRecord:
    """Return the record of a call that talked to a bot and was recorded."""
    outcome = StreamOutcome("completed", "bot", duration_s=40, url="wss://bot.example.net/ws")
    return calls.CallRecord(
        setup=make_setup(custom_field="order 7"),
        status="completed",
        cause=Cause.NORMAL,
        ended_by=Party.CALLER,
        text="The caller hung up.",
        rang_ms=None,
        answered_ms=120,
        hung_up_ms=41_120,
        ended_ms=41_200,
        rang_at=None,
        answered_at=STARTED_AT + timedelta(milliseconds=120),
        ended_at=STARTED_AT + timedelta(milliseconds=41_120),
        duration_ms=41_120,
        talk_ms=41_000,
        billable_s=41,
        digits=1,
        stray_reports=0,
        legs=(
            calls.LegRecord(
                LEG,
                "inbound",
                "udp:192.0.2.1:5060",
                0,
                None,
                120,
                41_120,
                Cause.NORMAL,
                Party.CALLER,
                had_media=True,
            ),
        ),
        streams=(calls.StreamRecord(STREAM, LEG, "bot", True, 130, 180, 40_180, outcome, None),),
        recordings=(
            calls.RecordingRecord(RecordingSid("rec1"), LegSid(LEG), 41_000, "rec1.wav", "", ""),
        ),
    )


def whole_call() -> list[feed.Fact]:
    """Return what the feed tells of one ordinary call."""
    record = ended_record()
    counted = stream_stats(
        media_sent=400, media_received=390, clears=1, first_audio_ms=210, clear_to_silence_max_ms=20
    )
    leg = leg_stats(
        packets_received=2_000, packets_sent=2_000, packets_lost=3, mos=4.3, codec="PCMU"
    )
    story: list[tuple[int, Event | feed.Note]] = [
        (0, CallStarted(CALL, LEG, record.setup)),
        (120, CallAnswered(CALL, LEG)),
        (140, feed.StreamAttemptFailed(STREAM, 1, "tcp", 0, "refused")),
        (180, feed.StreamConnected(STREAM, 2, 1, 2, 3, 4)),
        (40_180, feed.StreamCounted(STREAM, 1_000, counted)),
        (40_180, StreamFinished(CALL, LEG, STREAM, record.streams[0].outcome)),
        (41_200, feed.LegCounted(LEG, "a84b4c76@pc33", 0, 16, leg)),
        (41_200, CallEnded(CALL, record)),
    ]
    return [fact(event, at_ms=at_ms) for at_ms, event in story]
