"""The talk of a Connect: whisper, bridge, recording, limit; and what the caller hears before."""

from agentstream.base.ids import LegSid, PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Bridge,
    Dial,
    HangUpLeg,
    OpenStream,
    Play,
    Speech,
    StartRecording,
    StopPlaying,
    StopRecording,
    Unbridge,
)
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.conversation import RECORDING_WAIT_MS, WHISPER_MS
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.visits import Visit


def answered(**fields: object) -> tuple[Visit, LegSid]:
    """Enter a Connect whose one party has answered; the music was taken."""
    visit = Visit(ConnectSettings.model_validate({"numbers": ["+919000000001"], **fields}))
    dial = visit.take(Dial)
    visit.take(Play)
    visit.up(dial.leg_sid)
    return visit, dial.leg_sid


def talking(**fields: object) -> tuple[Visit, LegSid]:
    """Enter a Connect whose one party talks with the caller."""
    visit, callee = answered(**fields)
    visit.take(StopPlaying)
    visit.expect(Bridge(LEG, callee))
    visit.bridged(callee)
    return visit, callee


def test_a_recording_lasts_from_the_bridge_to_the_end_and_is_waited_for_us_17() -> None:
    visit, callee = talking(record=True, recording_channels="stereo")
    recording = visit.take(StartRecording)
    assert (recording.leg_sid, recording.spec.channels) == (LEG, "mirrored")
    visit.wait(9000)
    visit.gone(callee)
    visit.expect(StopRecording(recording.recording_sid))
    visit.gone(callee)
    visit.expect_nothing()
    visit.recorded(recording.recording_sid)
    visit.left("on_conversation_ended")
    parameters = dict(visit.context.parameters(9000))
    assert parameters["RecordingUrl"] == "/recordings/r1.mp3"
    assert parameters["DialCallDuration"] == "9"


def test_of_two_channels_the_agents_is_the_left_rc_2() -> None:
    for wanted, channels in (("mono", "mono"), ("stereo", "mirrored")):
        visit, _ = talking(record=True, recording_channels=wanted)
        # The caller's leg is recorded, and what it hears is the agent.
        assert visit.take(StartRecording).spec.channels == channels


def test_a_bot_listens_from_the_bridge_on_and_lives_on_as_182() -> None:
    visit, callee = talking(stream_url="wss://notes.example/{CallSid}", stream_name="notes")
    fork = visit.take(OpenStream)
    assert (fork.leg_sid, fork.spec.url) == (LEG, f"wss://notes.example/{CALL}")
    assert (fork.spec.two_way, fork.spec.track, fork.spec.parameters) == (False, "mixed", ())
    assert visit.context.forks == {fork.stream_sid: "notes"}
    visit.gone(callee)
    visit.left("on_conversation_ended")


def test_a_bot_that_may_not_listen_does_not_disturb_the_talk() -> None:
    visit, _ = talking(stream_url="https://who.example/bot")
    fork = visit.take(OpenStream)
    assert dict(fork.spec.parameters)["CallSid"] == CALL  # AS-14
    visit.refused(fork)
    visit.expect_nothing()
    assert visit.context.forks == {}


def test_a_recording_that_is_not_written_is_waited_for_a_while_only() -> None:
    visit, callee = talking(record=True)
    stop = StopRecording(visit.take(StartRecording).recording_sid)
    visit.gone(callee)
    visit.expect(stop)
    visit.refused(stop)
    visit.wait(RECORDING_WAIT_MS - 1)
    visit.expect_nothing()
    visit.wait(1)
    visit.left("on_conversation_ended")


def test_a_caller_who_goes_ends_the_recording_by_that() -> None:
    visit, _ = talking(record=True)
    recording = visit.take(StartRecording)
    visit.hangs_up()
    visit.expect_nothing()
    visit.recorded(recording.recording_sid)
    visit.left("on_conversation_ended")


def test_a_caller_may_go_while_the_recording_is_written() -> None:
    visit, callee = talking(record=True)
    recording = visit.take(StartRecording)
    visit.gone(callee)
    visit.take(StopRecording)
    visit.hangs_up()
    visit.expect_nothing()
    visit.recorded(recording.recording_sid)
    visit.left("on_conversation_ended")


def test_a_talk_goes_on_without_its_recording() -> None:
    visit, callee = talking(record=True)
    visit.refused(visit.take(StartRecording), "too many recordings")
    visit.gone(callee)
    visit.left("on_conversation_ended")
    visit, callee = talking(record=True)
    visit.recorded(visit.take(StartRecording).recording_sid, error="disk full")
    visit.expect_nothing()
    visit.gone(callee)
    visit.left("on_conversation_ended")


def test_a_conversation_has_a_limit() -> None:
    visit, callee = talking(max_conversation_seconds=60, next="bye")
    visit.wait(59_999)
    visit.expect_nothing()
    visit.wait(1)
    visit.expect(Unbridge(LEG), HangUpLeg(callee, Cause.TIME_LIMIT, Party.SYSTEM))
    left = visit.left("next")
    assert (left.cause, left.party) == (Cause.TIME_LIMIT, Party.SYSTEM)
    assert left.reason == "the conversation's time limit"
    assert visit.context.dial is not None
    assert (visit.context.dial.status, visit.context.dial.duration_s) == ("completed", 60)


def test_a_limit_counts_from_the_bridge_and_a_duration_from_the_answer() -> None:
    visit, callee = answered(whisper_text="For you", max_conversation_seconds=10)
    whisper = visit.take(Play)
    visit.wait(4000)
    visit.played(whisper.prompt_id, leg_sid=callee)
    visit.take(StopPlaying)
    visit.take(Bridge)
    visit.bridged(callee)
    visit.wait(10_000)
    visit.take(Unbridge)
    visit.take(HangUpLeg)
    visit.left("on_conversation_ended")
    assert visit.context.dial is not None
    assert visit.context.dial.duration_s == 14


def test_a_whisper_is_for_the_callee_while_the_caller_hears_ringing_ap_43() -> None:
    visit, callee = answered(whisper_text="From {From}", language="en-US", voice="f2")
    whisper = visit.take(Play)
    assert whisper.leg_sid == callee
    assert whisper.prompt == Speech("From +919876500001", "en-US", "f2")
    visit.played(PromptId("another"))
    visit.refused(Play(LEG, PromptId("another"), AudioFile("x.wav")))
    visit.expect_nothing()
    visit.played(whisper.prompt_id, leg_sid=callee)
    visit.take(StopPlaying)
    visit.expect(Bridge(LEG, callee))


def test_a_whisper_for_both_replaces_the_ringing_ap_43() -> None:
    visit, callee = answered(whisper_audio="sounds/hello.wav", whisper_to="both")
    visit.take(StopPlaying)
    to_callee, to_caller = visit.take(Play), visit.take(Play)
    assert (to_callee.leg_sid, to_caller.leg_sid) == (callee, LEG)
    assert to_callee.prompt == to_caller.prompt == AudioFile("sounds/hello.wav")
    visit.played(to_caller.prompt_id)
    visit.expect_nothing()
    visit.played(to_callee.prompt_id, leg_sid=callee)
    visit.expect(Bridge(LEG, callee))


def test_a_callee_who_goes_leaves_no_whisper_with_the_caller() -> None:
    visit, callee = answered(whisper_text="Hello", whisper_to="both")
    visit.take(StopPlaying)
    _, to_caller = visit.take(Play), visit.take(Play)
    visit.gone(callee)
    visit.expect(StopPlaying(to_caller.prompt_id))
    visit.left("on_nobody_answered")  # and the music had ended before


def test_a_whisper_that_cannot_be_played_is_left_out() -> None:
    visit, callee = answered(whisper_text="Hello")
    visit.refused(visit.take(Play))
    visit.take(StopPlaying)
    visit.expect(Bridge(LEG, callee))


def test_a_whisper_that_never_ends_is_given_up() -> None:
    visit, callee = answered(whisper_text="Hello")
    whisper = visit.take(Play)
    visit.wait(WHISPER_MS)
    visit.expect(StopPlaying(whisper.prompt_id))
    visit.take(StopPlaying)
    visit.expect(Bridge(LEG, callee))
    visit.played(whisper.prompt_id, leg_sid=callee)
    visit.expect_nothing()


def test_a_caller_who_goes_just_before_the_bridge_has_given_up() -> None:
    visit, _ = answered()
    visit.take(StopPlaying)
    visit.take(Bridge)
    visit.hangs_up()
    visit.left("on_nobody_answered")
    assert dict(visit.context.parameters(0))["DialCallStatus"] == "canceled"


def test_music_that_cannot_be_played_gives_way_to_ringing_and_that_to_silence() -> None:
    fields = {"numbers": ["+919000000001"], "music_on_hold": "https://cdn.example/{To}.mp3"}
    visit = Visit(ConnectSettings.model_validate(fields))
    dial, music = visit.take(Dial), visit.take(Play)
    assert music.prompt == AudioFile("https://cdn.example/%2B918040000002.mp3")
    visit.played(music.prompt_id, error="the sound's server answered 404")
    tone = visit.take(Play)
    assert tone.prompt == AudioFile("builtin:operator_tone")
    visit.played(tone.prompt_id, error="no such file")
    visit.rings(dial.leg_sid)
    visit.expect_nothing()
    visit.up(dial.leg_sid)
    visit.expect(Bridge(LEG, dial.leg_sid))


def test_music_that_the_call_refuses_is_silence() -> None:
    visit = Visit(ConnectSettings(numbers=["+919000000001"]))
    dial = visit.take(Dial)
    visit.refused(visit.take(Play))
    visit.rings(dial.leg_sid)
    visit.expect_nothing()
    visit.up(dial.leg_sid)
    visit.expect(Bridge(LEG, dial.leg_sid))
