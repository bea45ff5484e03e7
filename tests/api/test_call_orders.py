"""What may be asked of a live call over HTTP (V3-10, LG-55)."""

from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.commands import (
    AudioFile,
    Hold,
    PauseRecording,
    Play,
    ResumeRecording,
    SendDigits,
    Speech,
    Unhold,
)
from agentstream.switch.call_view import CallView, LegView
from agentstream.testing.calls import STARTED_AT, make_setup

MINE = AccountSid("GreenLeaf1")
URL = "/v2/Accounts/GreenLeaf1/Calls/c1"


@pytest.fixture
def live(site: Any) -> Any:
    site.calls.owners["c1"] = MINE
    legs = tuple(LegView(LegSid(sid), "in-progress") for sid in ("l1", "l2"))
    site.exchange.views[CallSid("c1")] = CallView(
        make_setup(), "in-progress", STARTED_AT, legs=legs
    )
    return site


async def put(site: Any, what: str, **said: str) -> Any:
    return await site.client.put(f"{URL}/{what}", data=said, auth=site.auth)


async def test_a_recording_is_paused_and_resumed_v3_10(live: Any) -> None:
    paused = await put(live, "recording", Status="paused")
    assert paused.json() == {"Recording": {"CallSid": "c1", "Status": "paused"}}
    resumed = await live.client.put(
        f"{URL}/Recording", json={"Status": "in-progress"}, auth=live.auth
    )
    assert resumed.status_code == 200
    assert live.calls.asked == [("c1", PauseRecording()), ("c1", ResumeRecording())]


async def test_a_party_is_held_with_music_and_comes_back(live: Any) -> None:
    await put(live, "hold", Status="on_hold")
    await put(live, "hold", Status="on_hold", LegSid="b", Music="https://cdn.example/a.mp3")
    await put(live, "hold", Status="not_on_hold", LegSid="b")
    (_, first), (_, second), (_, back) = live.calls.asked
    assert isinstance(first, Hold)
    assert isinstance(second, Hold)
    assert (first.leg_sid, first.music) == (None, AudioFile("builtin:default_tone"))
    assert (second.leg_sid, second.music) == ("b", AudioFile("https://cdn.example/a.mp3"))
    assert len({first.prompt_id, second.prompt_id}) == 2
    assert back == Unhold(second.leg_sid)


async def test_a_party_of_any_live_call_hears_a_prompt_or_gets_keys_oc_2(live: Any) -> None:
    told = await put(live, "prompt", Url="https://cdn.example/a.mp3", Loop="2")
    await put(live, "prompt", text="One moment.", legsid="l2", Language="hi-IN")
    await put(live, "digits", Digits="12#a")
    (_, first), (_, second), (_, keys) = live.calls.asked
    assert isinstance(first, Play)
    assert isinstance(second, Play)
    assert (first.leg_sid, first.prompt, first.loops) == (
        "l1",
        AudioFile("https://cdn.example/a.mp3"),
        2,
    )
    assert told.json()["Prompt"] == {"CallSid": "c1", "LegSid": "l1", "Sid": first.prompt_id}
    assert (second.leg_sid, second.prompt) == ("l2", Speech("One moment.", "hi-IN"))
    assert keys == SendDigits(first.leg_sid, "12#A")
    nobody = await put(live, "digits", Digits="1", LegSid="l9")
    assert (nobody.status_code, "no leg l9" in nobody.text) == (404, True)


@pytest.mark.parametrize(
    ("what", "said", "why"),
    [
        ("recording", {}, "Status is missing"),
        ("recording", {"Status": "off"}, "Status is one of paused, in-progress"),
        ("hold", {"Status": "paused"}, "Status is one of on_hold, not_on_hold"),
        ("hold", {"Status": "on_hold", "Music": "/etc/passwd"}, "Music begins with http"),
        ("prompt", {}, "Give one of Url, Text"),
        ("prompt", {"Url": "https://a.example/a.wav", "Text": "Hello"}, "Give one of Url, Text"),
        ("prompt", {"Url": "/etc/passwd"}, "Url begins with http"),
        ("prompt", {"Text": "Hello", "Loop": "0"}, "Loop is a whole number from 1 to 10"),
        ("prompt", {"Text": "x" * 2_001}, "Text has 2001 characters, at most 2000"),
        ("digits", {}, "Digits is missing"),
        ("digits", {"Digits": "1" * 65}, "Digits has 65 characters, at most 64"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    live: Any, what: str, said: dict[str, str], why: str
) -> None:
    answer = await put(live, what, **said)
    assert answer.status_code == 400
    assert why in answer.text
    assert live.calls.asked == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
async def test_a_body_that_cannot_be_read_is_said(live: Any, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await live.client.put(
        f"{URL}/recording", content=body, headers=headers, auth=live.auth
    )
    assert (answer.status_code, "not a JSON object" in answer.text) == (400, True)
    huge = await live.client.put(f"{URL}/recording", content=b"x" * 70_000, auth=live.auth)
    assert huge.status_code == 413


async def test_what_the_call_cannot_do_now_is_a_conflict(live: Any) -> None:
    live.calls.refusal = "nothing is being recorded now"
    answer = await put(live, "recording", Status="paused")
    assert (answer.status_code, "nothing is being recorded" in answer.text) == (409, True)


async def test_calls_of_others_are_not_there(live: Any) -> None:
    live.calls.owners["c1"] = AccountSid("Other1")
    assert (await put(live, "recording", Status="paused")).status_code == 404
    nobody = await live.client.put(f"{URL}/hold", data={"Status": "on_hold"})
    assert nobody.status_code == 401
