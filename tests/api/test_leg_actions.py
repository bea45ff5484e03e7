"""What a leg is told to do, in both shapes of request (LG-80 to LG-93, LG-105)."""

from typing import Any

import pytest

from agentstream.flows.legs.verbs import StartSay, StartStream, StopSay

LEG = "/v2/accounts/GreenLeaf1/legs/leg00001"


async def test_both_shapes_are_one_action_lg_80_lg_90_lg_91_lg_92(site: Any) -> None:
    sid = await site.begin_leg()
    url = "wss://bot.example.test/in"
    asked = {"direction": "bidirectional", "url": url, "action_custom_param": "first-bot"}
    document = f'<Flow><StartStream streamType="bidirectional" streamUrl="{url}"/></Flow>'
    shapes = (
        await site.ask("POST", f"{LEG}/actions/start_stream", json=asked),
        await site.ask(
            "POST",
            f"{LEG}/actions",
            json={"exoml": document, "action_custom_param": "first-bot"},
        ),
    )
    for answer, act in zip(shapes, site.legs.acts, strict=True):
        data = answer.json()["response"]["data"]
        assert answer.status_code == answer.json()["http_code"] == 202
        assert data == {
            "leg_sid": sid,
            "action_sid": act.action_sid,
            "created_at": "2027-01-12T10:04:05.000Z",
            "account_sid": "GreenLeaf1",
            "action_custom_param": "first-bot",
        }
        assert answer.json()["action_sid"] == act.action_sid  # LG-10
        assert (act.leg_sid, act.custom) == (sid, "first-bot")
        assert act.verbs == (StartStream(url),)
    assert site.legs.acts[0].action_sid != site.legs.acts[1].action_sid


async def test_stop_say_needs_neither_body_nor_type_lg_86(site: Any) -> None:
    await site.begin_leg()
    shapes: tuple[dict[str, Any], ...] = ({}, {"json": {}}, {"content": b"{}"})
    for how in shapes:
        answer = await site.ask("POST", f"{LEG}/actions/stop_say", **how)
        assert answer.status_code == 202
    assert [act.verbs for act in site.legs.acts] == [(StopSay(),)] * 3


async def test_a_document_of_several_verbs_is_one_action_ex_2(site: Any) -> None:
    await site.begin_leg()
    document = "<Flow><StartSay>Hello</StartSay><StopSay/></Flow>"
    answer = await site.ask("POST", f"{LEG}/actions", json={"exoml": document})
    assert answer.status_code == 202
    [act] = site.legs.acts
    assert [type(verb) for verb in act.verbs] == [StartSay, StopSay]


@pytest.mark.parametrize(
    ("path", "how", "status", "code", "word"),
    [
        ("legs/nothere1/actions", {"content": b"{", "type": True}, 400, 1007, "JSON"),
        ("legs/nothere1/actions", {"json": {"exoml": "<Fl"}}, 404, 1000, "nothere1"),
        ("legs/leg00001/actions", {"json": {}}, 400, 1001, "exoml"),
        ("legs/leg00001/actions", {"json": {"exoml": "<Fl"}}, 400, 1002, "exoml"),
        ("legs/leg00001/actions", {"json": {"exoml": "<Flow><Sing/></Flow>"}}, 400, 1002, "Sing"),
        ("legs/leg00001/actions/start_say", {"json": {}}, 400, 1001, "text"),
        ("legs/leg00001/actions/start_say", {"data": {"text": "x"}}, 415, 1011, "Content-Type"),
        ("legs/leg00001/actions/sing", {"json": {}}, 404, 1000, "start_stream"),
    ],
)
async def test_what_is_wrong_is_found_in_this_order_lg_93(
    site: Any, path: str, how: dict[str, Any], status: int, code: int, word: str
) -> None:
    await site.begin_leg()
    if how.pop("type", False):
        how["headers"] = {"content-type": "application/json"}
    answer = await site.ask("POST", f"/v2/accounts/GreenLeaf1/{path}", **how)
    error = answer.json()["response"]["error_data"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert word in error["message"]
    assert not site.legs.acts


async def test_what_the_leg_cannot_do_now_is_1020_lg_93_lg_105(site: Any) -> None:
    sid = await site.begin_leg()
    site.legs.refusal = "the leg is not answered yet"
    early = await site.ask("POST", f"{LEG}/actions/start_say", json={"text": "Hello"})
    site.tells(sid, "leg_terminated", data=(("terminal_status", "completed"),))
    late = await site.ask("POST", f"{LEG}/actions/start_say", json={"text": "Hello"})
    wrong = await site.ask("POST", f"{LEG}/actions/start_say", json={})
    for answer in (early, late):
        error = answer.json()["response"]["error_data"]
        assert (answer.status_code, error["code"]) == (409, 1020)
    assert wrong.status_code == 400  # what is said is looked at before what the leg can do
