"""What may be asked of a live call over HTTP (V3-10, LG-55)."""

from typing import Any

import pytest

from agentstream.base.ids import AccountSid
from agentstream.calls.commands import AudioFile, Hold, PauseRecording, ResumeRecording, Unhold

MINE = AccountSid("GreenLeaf1")
URL = "/v2/Accounts/GreenLeaf1/Calls/c1"


@pytest.fixture
def live(site: Any) -> Any:
    site.calls.owners["c1"] = MINE
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


@pytest.mark.parametrize(
    ("what", "said", "why"),
    [
        ("recording", {}, "Status is one of paused, in-progress"),
        ("recording", {"Status": "off"}, "Status is one of paused, in-progress"),
        ("hold", {"Status": "paused"}, "Status is one of on_hold, not_on_hold"),
        ("hold", {"Status": "on_hold", "Music": "/etc/passwd"}, "Music is an http(s) URL"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    live: Any, what: str, said: dict[str, str], why: str
) -> None:
    answer = await put(live, what, **said)
    assert answer.status_code == 400
    assert why in answer.text
    assert live.calls.asked == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"Status": 1}', b"\xff"])
async def test_a_body_that_cannot_be_read_is_said(live: Any, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await live.client.put(
        f"{URL}/recording", content=body, headers=headers, auth=live.auth
    )
    assert (answer.status_code, "neither a form nor" in answer.text) == (400, True)
    huge = await live.client.put(f"{URL}/recording", content=b"x" * 5_000, auth=live.auth)
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
