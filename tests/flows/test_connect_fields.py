"""What a document may say of a Connect, and what is wrong with it otherwise."""

import pytest
from pydantic import ValidationError

from agentstream.calls.commands import AudioFile, RecordingSpec
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.document import DocumentError, parse
from agentstream.testing.visits import Visit


def test_every_exit_can_be_wired_ap_46() -> None:
    names = ["next", "on_conversation_ended", "on_nobody_answered", "on_nobody_dialled"]
    names += ["on_busy", "on_no_answer", "on_failed"]
    settings = ConnectSettings.model_validate({"url": "https://a/", **{n: n for n in names}})
    assert settings.exits() == {name: name for name in names}
    assert ConnectSettings(url="https://a/").exits() == {}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "give either 'numbers' or 'url'"),
        ({"numbers": ["+9190"], "url": "https://a/"}, "give either 'numbers' or 'url'"),
        ({"numbers": ["+9190"], "fallback_url": "https://a/"}, "'fallback_url' needs 'url'"),
        ({"numbers": ["+9190"], "fetch_after_attempt": True}, "'fetch_after_attempt' needs 'url'"),
        ({"numbers": ["anna"]}, "'anna' is neither a number nor a sip address"),
        ({"numbers": []}, "at least 1 item"),
        ({"numbers": ["+9190"] * 51}, "at most 50 items"),
        ({"numbers": ["{Nobody}"]}, "is no variable"),
        ({"url": "ftp://a/"}, "match pattern"),
        ({"numbers": ["+9190"], "ring_seconds": 301}, "less than or equal to 300"),
        ({"numbers": ["+9190"], "parallel": 11}, "less than or equal to 10"),
        ({"numbers": ["+9190"], "retries": 6}, "less than or equal to 5"),
        ({"numbers": ["+9190"], "max_conversation_seconds": 14_401}, "less than or equal to 14400"),
        ({"numbers": ["+9190"], "stream_name": "notes"}, "'stream_name' needs 'stream_url'"),
        ({"numbers": ["+9190"], "stream_url": "ftp://a/"}, "match pattern"),
        ({"numbers": ["sip:t1"], "custom_params": "a=1&b=2&c=3&d=4"}, "more than 3 headers"),
        ({"numbers": ["sip:t1"], "custom_params": "Exotel-A=1"}, "are reserved"),
        ({"numbers": ["sip:t1"], "custom_params": "a b=1"}, "cannot be a SIP header"),
        (
            {"numbers": ["+9190"], "whisper_text": "a", "whisper_audio": "b.wav"},
            "give either 'whisper_text' or 'whisper_audio'",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_limit(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ConnectSettings.model_validate(fields)


def test_a_document_tells_its_mistakes_with_their_place() -> None:
    text = "name: x\nstart: a\napplets:\n  a:\n    type: connect\n    numbers: [anna]\n"
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert str(caught.value) == (
        "line 6: applet 'a' (connect): field 'numbers': 'anna' is neither a number nor a sip"
        " address"
    )


def test_a_plan_says_what_the_fields_say() -> None:
    settings = ConnectSettings(
        url="https://a/",
        caller_id="{CustomField}",
        retries=2,
        record=True,
        recording_channels="stereo",
        music_on_hold="sounds/{To}.wav",
        whisper_audio="https://cdn.example/{To}.wav",
        popup_url="https://crm.example/",
    )
    context = Visit(settings).context
    plan = settings.plan(context, 0)
    assert plan.caller_id == "+918040000002"  # the variable is empty
    assert plan.retries == 2
    assert plan.recording == RecordingSpec("mirrored")
    assert plan.music == "sounds/+918040000002.wav"
    assert plan.whisper is not None
    assert plan.whisper.prompt == AudioFile("https://cdn.example/%2B918040000002.wav")
    assert plan.event_url == "https://crm.example/"
