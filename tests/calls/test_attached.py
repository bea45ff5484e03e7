"""Prompts, streams and recordings: begun once, ended once, never too many."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls.attached import (
    BEGUN_PER_CALL,
    PROMPTS_AT_ONCE,
    RECORDINGS_AT_ONCE,
    STREAMS_AT_ONCE,
    Attached,
)
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    CloseStream,
    OpenStream,
    PauseRecording,
    Play,
    RecordingSpec,
    ResumeRecording,
    StartRecording,
    StopPlaying,
    StopRecording,
    StreamSpec,
)
from agentstream.calls.effects import (
    ContinueRecording,
    EndRecording,
    EndStream,
    PlayPrompt,
    RecordLeg,
    StartStream,
    StopPrompt,
    SuspendRecording,
    TellStream,
)
from agentstream.calls.events import (
    PromptFinished,
    RecordingFinished,
    StreamFinished,
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
from agentstream.testing.calls import CALL, LEG, make_setup

PROMPT, STREAM, RECORDING = PromptId("p1"), StreamSid("s1"), RecordingSid("r1")
OTHER = LegSid("other")
URL = "wss://user:secret@bot.example/ws?sample-rate=8000"
MASKED = "wss://***@bot.example/ws?sample-rate=8000"
BOT = StreamSpec(URL, name="helper")
EAR = StreamSpec("ws://ear.example/", two_way=False)
BY_BOT = StreamOutcome("completed", "bot", duration_s=4)


@pytest.fixture
def attached() -> Attached:
    return Attached(Ledger(make_setup(), 0), stream_close_ms=15_000)


def test_a_prompt_is_played_stopped_and_told_once(attached: Attached) -> None:
    play = Play(LEG, PROMPT, AudioFile("a.wav"), loops=2, max_ms=9000)
    assert attached.order(play, 0) == [PlayPrompt(LEG, PROMPT, AudioFile("a.wav"), 2, 9000)]
    with pytest.raises(CommandError, match="already there"):
        attached.order(play, 0)
    assert attached.order(StopPlaying(PROMPT), 1) == [StopPrompt(LEG, PROMPT)]
    with pytest.raises(CommandError, match="already ending"):
        attached.order(StopPlaying(PROMPT), 1)
    ended = PromptEnded(PROMPT, completed=False)
    assert attached.hear(ended, 2) == [PromptFinished(CALL, LEG, PROMPT, completed=False, error="")]
    assert attached.hear(ended, 2) is None
    with pytest.raises(CommandError, match="has ended or was never there"):
        attached.order(StopPlaying(PROMPT), 3)


def test_a_stream_opens_hears_keys_and_ends_with_its_outcome(attached: Attached) -> None:
    assert attached.order(OpenStream(LEG, STREAM, BOT), 100) == [
        StreamRequested(CALL, LEG, STREAM, MASKED, "helper", two_way=True),
        StartStream(LEG, STREAM, BOT),
    ]
    assert attached.hear(DigitPressed(LEG, "1"), 110) == []  # never before `start` (ST-34)
    assert attached.hear(StreamStarted(STREAM), 120) == [StreamOpened(CALL, LEG, STREAM)]
    assert attached.hear(StreamStarted(STREAM), 121) is None
    assert attached.hear(DigitPressed(LEG, "1", 80), 130) == [TellStream(STREAM, "1", 80)]
    told = attached.hear(StreamEnded(STREAM, BY_BOT), 4120)
    assert told is not None
    finished = told[0]
    assert isinstance(finished, StreamFinished)
    assert finished.outcome.url == MASKED  # AS-37
    assert attached.is_empty


def test_the_address_that_was_really_used_is_kept(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, StreamSpec("https://resolver.example/")), 0)
    outcome = StreamOutcome("completed", "bot", url="wss://room.example/42")
    told = attached.hear(StreamEnded(STREAM, outcome), 1)
    assert told == [StreamFinished(CALL, LEG, STREAM, outcome)]


def test_a_one_way_stream_hears_no_keys_as_4(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, EAR), 0)
    attached.hear(StreamStarted(STREAM), 1)
    assert attached.hear(DigitPressed(LEG, "1"), 2) == []


def test_a_stream_with_a_recording_is_recorded_from_start_to_end_ap_66(
    attached: Attached,
) -> None:
    stereo = RecordingSpec("stereo")
    attached.order(OpenStream(LEG, STREAM, BOT, RECORDING, stereo), 0)
    with pytest.raises(CommandError, match="recording is already there"):
        attached.order(StartRecording(LEG, RECORDING), 1)
    assert attached.hear(StreamStarted(STREAM), 10) == [
        StreamOpened(CALL, LEG, STREAM),
        RecordLeg(LEG, RECORDING, stereo),
    ]
    told = attached.hear(StreamEnded(STREAM, BY_BOT), 20)
    assert told is not None
    assert told[0] == EndRecording(LEG, RECORDING)
    assert not attached.is_leg_free(LEG)
    assert attached.hear(RecordingReady(RECORDING, 10, "r.wav", "/r.wav"), 30) == [
        RecordingFinished(CALL, LEG, RECORDING, 10, "/r.wav", "")
    ]
    assert attached.is_leg_free(LEG)


def test_a_recording_that_was_stopped_before_its_stream_is_not_stopped_again(
    attached: Attached,
) -> None:
    attached.order(OpenStream(LEG, STREAM, BOT, RECORDING), 0)
    attached.hear(StreamStarted(STREAM), 1)
    assert attached.order(StopRecording(RECORDING), 2) == [EndRecording(LEG, RECORDING)]
    told = attached.hear(StreamEnded(STREAM, BY_BOT), 3)
    assert told is not None
    assert len(told) == 1


def test_a_stream_that_never_opened_leaves_no_recording(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, BOT, RECORDING), 0)
    refused = StreamOutcome("failed", error="3009 failed to establish ws conn: refused")
    told = attached.hear(StreamEnded(STREAM, refused), 5)
    assert told is not None
    assert len(told) == 1
    assert attached.is_empty


def test_a_recording_that_breaks_off_says_why(attached: Attached) -> None:
    attached.order(StartRecording(LEG, RECORDING), 0)
    assert attached.hear(RecordingFailed(RECORDING, "disk full"), 5) == [
        RecordingFinished(CALL, LEG, RECORDING, 0, "", "disk full")
    ]
    assert attached.hear(RecordingFailed(RECORDING, "disk full"), 6) is None


def test_a_recording_is_paused_and_resumed_and_can_be_stopped_from_either(
    attached: Attached,
) -> None:
    attached.order(StartRecording(LEG, RECORDING), 0)
    with pytest.raises(CommandError, match="not paused"):
        attached.order(ResumeRecording(RECORDING), 1)
    assert attached.order(PauseRecording(RECORDING), 1) == [SuspendRecording(LEG, RECORDING)]
    with pytest.raises(CommandError, match="already paused"):
        attached.order(PauseRecording(RECORDING), 2)
    assert attached.order(ResumeRecording(RECORDING), 3) == [ContinueRecording(LEG, RECORDING)]
    attached.order(PauseRecording(RECORDING), 4)
    assert attached.order(StopRecording(RECORDING), 5) == [EndRecording(LEG, RECORDING)]
    for late in (PauseRecording(RECORDING), ResumeRecording(RECORDING)):
        with pytest.raises(CommandError, match="already ending"):
            attached.order(late, 6)
    with pytest.raises(CommandError, match="was never there"):
        attached.order(PauseRecording(RecordingSid("r9")), 7)


def test_every_recording_is_paused_and_resumed_at_once_v3_10(attached: Attached) -> None:
    other = RecordingSid("r2")
    with pytest.raises(CommandError, match="nothing is being recorded now"):
        attached.order(PauseRecording(), 0)
    attached.order(StartRecording(LEG, RECORDING), 0)
    attached.order(StartRecording(LEG, other), 0)
    attached.order(PauseRecording(other), 1)
    assert attached.order(PauseRecording(), 2) == [SuspendRecording(LEG, RECORDING)]
    both = [ContinueRecording(LEG, RECORDING), ContinueRecording(LEG, other)]
    assert attached.order(ResumeRecording(), 3) == both
    with pytest.raises(CommandError, match="nothing is paused now"):
        attached.order(ResumeRecording(), 4)


def test_a_paused_recording_ends_with_its_stream(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, BOT, RECORDING), 0)
    attached.hear(StreamStarted(STREAM), 1)
    attached.order(PauseRecording(RECORDING), 2)
    told = attached.hear(StreamEnded(STREAM, BY_BOT), 3)
    assert told is not None
    assert told[0] == EndRecording(LEG, RECORDING)


def run_on_two_legs(attached: Attached) -> None:
    for leg, name in ((LEG, "a"), (OTHER, "b")):
        attached.order(Play(leg, PromptId(name), AudioFile("a.wav")), 0)
        attached.order(OpenStream(leg, StreamSid(name), BOT), 0)
        attached.order(StartRecording(leg, RecordingSid(name)), 0)


def test_what_runs_on_one_leg_ends_without_the_others(attached: Attached) -> None:
    run_on_two_legs(attached)
    assert attached.end_leg(OTHER, Cause.NORMAL, Party.CALLEE, 1) == [
        StopPrompt(OTHER, PromptId("b")),
        EndStream(StreamSid("b"), "callended"),
        EndRecording(OTHER, RecordingSid("b")),
    ]
    assert attached.end_leg(OTHER, Cause.NORMAL, Party.CALLEE, 2) == []


def test_what_runs_on_one_leg_is_written_off_without_the_others(attached: Attached) -> None:
    run_on_two_legs(attached)
    told = attached.write_off(1, OTHER)
    assert [type(event) for event in told] == [PromptFinished, StreamFinished, RecordingFinished]
    assert attached.is_leg_free(OTHER)
    assert not attached.is_leg_free(LEG)


def test_a_bot_has_the_ear_of_its_leg_while_its_two_way_stream_is_open(attached: Attached) -> None:
    ear = StreamSid("ear")
    attached.order(OpenStream(LEG, STREAM, BOT), 0)
    attached.order(OpenStream(LEG, ear, EAR), 0)
    assert attached.leg_of(STREAM) is None
    for sid in (STREAM, ear):
        attached.hear(StreamStarted(sid), 1)
    assert attached.leg_of(STREAM) == LEG
    assert attached.leg_of(ear) is None
    assert attached.leg_of(StreamSid("nobody")) is None
    attached.order(CloseStream(STREAM), 2)
    assert attached.leg_of(STREAM) is None


def test_a_stream_that_does_not_end_when_told_is_written_off(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, BOT), 0)
    assert attached.wake_at_ms is None
    assert attached.order(CloseStream(STREAM), 100) == [EndStream(STREAM, "stopped")]
    with pytest.raises(CommandError, match="already ending"):
        attached.order(CloseStream(STREAM), 100)
    assert attached.hear(StreamStarted(STREAM), 101) is None  # it opens too late
    assert attached.wake_at_ms == 15_100
    assert attached.wake(15_099) == []
    told = attached.wake(15_100)
    assert isinstance(told[0], StreamFinished)
    assert told[0].outcome.error
    assert attached.hear(StreamEnded(STREAM, BY_BOT), 15_200) is None


def test_one_bot_at_a_time_speaks_to_a_leg_but_others_may_listen(attached: Attached) -> None:
    attached.order(OpenStream(LEG, STREAM, BOT), 0)
    with pytest.raises(CommandError, match="stream is already there"):
        attached.order(OpenStream(LEG, STREAM, EAR), 0)
    with pytest.raises(CommandError, match="a bot already speaks"):
        attached.order(OpenStream(LEG, StreamSid("s2"), BOT), 0)
    for number in range(2, STREAMS_AT_ONCE + 1):  # ST-46
        attached.order(OpenStream(LEG, StreamSid(f"s{number}"), EAR), 0)
    with pytest.raises(CommandError, match="no more than 4 streams"):
        attached.order(OpenStream(LEG, StreamSid("s9"), EAR), 0)


def test_prompts_and_recordings_are_bounded(attached: Attached) -> None:
    for number in range(PROMPTS_AT_ONCE):
        attached.order(Play(LEG, PromptId(f"p{number}"), AudioFile("a.wav")), 0)
    with pytest.raises(CommandError, match="prompts"):
        attached.order(Play(LEG, PromptId("more"), AudioFile("a.wav")), 0)
    for number in range(RECORDINGS_AT_ONCE):
        attached.order(StartRecording(LEG, RecordingSid(f"r{number}")), 0)
    with pytest.raises(CommandError, match="recordings"):
        attached.order(StartRecording(LEG, RecordingSid("more")), 0)


def test_what_a_call_may_begin_in_its_life_is_bounded(attached: Attached) -> None:
    for number in range(BEGUN_PER_CALL):
        sid = StreamSid(f"s{number}")
        attached.order(OpenStream(LEG, sid, BOT, RecordingSid(f"r{number}")), 0)
        attached.hear(StreamStarted(sid), 0)
        attached.hear(StreamEnded(sid, BY_BOT), 0)
        attached.hear(RecordingReady(RecordingSid(f"r{number}"), 1, "r.wav"), 0)
    with pytest.raises(CommandError, match="1000 streams"):
        attached.order(OpenStream(LEG, STREAM, BOT), 0)
    with pytest.raises(CommandError, match="1000 recordings"):
        attached.order(StartRecording(LEG, RECORDING), 0)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, MASKED),
        ("wss://bot.example/a@b?c=d@e", "wss://bot.example/a@b?c=d@e"),
        ("wss://u:p@ss@bot.example:8443", "wss://***@bot.example:8443"),
        ("not a url", "not a url"),
        ("sip:ann:secret@192.0.2.1:5060", "sip:ann:***@192.0.2.1:5060"),
        ("sip:ann@192.0.2.1:5060", "sip:ann@192.0.2.1:5060"),
    ],
)
def test_credentials_in_an_address_are_never_shown_as_37(url: str, shown: str) -> None:
    assert masked(url) == shown
