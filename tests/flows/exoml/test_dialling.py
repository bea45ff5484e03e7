"""Dial over its life: whom, how long, the star key, what the action is told (XR-14)."""

import pytest

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Bridge,
    Dial,
    DialSpec,
    Fetch,
    HangUp,
    HangUpLeg,
    Play,
    RecordingSpec,
    SendDigits,
    Speech,
    StartRecording,
    StopRecording,
)
from agentstream.calls.events import DigitReceived, LegDialled, LegGone
from agentstream.flows.applet import Abandoned, Leave
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.documents import Ivr

ONE = "+919000000001"


def dialled(verb: str) -> tuple[Ivr, LegSid]:
    """Let a document dial; return the leg of the first who is called."""
    ivr = Ivr()
    ivr.document(verb)
    return ivr, ivr.take(Dial).leg_sid


def talking(verb: str) -> tuple[Ivr, LegSid]:
    """Let the caller and the callee talk."""
    ivr, leg_sid = dialled(verb)
    ivr.rings(leg_sid)
    ivr.take_all()
    ivr.up(leg_sid)
    ivr.bridged(leg_sid)
    return ivr, leg_sid


def result(ivr: Ivr) -> dict[str, str]:
    """Return what the action is told of the dial."""
    told = ivr.told(ivr.skip_to(Fetch))
    return {key: value for key, value in told.items() if key.startswith(("Dial", "Recording"))}


def test_a_number_is_dialled_by_the_words_of_the_document_xr_14() -> None:
    ivr = Ivr()
    ivr.document(f'<Dial callerId="+918040000009" timeout="20">{ONE}</Dial>')
    dial = ivr.take(Dial)
    assert dial.spec == DialSpec(ONE, caller_id="+918040000009", ring_ms=20_000)


def test_a_callee_is_shown_the_number_that_was_called_unless_another_is_named_xr_14() -> None:
    ivr = Ivr()
    ivr.document("<Dial>sip:ann@pbx.example</Dial>")
    spec = ivr.take(Dial).spec
    assert (spec.destination, spec.caller_id) == ("sip:ann@pbx.example", "+918040000002")


def test_the_action_is_told_how_the_talk_went_xr_14() -> None:
    ivr, leg_sid = talking(f'<Dial action="after">{ONE}</Dial>')
    ivr.wait(7_900)
    ivr.gone(leg_sid)
    assert result(ivr) == {
        "DialCallStatus": "completed",
        "DialCallSid": leg_sid,
        "DialCallDuration": "7",
    }


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (Cause.BUSY, "busy"),
        (Cause.NO_ANSWER, "no-answer"),
        (Cause.REJECTED, "failed"),
        (Cause.NOT_FOUND, "failed"),
    ],
)
def test_who_is_not_reached_is_told_in_a_word_and_not_called_again_xr_14(
    cause: Cause, status: str
) -> None:
    ivr, leg_sid = dialled(f'<Dial action="after">{ONE}</Dial>')
    ivr.gone(leg_sid, cause)
    assert result(ivr) == {
        "DialCallStatus": status,
        "DialCallSid": leg_sid,
        "DialCallDuration": "0",
    }


def test_a_dial_that_the_call_refuses_has_failed_xr_14() -> None:
    ivr = Ivr()
    ivr.document(f'<Dial action="after">{ONE}</Dial>')
    ivr.refused(ivr.take(Dial), "too many legs")
    assert result(ivr)["DialCallStatus"] == "failed"


def test_without_an_action_the_next_verb_follows_the_talk() -> None:
    ivr, leg_sid = talking(f"<Dial>{ONE}</Dial><Hangup/>")
    ivr.gone(leg_sid)
    ivr.skip_to(HangUp)


def test_a_talk_is_recorded_and_its_address_told_xr_14() -> None:
    ivr, leg_sid = talking(f'<Dial action="after" record="true">{ONE}</Dial>')
    start = ivr.skip_to(StartRecording)
    assert start.spec == RecordingSpec("mono")
    ivr.gone(leg_sid)
    ivr.expect(StopRecording(start.recording_sid))
    ivr.recorded(start.recording_sid)
    assert result(ivr)["RecordingUrl"] == "/recordings/r1.mp3"


def test_a_talk_has_a_longest_time_xr_14() -> None:
    ivr, leg_sid = talking(f'<Dial timeLimit="60">{ONE}</Dial>')
    ivr.take_all()
    ivr.wait(60_000)
    assert ivr.skip_to(HangUpLeg).leg_sid == leg_sid


@pytest.mark.parametrize("setting", ["true", "false"])
def test_the_callers_star_ends_the_talk_by_setting_xr_14(setting: str) -> None:
    ivr, leg_sid = talking(f'<Dial hangupOnStar="{setting}">{ONE}</Dial>')
    ivr.take_all()
    ivr.feed(DigitReceived(CALL, leg_sid, "*", 80))  # the callee's
    ivr.press("1")
    ivr.expect_nothing()
    ivr.press("*")
    if setting == "true":
        assert ivr.take(HangUpLeg).leg_sid == leg_sid
    ivr.expect_nothing()


def test_the_star_means_nothing_before_the_answer_and_after_the_talk_xr_14() -> None:
    ivr, leg_sid = dialled(f'<Dial hangupOnStar="true" record="true">{ONE}</Dial>')
    ivr.take_all()
    ivr.press("*")
    ivr.expect_nothing()
    ivr.up(leg_sid)
    ivr.bridged(leg_sid)
    ivr.take_all()
    ivr.gone(leg_sid)
    ivr.take(StopRecording)
    ivr.press("*")
    ivr.expect_nothing()


def test_keys_are_pressed_for_the_callee_who_has_them_xr_14() -> None:
    verb = f'<Dial><Number>100</Number><Number sendDigits="w12">{ONE}</Number></Dial>'
    ivr, first = dialled(verb)
    second = ivr.take(Dial)
    assert second.spec.destination == ONE
    ivr.take_all()
    ivr.up(second.leg_sid)
    assert ivr.skip_to(HangUpLeg).leg_sid == first  # the others ring no more
    ivr.take_all()
    ivr.up(first)  # too late
    ivr.bridged(second.leg_sid)
    ivr.wait(500)
    ivr.expect(SendDigits(second.leg_sid, "12", 100, 70))
    ivr.refused(SendDigits(second.leg_sid, "12", 100, 70))
    ivr.expect_nothing()


def test_who_hangs_up_before_the_talk_does_not_count_as_the_one_who_answered() -> None:
    verb = f'<Dial action="after"><Number>{ONE}</Number></Dial>'
    ivr, leg_sid = dialled(verb)
    ivr.take_all()
    ivr.up(leg_sid)
    assert ivr.skip_to(Bridge).other_sid == leg_sid
    ivr.feed(LegGone(CALL, leg_sid, Cause.NORMAL, Party.CALLEE, 0, ""))
    assert result(ivr)["DialCallStatus"] == "failed"


def test_a_caller_who_gives_up_is_told_of_as_no_answer_xr_14() -> None:
    ivr, leg_sid = dialled(f'<Dial action="after">{ONE}</Dial>')
    ivr.take_all()
    ivr.hangs_up()
    fetch = ivr.take(Fetch)
    assert fetch.in_background
    assert ivr.told(fetch)["DialCallStatus"] == "no-answer"
    assert ivr.told(fetch)["DialCallSid"] == leg_sid
    ivr.expect(Leave(party=Party.CALLER))


def test_who_is_called_rings_for_the_caller_meanwhile() -> None:
    ivr = Ivr()
    ivr.document(f"<Dial>{ONE}</Dial>")
    ivr.take(Dial)
    play = ivr.take(Play)
    assert (play.leg_sid, play.loops) == (LEG, 0)


ANNOUNCED = f'<Dial action="after"><Number URL="whisper" method="GET">{ONE}</Number></Dial>'


def announced(verb: str = ANNOUNCED) -> tuple[Ivr, LegSid, Fetch]:
    """Let a callee answer that is to hear something first; return who is asked what."""
    ivr, leg_sid = dialled(verb)
    ivr.take_all()
    ivr.up(leg_sid)
    return ivr, leg_sid, ivr.take(Fetch)


def test_a_callee_hears_a_document_of_its_own_before_the_talk_xr_14() -> None:
    ivr, leg_sid, fetch = announced()
    assert (fetch.request.method, fetch.request.url) == ("GET", "https://crm.example/ivr/whisper")
    told = ivr.told(fetch)
    assert (told["DialCallSid"], told["CallFrom"]) == (leg_sid, "+919876500001")
    ivr.expect_nothing()  # the caller goes on hearing it ring
    ivr.answers(fetch, b"<Response><Say>A caller</Say><Play>b.wav</Play></Response>")
    say = ivr.take(Play)
    assert (say.leg_sid, say.prompt) == (leg_sid, Speech("A caller", "en", "female"))
    ivr.played(say.prompt_id, leg_sid=leg_sid)
    sound = ivr.take(Play)
    assert sound.leg_sid == leg_sid
    ivr.expect_nothing()
    ivr.played(sound.prompt_id, leg_sid=leg_sid)
    assert ivr.skip_to(Bridge).other_sid == leg_sid


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it was answered with status 500, not 200"),
        (b"<Response>\n<Hangup/></Response>", "line 2: <Hangup> is not for a callee"),
    ],
)
def test_a_callee_without_its_document_talks_at_once_and_that_is_noted_xr_14(
    body: bytes, why: str
) -> None:
    ivr, leg_sid, fetch = announced()
    ivr.answers(fetch, body, 200 if body else 500)
    assert ivr.skip_to(Bridge).other_sid == leg_sid
    (noted,) = ivr.trouble
    assert why in noted


def test_a_document_that_does_not_come_or_end_is_not_waited_for_longer() -> None:
    ivr, leg_sid, _ = announced()
    ivr.wait(6_000)
    assert ivr.skip_to(Bridge).other_sid == leg_sid
    ivr, leg_sid, fetch = announced()
    ivr.answers(fetch, b"<Response><Say>a<break time='2s'/></Say></Response>")
    ivr.played(ivr.take(Play).prompt_id, leg_sid=leg_sid)
    ivr.wait(1_999)
    ivr.expect_nothing()
    ivr.wait(1)
    assert ivr.skip_to(Bridge).other_sid == leg_sid


def test_a_callee_who_goes_while_it_listens_was_not_reached_xr_14() -> None:
    ivr, leg_sid, fetch = announced()
    ivr.feed(LegGone(CALL, leg_sid, Cause.NORMAL, Party.CALLEE, 0, ""))
    assert result(ivr)["DialCallStatus"] == "failed"
    ivr.answers(fetch, b"<Response><Say>never</Say></Response>")
    ivr.expect_nothing()


def test_a_caller_who_goes_while_the_callee_listens_ends_it() -> None:
    ivr, _, fetch = announced()
    ivr.hangs_up()
    assert ivr.told(ivr.take(Fetch))["DialCallStatus"] == "no-answer"
    ivr.left("next")
    assert fetch.request.query


def test_of_several_who_listen_the_first_to_have_heard_it_talks() -> None:
    verb = f'<Dial><Number URL="a">100</Number><Number URL="b">{ONE}</Number></Dial>'
    ivr, first = dialled(verb)
    second = ivr.take(Dial).leg_sid
    ivr.take_all()
    ivr.up(first)
    ivr.up(second)
    asked_a, asked_b = ivr.take(Fetch), ivr.take(Fetch)
    ivr.answers(asked_b, b"<Response/>")
    assert ivr.take(HangUpLeg).leg_sid == first
    assert ivr.skip_to(Bridge).other_sid == second
    ivr.answers(asked_a, b"<Response><Say>never</Say></Response>")
    ivr.expect_nothing()


MOMENTS = "initiated ringing, answered completed"
CALLED_BACK = (
    f'<Dial><Number StatusCallback="/cb" statusCallbackEvent="{MOMENTS}">{ONE}</Number></Dial>'
)


def news(ivr: Ivr) -> list[tuple[str, str, str]]:
    """Return what was told of the callee: moment, status, seconds of talk."""
    told = [ivr.told(step) for step in ivr.take_all() if isinstance(step, Fetch)]
    assert all(each["DialWhomNumber"] == ONE for each in told)
    return [(e["EventType"], e["DialCallStatus"], e["DialCallDuration"]) for e in told]


def test_a_server_is_told_of_each_moment_of_a_callee_xr_14() -> None:
    ivr, leg_sid = dialled(CALLED_BACK)
    ivr.feed(LegDialled(CALL, leg_sid, ONE, ""))
    fetch = ivr.skip_to(Fetch)
    assert (fetch.in_background, fetch.request.url) == (True, "https://crm.example/cb")
    assert ivr.told(fetch)["DialCallSid"] == leg_sid
    ivr.rings(leg_sid)
    ivr.rings(leg_sid, early=True)
    ivr.up(leg_sid)
    ivr.bridged(leg_sid)
    ivr.feed(LegGone(CALL, leg_sid, Cause.NORMAL, Party.CALLEE, 7_900, ""))
    assert news(ivr) == [
        ("ringing", "ringing", "0"),
        ("answered", "in-progress", "0"),
        ("completed", "completed", "7"),
    ]


def test_without_named_events_only_the_end_is_told_xr_14() -> None:
    ivr, leg_sid = dialled(f'<Dial><Number StatusCallback="/cb">{ONE}</Number></Dial>')
    ivr.rings(leg_sid)
    ivr.gone(leg_sid, Cause.BUSY)
    assert news(ivr) == [("completed", "busy", "0")]


@pytest.mark.parametrize("is_up", [True, False])
def test_the_end_of_a_callee_is_told_when_the_call_is_over_or_elsewhere_xr_14(is_up: bool) -> None:
    for ends in ("hang-up", "redirect"):
        ivr, leg_sid = dialled(CALLED_BACK)
        ivr.feed(LegDialled(CALL, leg_sid, ONE, ""))
        if is_up:
            ivr.up(leg_sid)
            ivr.bridged(leg_sid)
        ivr.take_all()
        if ends == "hang-up":
            ivr.hangs_up()
        else:
            assert isinstance(ivr.machine, Abandoned)
            ivr.keep(ivr.machine.abandon(0))
        assert news(ivr) == [("completed", "completed" if is_up else "canceled", "0")]


def test_of_a_callee_whom_the_call_refuses_nothing_is_told() -> None:
    ivr = Ivr()
    ivr.document(CALLED_BACK)
    ivr.refused(ivr.take(Dial), "too many legs")
    assert news(ivr) == []
