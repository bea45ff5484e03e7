"""Bridges over HTTP (BR-1 to BR-9, EX-26 to EX-28)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from agentstream.base.ids import AccountSid
from agentstream.flows.legs.verbs import Hangup, JoinBridge, StartMonitoring, StartSay
from agentstream.store.bridges import BridgeRow
from agentstream.testing.waiting import until

BRIDGES = "/v2/accounts/GreenLeaf1/bridges"
LEGS = "/v2/accounts/GreenLeaf1/legs"
HOOK = "https://u:pw@hooks.example.test/bridges"


async def up(site: Any, *names: str) -> list[str]:
    """Let legs be answered."""
    sids = [await site.begin_leg(name) for name in names]
    for sid in sids:
        site.tells(sid, "leg_answered")
    return sids


async def made(site: Any, *names: str, **fields: Any) -> str:
    """Make a bridge of legs, and wait until they are in it."""
    legs = await up(site, *names)
    answer = await site.ask("POST", BRIDGES, json={"leg_sids": legs, **fields})
    assert answer.status_code == 202, answer.text
    sid = str(answer.json()["bridge_sid"])
    await until(lambda: site.bridges.find(sid).active_legs == tuple(legs))
    return sid


def told(site: Any, sid: str) -> list[str]:
    return [row.name for row in site.store.legs.told.values() if row.subject == sid]


async def test_legs_are_bridged_and_the_answer_has_all_that_any_page_prints_br_1_br_3_lc_11(
    site: Any,
) -> None:
    legs = await up(site, "leg00001", "leg00002")
    body = {"leg_sids": legs, "bridge_event_endpoint": HOOK, "absorb_dtmf": True}
    answer = await site.ask("POST", BRIDGES, json=body)
    data = answer.json()["response"]["data"]
    assert answer.status_code == answer.json()["http_code"] == 202
    sid = data["bridge_sid"]
    assert data == {
        "bridge_sid": sid,
        "created_at": "2027-01-12T10:04:05.000Z",
        "account_sid": "GreenLeaf1",
        "leg_sids": legs,
        "bridge_event_endpoint": "https://***@hooks.example.test/bridges",
        "absorb_dtmf": True,
        "bridge_type": "audio",
        "max_participants": 12,
        "recording": False,
        "state": "created",
        "date_created": "2027-01-12T10:04:05.000Z",
    }
    assert answer.json()["bridge_sid"] == sid  # LG-10
    await until(lambda: len(told(site, sid)) == 3)
    assert told(site, sid) == ["bridge_created", "leg_joined_bridge", "leg_joined_bridge"]
    leg = await site.ask("GET", f"{LEGS}/{legs[0]}?bridge_status")
    assert leg.json()["additional_info"] == {"bridge_status": sid}
    changes = [(change.what, change.outcome, change.about) for change in site.changes]
    assert changes == [("POST /v2/accounts/GreenLeaf1/bridges", "202", f"bridge {sid}")]


@pytest.mark.parametrize("how", [{}, {"json": {}}, {"json": {"bridge_type": "audio"}}])
async def test_a_bridge_without_legs_waits_for_them_br_2_br_3(
    site: Any, how: dict[str, Any]
) -> None:
    answer = await site.ask("POST", BRIDGES, **how)
    assert answer.status_code == answer.json()["http_code"] == 201
    data = answer.json()["response"]["data"]
    assert (data["state"], data["leg_sids"], data["bridge_type"]) == ("created", [], "audio")
    assert data["bridge_event_endpoint"] is None
    assert told(site, data["bridge_sid"]) == ["bridge_created"]


async def test_a_bridge_is_read_as_both_pages_print_it_br_4_lc_22(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    found = (await site.ask("GET", f"{BRIDGES}/{sid}")).json()["response"]["data"]
    assert found == {
        "sid": sid,
        "bridge_sid": sid,
        "account_sid": "GreenLeaf1",
        "state": "active",
        "terminal_status": None,
        "date_created": "2027-01-12T10:04:05.000Z",
        "date_updated": "2027-01-12T10:04:05.000Z",
        "start_time": "2027-01-12T10:04:05.000Z",
        "end_time": None,
        "active_legs": ["leg00001", "leg00002"],
        "leg_sids": ["leg00001", "leg00002"],
        "bridge_event_endpoint": "https://***@hooks.example.test/bridges",
        "absorb_dtmf": False,
        "bridge_type": "audio",
        "max_participants": 12,
        "recording": False,
    }


async def test_a_stop_leaves_legs_up_and_a_hang_up_ends_them_br_5_br_5a_lc_12(site: Any) -> None:
    stopped = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    answer = await site.ask("PUT", f"{BRIDGES}/{stopped}", json={"action": "stop"})
    assert answer.status_code == 202
    assert answer.json()["response"]["data"] == {
        "bridge_sid": stopped,
        "created_at": "2027-01-12T10:04:05.000Z",
        "account_sid": "GreenLeaf1",
        "bridge_event_endpoint": "https://***@hooks.example.test/bridges",
        "action": "stop",
    }
    await until(lambda: told(site, stopped)[-1] == "bridge_terminal")
    assert not site.legs.acts
    for leg_sid in ("leg00001", "leg00002"):
        leg = (await site.ask("GET", f"{LEGS}/{leg_sid}?bridge_status")).json()
        assert (leg["state"], leg["additional_info"]["bridge_status"]) == (
            "connected",
            "not_in_bridge",
        )
    ended = await made(site, "leg00003", "leg00004")
    answer = await site.ask("PUT", f"{BRIDGES}/{ended}", json={"action": "hangup"})
    assert (answer.status_code, answer.json()["action"]) == (202, "hangup")
    await until(lambda: told(site, ended)[-1] == "bridge_terminal")
    assert [act.verbs for act in site.legs.acts] == [(Hangup(),)] * 2
    found = (await site.ask("GET", f"{BRIDGES}/{ended}")).json()
    assert (found["state"], found["terminal_status"]) == ("terminal", "completed")
    assert (found["active_legs"], found["leg_sids"]) == ([], ["leg00003", "leg00004"])


async def test_a_put_without_an_action_changes_nothing_for_who_is_in_br_5a_lc_12(
    site: Any,
) -> None:
    sid = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    before = told(site, sid)
    change = {"absorb_dtmf": True, "max_participants": 3, "bridge_event_endpoint": "stream:"}
    answer = await site.ask("PUT", f"{BRIDGES}/{sid}", json=change)
    data = answer.json()["response"]["data"]
    assert answer.status_code == 200
    assert {name: data[name] for name in change} == change
    assert data["active_legs"] == ["leg00001", "leg00002"]
    assert told(site, sid) == before
    answer = await site.ask("PUT", f"{BRIDGES}/{sid}", json={"max_participants": 4})
    data = answer.json()["response"]["data"]
    assert (data["max_participants"], data["absorb_dtmf"]) == (4, True)


async def test_an_action_reaches_every_leg_in_both_shapes_br_6(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002")
    document = "<Flow><StartSay>Hello</StartSay></Flow>"
    shapes = (
        await site.ask(
            "POST",
            f"{BRIDGES}/{sid}/actions",
            json={"exoml": document, "action_custom_param": "mine"},
        ),
        await site.ask(
            "POST",
            f"{BRIDGES}/{sid}/actions/start_say",
            json={"text": "Hello", "action_custom_param": "mine"},
        ),
    )
    for answer, acts in zip(shapes, (site.legs.acts[:2], site.legs.acts[2:]), strict=True):
        data = answer.json()["response"]["data"]
        assert answer.status_code == 202
        assert data == {
            "bridge_sid": sid,
            "action_sid": acts[0].action_sid,
            "created_at": "2027-01-12T10:04:05.000Z",
            "account_sid": "GreenLeaf1",
            "action_custom_param": "mine",
        }
        assert [act.leg_sid for act in acts] == ["leg00001", "leg00002"]
        assert all(isinstance(act.verbs[0], StartSay) for act in acts)
        assert {act.custom for act in acts} == {"mine"}


async def test_refer_re_points_the_events_ex_28(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    url = "https://other.example.test/bridges"
    exoml = f'<Flow><Refer bridgeEventEndpoint="{url}"/></Flow>'
    answer = await site.ask("POST", f"{BRIDGES}/{sid}/actions", json={"exoml": exoml})
    assert answer.status_code == 202
    assert not site.legs.acts, "nothing is transferred"
    found = (await site.ask("GET", f"{BRIDGES}/{sid}")).json()
    assert found["bridge_event_endpoint"] == url
    body = {"bridge_event_endpoint": "ftp://other.example.test"}
    wrong = await site.ask("POST", f"{BRIDGES}/{sid}/actions/refer", json=body)
    assert (wrong.status_code, wrong.json()["response"]["error_data"]["code"]) == (400, 1002)


async def test_what_was_told_of_a_bridge_is_its_history_lg_71(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    for path in ("external-events", "external_events"):
        data = (await site.ask("GET", f"{BRIDGES}/{sid}/{path}")).json()["response"]["data"]
        names = [one["event_info"]["event_name"] for one in data["external_events"]]
        assert names == ["bridge_created", "leg_joined_bridge", "leg_joined_bridge"]
        assert (data["sid"], data["account_sid"]) == (sid, "GreenLeaf1")
    path = f"{BRIDGES}/{sid}/external-events?event_name=bridge_created"
    one = (await site.ask("GET", path)).json()["response"]["data"]["external_events"]
    assert [each["event_info"]["sequence"] for each in one] == [1]
    leg = (await site.ask("GET", f"{LEGS}/leg00001/external-events")).json()["response"]["data"]
    names = [each["event_info"]["event_name"] for each in leg["external_events"]]
    assert names == ["leg_connecting", "leg_answered", "leg_joined_bridge"]


async def test_a_bridge_that_another_process_left_behind_has_ended(site: Any) -> None:
    at = site.clock.wall() - timedelta(hours=1)
    row = BridgeRow(
        sid="old-bridge",
        account_sid=AccountSid("GreenLeaf1"),
        max_participants=12,
        state="active",
        created_at=at,
        updated_at=at,
    )
    await site.store.legs.write([row])
    found = (await site.ask("GET", f"{BRIDGES}/old-bridge")).json()
    assert (found["state"], found["terminal_status"]) == ("terminal", "failed")
    for body in ({"action": "stop"}, {"absorb_dtmf": True}):
        answer = await site.ask("PUT", f"{BRIDGES}/old-bridge", json=body)
        assert (answer.status_code, answer.json()["response"]["error_data"]["code"]) == (409, 1020)
    late = await site.ask("POST", f"{BRIDGES}/old-bridge/actions/stop_say")
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        ({"leg_sids": ["leg00001"]}, 400, 1002, "leg_sids names 1 leg"),
        ({"leg_sids": [f"leg{n}" for n in range(13)]}, 400, 1002, "at most 12"),
        ({"leg_sids": ["leg00001", "nothere1"]}, 404, 1000, "nothere1"),
        ({"leg_sids": ["leg00001", "ringing1"]}, 409, 1020, "ringing1 is created"),
        ({"leg_sids": ["leg00001", "gone0001"]}, 409, 1020, "has ended"),
        ({"leg_sids": ["leg00001", "taken001"]}, 409, 1020, "in a bridge already"),
        ({"max_participants": 1}, 400, 1002, "from 2 to 12"),
        ({"bridge_type": "video"}, 400, 1002, "bridge_type"),
        ({"bridge_event_endpoint": "ftp://x"}, 400, 1002, "bridge_event_endpoint"),
        (
            {"leg_sids": ["leg00001", "leg00002", "leg00003"], "max_participants": 2},
            400,
            1002,
            "max_participants",
        ),
    ],
)
async def test_a_bridge_that_cannot_be_is_refused_in_words_lg_11_br_9(
    site: Any, body: dict[str, Any], status: int, code: int, word: str
) -> None:
    await made(site, "taken001", "taken002")
    await up(site, "leg00001", "leg00002", "leg00003", "gone0001")
    await site.begin_leg("ringing1")
    site.tells("gone0001", "leg_terminated", data=(("terminal_status", "completed"),))
    answer = await site.ask("POST", BRIDGES, json=body)
    error = answer.json()["response"]["error_data"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert word in error["message"]
    assert site.bridges.live == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "nothere", None, 404, 1000),
        ("PUT", "nothere", {"action": "stop"}, 404, 1000),
        ("PUT", "{sid}", {}, 400, 1001),
        ("PUT", "{sid}", {"action": "pause"}, 400, 1002),
        ("GET", "nothere/external-events", None, 404, 1000),
        ("POST", "nothere/actions", {"exoml": "<Fl"}, 404, 1000),
        ("POST", "{sid}/actions", {}, 400, 1001),
        ("POST", "{sid}/actions", {"exoml": "<Flow><Hangup/></Flow>"}, 400, 1002),
        ("POST", "{sid}/actions/dial", {}, 404, 1000),
        ("POST", "{sid}/actions/start_say", {}, 400, 1001),
        ("POST", "{sid}/actions/stop_say", {"action_custom_param": 7}, 400, 1002),
        ("POST", "{sid}/actions/refer", {}, 400, 1001),
    ],
)
async def test_what_is_wrong_of_a_bridge_comes_in_the_envelope_lg_9_lg_11(
    site: Any, method: str, path: str, body: Any, status: int, code: int
) -> None:
    sid = await made(site, "leg00001", "leg00002")
    answer = await site.ask(method, f"{BRIDGES}/{path.format(sid=sid)}", json=body)
    assert answer.status_code == answer.json()["http_code"] == status, answer.text
    assert answer.json()["response"]["error_data"]["code"] == code


async def test_a_leg_joins_only_a_bridge_that_is_there_ex_26_ex_27(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002")
    await up(site, "leg00003")
    for action, verb in (
        ("join_bridge", JoinBridge(sid)),
        ("start_monitoring", StartMonitoring(sid)),
    ):
        path = f"{LEGS}/leg00003/actions/{action}"
        wrong = await site.ask("POST", path, json={"bridge_sid": "nothere"})
        assert (wrong.status_code, wrong.json()["response"]["error_data"]["code"]) == (404, 1000)
        right = await site.ask("POST", path, json={"bridge_sid": sid})
        assert right.status_code == 202
        assert site.legs.acts[-1].verbs == (verb,)
    await site.ask("PUT", f"{BRIDGES}/{sid}", json={"action": "stop"})
    await until(lambda: told(site, sid)[-1] == "bridge_terminal")
    document = f"<Flow><JoinBridge>{sid}</JoinBridge></Flow>"
    late = await site.ask("POST", f"{LEGS}/leg00003/actions", json={"exoml": document})
    assert (late.status_code, late.json()["response"]["error_data"]["code"]) == (409, 1020)


async def test_a_bridge_of_another_account_is_not_there(site: Any) -> None:
    other = await site.store.accounts.create("Blue Leaf", sid="BlueLeaf1")
    key = await site.store.accounts.create_key(other.sid)
    sid = await made(site, "leg00001", "leg00002")
    path = f"/v2/accounts/BlueLeaf1/bridges/{sid}"
    answer = await site.ask("GET", path, auth=(key.key, key.token))
    assert answer.status_code == 404
    body = {"leg_sids": ["leg00001", "leg00002"]}
    stolen = await site.ask(
        "POST", "/v2/accounts/BlueLeaf1/bridges", json=body, auth=(key.key, key.token)
    )
    assert stolen.status_code == 404


async def test_a_key_that_may_only_read_changes_no_bridge(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002")
    key = await site.store.accounts.create_key(AccountSid("GreenLeaf1"), role="read-only")
    auth = (key.key, key.token)
    assert (await site.ask("GET", f"{BRIDGES}/{sid}", auth=auth)).status_code == 200
    for method, path in (("POST", ""), ("PUT", f"/{sid}"), ("POST", f"/{sid}/actions")):
        answer = await site.ask(method, BRIDGES + path, json={}, auth=auth)
        assert answer.status_code == 403


async def test_a_repeated_request_makes_one_bridge_lg_42(site: Any) -> None:
    legs = await up(site, "leg00001", "leg00002")
    how = {"json": {"leg_sids": legs}, "headers": {"Idempotency-Key": "once"}}
    sids = {(await site.ask("POST", BRIDGES, **how)).json()["bridge_sid"] for _ in range(2)}
    assert len(sids) == 1
    assert site.bridges.live == 1


async def test_the_events_of_a_bridge_are_bodies_of_the_documents_ev_18(site: Any) -> None:
    sid = await made(site, "leg00001", "leg00002", bridge_event_endpoint=HOOK)
    rows = [row for row in site.told if row.bridge_sid == sid]
    created = json.loads(rows[0].body)
    assert rows[0].endpoint == HOOK
    assert created["data"]["leg_sids"] == ["leg00001", "leg00002"]
    joined = json.loads(rows[1].body)
    assert joined["data"]["leg_sid"] == "leg00001"
