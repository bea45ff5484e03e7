"""Facts of made-up calls that we placed: to one party, or with a second number."""

from dataclasses import replace
from datetime import timedelta

from agentstream.base.ids import CallSid, LegSid, RecordingSid
from agentstream.calls.causes import Cause, Party, status_word
from agentstream.calls.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    Event,
    LegDialled,
    LegGone,
    LegRinging,
    LegUp,
    RecordingFinished,
)
from agentstream.calls.record import (
    CallRecord,
    CallSetup,
    LegRecord,
    RecordingRecord,
    StatusCallback,
)
from agentstream.switch import feed
from agentstream.testing.calls import CALL, make_setup

FIRST = LegSid("1e600000000000000000000000000001")
SECOND = LegSid("1e600000000000000000000000000002")
RECORDING_URL = "https://voice.example/r/rec1.mp3"


def placed_setup(
    callback: StatusCallback | None, *, two_numbers: bool, call_sid: CallSid = CALL
) -> CallSetup:
    """Return the setup of a call to +919876500001, shown +918040000002."""
    setup = replace(
        make_setup("outbound", custom_field="order 7"), call_sid=call_sid, callback=callback
    )
    if two_numbers:
        return replace(setup, to_number="+919876500003", phone_number="+918040000002")
    return setup


def placed_call(
    setup: CallSetup,
    *,
    first: Cause | None = None,
    second: Cause | None = None,
    with_second: bool = True,
    recorded: bool = False,
) -> list[feed.Fact]:
    """Return what the feed tells of it; `first` or `second` is why that party did not answer."""
    sid, dials_second = setup.call_sid, with_second and setup.to_number != setup.account_number
    story: list[tuple[int, Event]] = [
        (0, CallStarted(sid, FIRST, setup)),
        (1_000, LegRinging(sid, FIRST, has_early_media=False)),
        (1_200, LegRinging(sid, FIRST, has_early_media=True)),
    ]
    if first is None:
        story.append((4_000, CallAnswered(sid, FIRST)))
        if dials_second:
            story += _second_leg(sid, second)
        if recorded:
            done = RecordingFinished(sid, FIRST, RecordingSid("rec1"), 16_000, RECORDING_URL, "")
            story.append((20_200, done))
    record = _record(setup, first, second, dials_second=dials_second, recorded=recorded)
    story.append((record.ended_ms, CallEnded(sid, record)))
    return [_fact(setup, at_ms, event) for at_ms, event in story]


def _second_leg(sid: CallSid, cause: Cause | None) -> list[tuple[int, Event]]:
    story: list[tuple[int, Event]] = [
        (4_100, LegDialled(sid, SECOND, "+919876500003", "+918040000002")),
        (5_000, LegRinging(sid, SECOND, has_early_media=False)),
    ]
    if cause is None:
        gone = LegGone(sid, SECOND, Cause.NORMAL, Party.CALLEE, 12_400, "")
        return [*story, (7_600, LegUp(sid, SECOND)), (20_000, gone)]
    return [*story, (7_600, LegGone(sid, SECOND, cause, Party.CALLEE, 0, ""))]


def _record(
    setup: CallSetup,
    first: Cause | None,
    second: Cause | None,
    *,
    dials_second: bool,
    recorded: bool,
) -> CallRecord:
    answered_ms, hung_up_ms = (None, 9_000) if first else (4_000, 20_000)
    talk_ms = 0 if answered_ms is None else hung_up_ms - answered_ms
    cause = first or (second if dials_second else None) or Cause.NORMAL
    legs = [_leg(FIRST, 0, answered_ms, hung_up_ms, first or Cause.NORMAL)]
    if first is None and dials_second:
        legs.append(_leg(SECOND, 4_100, None if second else 7_600, 20_000, second or Cause.NORMAL))
    return CallRecord(
        setup=setup,
        status=status_word(cause, first is None and (second is None or not dials_second)),
        cause=cause,
        ended_by=Party.CALLEE,
        text="The called party hung up.",
        rang_ms=1_000,
        answered_ms=answered_ms,
        hung_up_ms=hung_up_ms,
        ended_ms=hung_up_ms + 300,
        rang_at=setup.started_at + timedelta(milliseconds=1_000),
        answered_at=None if first else setup.started_at + timedelta(milliseconds=4_000),
        ended_at=setup.started_at + timedelta(milliseconds=hung_up_ms),
        duration_ms=hung_up_ms,
        talk_ms=talk_ms,
        billable_s=-(-talk_ms // 1_000),
        digits=0,
        stray_reports=0,
        legs=tuple(legs),
        recordings=_recordings(recorded),
    )


def _recordings(recorded: bool) -> tuple[RecordingRecord, ...]:
    if not recorded:
        return ()
    return (RecordingRecord(RecordingSid("rec1"), FIRST, 16_000, "rec1.wav", RECORDING_URL, ""),)


def _leg(
    leg_sid: LegSid, started_ms: int, answered_ms: int | None, ended_ms: int, cause: Cause
) -> LegRecord:
    return LegRecord(
        leg_sid,
        "outbound",
        "udp:192.0.2.1:5060",
        started_ms,
        None,
        answered_ms,
        ended_ms,
        cause,
        Party.CALLEE,
        had_media=answered_ms is not None,
        talk_ms=0 if answered_ms is None else ended_ms - answered_ms,
    )


def _fact(setup: CallSetup, at_ms: int, event: Event) -> feed.Fact:
    at = setup.started_at + timedelta(milliseconds=at_ms)
    return feed.Fact(setup.call_sid, setup.account_sid, 1_000_000 + at_ms, at, event)
