"""Stream: one script for each way through it (AS-180 to AS-182, ST-40, ST-43, ST-45, ST-46)."""

import pytest
from pydantic import ValidationError

from agentstream.base.ids import StreamSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import CloseStream, OpenStream
from agentstream.calls.events import CallHungUp, StreamFinished, StreamRequested
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.applet import CommandRefused, Leave
from agentstream.flows.applets.stream import StreamSettings
from agentstream.flows.context import Context
from agentstream.testing.applets import Visit, new_context, visit
from agentstream.testing.calls import CALL, LEG

URL = "wss://notes.example/ws"
STOP = StreamSettings(action="stop")


def requested(opened: OpenStream) -> StreamRequested:
    return StreamRequested(CALL, LEG, opened.stream_sid, opened.spec.url, "", two_way=False)


def start(context: Context, **fields: object) -> StreamSid:
    """Run a start to its end; return the stream's id."""
    script, _ = visit(StreamSettings.model_validate({"url": URL, **fields}), context)
    opened = script.take(OpenStream)
    context.note(requested(opened))
    script.feed(requested(opened))
    script.expect(Leave())
    return opened.stream_sid


def begun(fields: dict[str, object]) -> tuple[Visit, OpenStream]:
    script, _ = visit(StreamSettings.model_validate({"url": URL, **fields}))
    return script, script.take(OpenStream)


def test_a_start_forks_the_audio_and_goes_on_at_once_as_180_as_181_st_40() -> None:
    fields = {"name": "notes", "profile": "docs", "settings": {"frame_ms": 20}, "next": "a"}
    settings = StreamSettings.model_validate({"url": URL, **fields})
    assert settings.exits() == {"next": "a"}
    assert settings.leaves_at_once()
    script, context = visit(settings)
    opened = script.take(OpenStream)
    spec = opened.spec
    assert (spec.url, spec.two_way, spec.name, spec.profile) == (URL, False, "notes", "docs")
    assert spec.overrides == (("frame_ms", "20"),)
    assert (opened.leg_sid, opened.recording_sid, spec.parameters) == (LEG, None, ())
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.expect_nothing()
    script.feed(requested(opened))
    script.expect(Leave())
    assert context.forks == {opened.stream_sid: "notes"}
    assert script.machine.wake(5) == []


def test_both_sides_are_heard_mixed_unless_another_track_is_wanted_as_182_bx_2() -> None:
    assert begun({})[1].spec.track == "mixed"
    for track in ("inbound", "outbound", "both"):
        assert begun({"track": track})[1].spec.track == track


def test_the_address_has_its_variables_and_a_resolver_is_told_of_the_call_as_14() -> None:
    assert begun({"url": "wss://b/?c={From}"})[1].spec.url == "wss://b/?c=%2B919876500001"
    spec = begun({"url": "https://who.example/"})[1].spec
    assert spec.parameters[0] == ("CallSid", CALL)


def test_a_stream_that_the_call_refuses_disturbs_nobody_as_181_st_46() -> None:
    script, context = visit(StreamSettings(url=URL))
    opened = script.take(OpenStream)
    script.feed(CommandRefused(opened, "a call can have no more than 4 streams"))
    why = "the stream was not started: a call can have no more than 4 streams"
    script.expect(Leave(reason=why))
    assert context.forks == {}


def test_a_stream_that_ends_before_it_was_told_disturbs_nobody_st_45() -> None:
    script, opened = begun({})
    outcome = StreamOutcome("failed", error="3009 refused")
    script.feed(StreamFinished(CALL, LEG, StreamSid("other"), outcome))
    script.expect_nothing()
    script.feed(StreamFinished(CALL, LEG, opened.stream_sid, outcome))
    script.expect(Leave(reason="3009 refused"))


def test_a_stop_ends_the_latest_and_the_next_stop_the_one_before_as_180_st_43() -> None:
    context = new_context()
    first, second = start(context), start(context)
    assert first != second
    script, _ = visit(STOP, context)
    script.expect(CloseStream(second), Leave())
    script, _ = visit(STOP, context)
    script.expect(CloseStream(first), Leave())
    script, _ = visit(STOP, context)
    script.expect(Leave(reason="no such stream runs"))
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.expect_nothing()
    assert script.machine.wake(5) == []


def test_a_stop_with_a_name_ends_every_stream_of_this_name() -> None:
    context = new_context()
    a, b, c = (start(context, name=name) for name in ("notes", "coach", "notes"))
    script, _ = visit(StreamSettings(action="stop", name="notes"), context)
    script.expect(CloseStream(a), CloseStream(c), Leave())
    assert list(context.forks) == [b]


def test_a_stream_that_has_ended_is_not_stopped_st_45() -> None:
    context = new_context()
    sid = start(context)
    context.note(StreamFinished(CALL, LEG, sid, StreamOutcome("completed", "bot")))
    script, _ = visit(STOP, context)
    script.expect(Leave(reason="no such stream runs"))


def test_the_address_of_the_coming_stream_is_known() -> None:
    assert StreamSettings(url=URL).stream_address() == URL
    assert STOP.stream_address() == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give the 'url' that is to be started"),
        ({"action": "stop", "url": URL}, "'url' is only for a start"),
        ({"url": "tel:1"}, "must begin with wss://, ws://"),
        ({"url": URL, "track": "left"}, "Input should be 'inbound', 'outbound', 'mixed' or 'both'"),
        ({"url": URL, "name": "x" * 33}, "at most 32 characters"),
        ({"url": URL, "settings": {"a": []}}, "'a' must be a text, a number"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        StreamSettings.model_validate(fields)
