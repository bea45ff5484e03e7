"""What a server may answer to a Connect (AP-40 to AP-45, AP-49), and what is refused and why."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls.commands import AudioFile, RecordingSpec, Speech
from agentstream.flows.connect_answer import AnswerError, plain, programmable
from agentstream.flows.dial_plan import DialPlan, Target, Whisper

TO = "+918040000002"
AAA, BBB = "+919000000001", "+919000000002"
BASE = DialPlan(caller_id=TO, language="hi-IN", voice="f1", event_url="https://a.example/")
FULL = {  # AP-41, every field
    "fetch_after_attempt": True,
    "destination": {"numbers": [AAA, BBB]},
    "outgoing_phone_number": "+91 80 4000 0003",
    "record": True,
    "recording_channels": "dual",
    "max_ringing_duration": 45,
    "max_conversation_duration": 600,
    "music_on_hold": {"type": "operator_tone"},
    "start_call_playback": {"playback_to": "both", "type": "text", "value": "Joining you now"},
    "parallel_ringing": {"activate": True, "max_parallel_attempts": 2},
    "dial_passthru_event_url": "https://hooks.example/dial",
}


def read(**fields: Any) -> DialPlan:
    answer = {"destination": {"numbers": [AAA]}, **fields}
    return programmable(json.dumps(answer).encode(), BASE, TO)


def wrong(**fields: Any) -> str:
    with pytest.raises(AnswerError) as caught:
        read(**fields)
    return str(caught.value)


def test_a_plain_answer_is_numbers_with_commas_between_ap_40() -> None:
    plan = plain(
        b"\xef\xbb\xbf +919000000001,\r\n(0) 98765-00001 ,sip:anna@pbx.example\n", BASE, TO
    )
    assert plan.targets == (Target(AAA), Target("09876500001"), Target("sip:anna@pbx.example"))
    assert replace(plan, targets=()) == BASE


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"destination": {}}', "the answer is JSON; set 'mode: programmable' for it"),
        (b"\xff\xfe", "the answer is not UTF-8 text"),
        (b"<Response/>", "the answer is XML or HTML, which is not taken: '<Response/>'"),
    ],
)
def test_a_plain_answer_that_is_something_else_says_so(body: bytes, problem: str) -> None:
    with pytest.raises(AnswerError) as caught:
        plain(body, BASE, TO)
    assert str(caught.value) == problem


def test_a_plain_answer_that_names_nobody_says_so() -> None:
    assert plain(b" ,\n", BASE, TO).reason == "the list of numbers is empty"
    plan = plain(b"agent one", BASE, TO)
    assert plan.targets == ()
    assert plan.reason == "'agent one' is neither a number nor a sip address"


def test_a_programmable_answer_may_set_everything_ap_41() -> None:
    assert programmable(json.dumps(FULL).encode(), BASE, TO) == DialPlan(
        targets=(Target(AAA), Target(BBB)),
        caller_id="+918040000003",
        ring_ms=45_000,
        talk_ms=600_000,
        parallel=2,
        asks_again=True,
        recording=RecordingSpec("mirrored"),
        whisper=Whisper(Speech("Joining you now", "hi-IN", "f1"), is_for_both=True),
        language="hi-IN",
        voice="f1",
        event_url="https://hooks.example/dial",
    )


def test_what_an_answer_leaves_out_stays_as_the_document_says() -> None:
    base = replace(
        BASE,
        parallel=3,
        recording=RecordingSpec("mirrored"),
        music="builtin:default_tone",
        whisper=Whisper(Speech("a")),
        asks_again=True,
    )
    body = b'{"destination": {"numbers": "+919000000001"}, "success": true}'
    assert programmable(body, base, TO) == replace(base, targets=(Target(AAA),))
    nulls: dict[str, Any] = dict.fromkeys(FULL)
    nulls["destination"] = {"numbers": [919000000001]}
    plan = programmable(json.dumps(nulls).encode(), base, TO)
    assert plan == replace(base, targets=(Target("919000000001"),))


def test_recording_can_be_switched_on_and_off_ap_43() -> None:
    assert read(record=True).recording == RecordingSpec("mono")
    assert read(record="true", recording_channels="single").recording == RecordingSpec("mono")
    recorded = replace(BASE, recording=RecordingSpec("mirrored"))
    body = b'{"destination": {"numbers": []}, "record": false}'
    assert programmable(body, recorded, TO).recording is None
    body = b'{"destination": {"numbers": []}, "recording_channels": "single"}'
    assert programmable(body, recorded, TO).recording == RecordingSpec("mono")


def test_music_and_playback_are_those_of_ap_43() -> None:
    assert read(music_on_hold={"type": "default_tone"}).music == "builtin:default_tone"
    assert read(music_on_hold={"type": "operator_tone", "value": ""}).music == (
        "builtin:operator_tone"
    )
    custom = {"type": "custom_tone", "value": "https://cdn.example/m.mp3"}
    assert read(music_on_hold=custom).music == "https://cdn.example/m.mp3"
    audio = {"playback_to": "callee", "type": "audio_url", "value": "https://cdn.example/w.wav"}
    whisper = Whisper(AudioFile("https://cdn.example/w.wav"), is_for_both=False)
    assert read(start_call_playback=audio).whisper == whisper
    assert read(start_call_playback={"type": "text"}).whisper is None


def test_parallel_ringing_is_off_unless_it_is_activated_ap_43() -> None:
    ringing = {"activate": False, "max_parallel_attempts": 4}
    assert read(parallel_ringing=ringing).parallel == 1
    assert read(parallel_ringing={"activate": "true"}).parallel == 5


def test_an_empty_event_url_is_none_of_its_own() -> None:
    assert read(dial_passthru_event_url="").event_url == "https://a.example/"


def test_a_trunk_is_given_the_called_number_and_headers_ap_42_sip_13() -> None:
    destination = {"trunk": "trmum1a2b", "custom_params": "order=7781&X-Tier=go%6Cd&note="}
    headers = (("X-order", "7781"), ("X-Tier", "gold"), ("X-note", ""))
    assert read(destination=destination).targets == (Target("sip:trmum1a2b", TO, headers),)
    apart = read(destination={"trunk": "t1"}, custom_params="a=b")
    assert apart.targets == (Target("sip:t1", TO, (("X-a", "b"),)),)
    assert read(destination={"trunk": "t1"}).targets == (Target("sip:t1", TO),)
    longest = "k=" + "v" * 198
    assert read(destination={"trunk": "t1"}, custom_params=longest).targets[0].headers


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ("a=1&b=2&c=3&d=4", "'custom_params' has more than 3 headers"),
        ("k=" + "v" * 199, "'custom_params' has more than 200 bytes"),
        (
            "Exotel-CallSid=1",
            "'custom_params': names that begin with Exotel- or Veeno- are reserved",
        ),
        ("x-veeno-a=1", "'custom_params': names that begin with Exotel- or Veeno- are reserved"),
        ("a%0d%0aTo=1", "'custom_params': 'a\r\nTo' cannot be a SIP header"),
        ("a=1%0d%0aTo: x", "'custom_params': 'a' cannot be a SIP header"),
        ("X-=1", "'custom_params': 'X-' cannot be a SIP header"),
    ],
)
def test_custom_parameters_have_the_limits_of_ap_42(parameters: str, problem: str) -> None:
    assert wrong(destination={"trunk": "t1", "custom_params": parameters}) == problem


def test_the_contact_centres_list_is_taken_ap_49() -> None:
    agents = [{"contact_uri": "sip:anna@pbx.example", "name": "Anna"}, {"contact_uri": AAA}]
    answer = {"destination_type": "user", "destination": agents, "state_management": True}
    plan = programmable(json.dumps(answer).encode(), BASE, TO)
    assert plan.targets == (Target("sip:anna@pbx.example"), Target(AAA))
    nobody = read(destination=[{"user": "anna"}])
    assert nobody.targets == ()
    assert nobody.reason == (
        "no 'contact_uri' in 'destination' can be dialled: the list of numbers is empty"
    )
    assert read(destination=[]).targets == ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"destination": {}}, None),
        ({"max_ringing_duration": 301}, "'max_ringing_duration' in the answer: input should be"),
        ({"max_conversation_duration": 0}, "'max_conversation_duration' in the answer: input"),
        (
            {"parallel_ringing": {"activate": True, "max_parallel_attempts": 6}},
            "'parallel_ringing.max_parallel_attempts' in the answer: input should be less than or"
            " equal to 5",
        ),
        ({"recording_channels": "stereo"}, "'recording_channels' in the answer: input should be"),
        ({"outgoing_phone_number": "<sip:x>"}, "'outgoing_phone_number' in the answer is not a"),
        ({"music_on_hold": {"type": "custom_tone"}}, "'music_on_hold.value' in the answer is not"),
        (
            {"start_call_playback": {"type": "audio_url", "value": "/w.wav"}},
            "'start_call_playback.value' in the answer is not an http(s) URL",
        ),
        ({"dial_passthru_event_url": "ftp://x"}, "'dial_passthru_event_url' in the answer: str"),
        ({"destination": "anna"}, "'destination' in the answer: input should be"),
        ({"destination": {"trunk": "a b"}}, "'destination.trunk' in the answer: string should"),
    ],
)
def test_a_wrong_field_is_named_with_its_rule_us_14(
    fields: dict[str, Any], problem: str | None
) -> None:
    if problem is None:
        assert read(**fields).reason == "'destination' has neither 'numbers' nor 'trunk'"
    else:
        assert wrong(**fields).startswith(problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the answer is not JSON: ''"),
        (b"+919000000001", "the answer is not JSON: '+919000000001'"),
        (b"<?xml?><Response/>", "the answer is XML or HTML, which is not taken: '<?xml?><Res"),
        (b"[" * 60_000, "the answer is not JSON: '[[[["),
        (b"[]", "'the answer' in the answer: input should be an object"),
        (b"{}", "'destination' in the answer: field required"),
    ],
)
def test_an_answer_that_is_no_object_says_what_it_is_us_14(body: bytes, problem: str) -> None:
    with pytest.raises(AnswerError) as caught:
        programmable(body, BASE, TO)
    assert str(caught.value).startswith(problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ANSWERS = st.fixed_dictionaries(
    {"destination": JSON | st.fixed_dictionaries({"numbers": st.lists(st.text(max_size=14))})},
    optional={
        name: JSON | st.fixed_dictionaries({}, optional={"type": JSON, "value": JSON})
        for name in [*FULL, "custom_params"]
        if name != "destination"
    },
)


@given(st.binary(max_size=200) | ANSWERS.map(lambda answer: json.dumps(answer).encode()))
def test_any_answer_gives_a_plan_within_its_bounds_or_an_answer_error(body: bytes) -> None:
    for read_body in (plain, programmable):
        try:
            plan = read_body(body, BASE, TO)
        except AnswerError:
            continue
        assert plan.targets or plan.reason
        assert 1 <= plan.parallel <= 5
        assert 1_000 <= plan.ring_ms <= 300_000
        assert 1_000 <= plan.talk_ms <= 14_400_000
