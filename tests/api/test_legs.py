"""Legs over HTTP: created, read, changed, ended, and what was told of them (LG-1 to LG-72)."""

import json
from typing import Any

import pytest

from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import AccountSid
from agentstream.flows.legs.verbs import Hangup
from agentstream.switch.leg_style import LegStyle

LEGS = "/v2/accounts/GreenLeaf1/legs"
LEG: dict[str, Any] = {
    "contact_uri": "02240000017",
    "exophone": "+918040000002",
    "leg_event_endpoint": "https://hooks.example.test/legs",
    "custom_param": "order-5531",
    "time_limit": 600,
    "timeout": 40,
    "setup_timeout": 10,
    "ring_timeout": 25,
    "requested_dc_code": "mum1",
    "requested_nso_code": "air",
    "priority": "high",
    "amd_enable": False,
}
HALF = json.dumps({**LEG, "custom_param": "half \ud800"}).encode()  # of a character


@pytest.mark.parametrize(
    ("flags", "amd"),
    [
        ({}, "off"),
        ({"amd_enable": True}, "sync"),
        ({"amd_enable": True, "async_amd": True}, "async"),
        ({"amd_enable": False, "async_amd": True}, "off"),
    ],
)
async def test_it_is_found_out_who_answers_when_that_is_wanted_lg_32_lg_33(
    site: Any, flags: dict[str, bool], amd: str
) -> None:
    plain = {name: value for name, value in LEG.items() if name != "amd_enable"}
    answer = await site.ask("POST", LEGS, json={**plain, **flags})
    assert answer.status_code == 202
    assert site.exchange.orders[0].amd == amd


async def test_a_leg_is_dialled_and_answered_with_all_that_any_page_prints_lg_20_lg_35(
    site: Any,
) -> None:
    answer = await site.ask("POST", LEGS, json=LEG)
    body = answer.json()
    [order] = site.exchange.orders
    assert answer.status_code == 202  # LG-36
    assert (order.destination, order.caller_id) == ("+912240000017", "+918040000002")
    assert (order.follow, order.ring_ms, order.call_ms) == (None, 40_000, 14_400_000)
    assert {name: body[name] for name in ("method", "http_code")} == {
        "method": "POST",
        "http_code": 202,
    }
    assert len(body["request_id"]) == 32
    assert body["response"] == {
        "code": 202,
        "status": "success",
        "error_data": None,
        "data": {
            "leg_sid": order.leg_sid,
            "created_at": "2027-01-12T10:04:05.000Z",  # LG-14
            "account_sid": "GreenLeaf1",
            "contact_uri": "02240000017",  # LG-43: as it was written
            "network_type": "pstn",
            "exophone": "+918040000002",
            "custom_param": "order-5531",
            "leg_event_endpoint": "https://hooks.example.test/legs",
            "requested_dc_code": "mum1",
            "requested_nso_code": "air",
        },
    }
    assert body["leg_sid"] == order.leg_sid  # LG-10


@pytest.mark.parametrize("leg_style", [LegStyle(flat_response=False)])
async def test_the_copies_beside_the_envelope_can_be_left_out_lg_10(site: Any) -> None:
    body = (await site.ask("POST", LEGS, json=LEG)).json()
    assert set(body) == {"request_id", "method", "http_code", "response"}


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"contact_uri": None}, 1001, "contact_uri"),
        ({"exophone": None}, 1001, "exophone"),
        ({"leg_event_endpoint": None}, 1001, "leg_event_endpoint"),
        ({"contact_uri": "nobody!"}, 1002, "contact_uri"),
        ({"exophone": "+919999999999"}, 1002, "exophone"),
        ({"leg_event_endpoint": "http://hooks.example.test"}, 1002, "allow_plain_http"),
        ({"leg_event_endpoint": "grpc://hooks.example.test/x"}, 1002, "a server, without a path"),
        ({"leg_event_endpoint": "ftp://hooks.example.test"}, 1002, "https, grpc, grpcs, wss or ws"),
        ({"leg_event_endpoint": "https://"}, 1002, "leg_event_endpoint"),
        ({"time_limit": 14_401}, 1002, "time_limit is a whole number from 1 to 14400"),
        ({"timeout": 0}, 1002, "timeout is a whole number from 1 to 600"),
        ({"setup_timeout": 601}, 1002, "setup_timeout"),
        ({"ring_timeout": "soon"}, 1002, "ring_timeout"),
        ({"custom_param": "ä" * 513}, 1002, "custom_param has 1026 bytes"),
        ({"priority": "urgent"}, 1002, "priority"),
        ({"amd_enable": "perhaps"}, 1002, "amd_enable"),
        ({"contact_uri": "sip:a@b.test", "network_type": "pstn"}, 1002, "network_type"),
    ],
)
async def test_a_field_that_is_wrong_is_named_lg_11_lg_39(
    site: Any, change: dict[str, Any], code: int, word: str
) -> None:
    wanted = {name: value for name, value in {**LEG, **change}.items() if value is not None}
    answer = await site.ask("POST", LEGS, json=wanted)
    error = answer.json()["response"]["error_data"]
    assert (answer.status_code, error["code"]) == (400, code)
    assert word in error["message"]
    assert not site.exchange.orders


async def test_a_sip_address_is_voip_lg_23_lg_38(site: Any) -> None:
    wanted = {**LEG, "contact_uri": "sip:Ann@phones.example.test", "exophone": "sip:08040000002@x"}
    body = (await site.ask("POST", LEGS, json=wanted)).json()
    assert body["response"]["data"]["network_type"] == "voip"
    assert site.exchange.orders[0].destination == "sip:Ann@phones.example.test"
    assert site.exchange.orders[0].caller_id == "+918040000002"  # LG-21


@pytest.mark.parametrize("leg_style", [LegStyle(infer_network_type=False)])
async def test_it_must_be_said_where_nothing_is_inferred_lg_38(site: Any) -> None:
    wanted = {**LEG, "contact_uri": "sip:ann@phones.example.test"}
    assert (await site.ask("POST", LEGS, json=wanted)).status_code == 400


@pytest.mark.parametrize("leg_style", [LegStyle(allow_plain_http=True)])
async def test_plain_http_is_taken_by_setting_ev_37(site: Any) -> None:
    wanted = {**LEG, "leg_event_endpoint": "http://127.0.0.1:9/legs"}
    assert (await site.ask("POST", LEGS, json=wanted)).status_code == 202


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, 1007),
        ({"content": b"[]", "headers": {"content-type": "application/json"}}, 400, 1007),
        ({"content": HALF, "headers": {"content-type": "application/json"}}, 400, 1007),
        ({"data": {"contact_uri": "1"}}, 415, 1011),
        ({"json": LEG, "auth": ("nobody", "wrong")}, 401, 1010),
        ({"json": {**LEG, "reference_leg_sid": "nothere1"}}, 404, 1000),
    ],
)
async def test_every_refusal_comes_in_the_envelope_lg_5_lg_7_lg_9_lg_11_lg_41(
    site: Any, how: dict[str, Any], status: int, code: int
) -> None:
    answer = await site.ask("POST", LEGS, **how)
    body = answer.json()
    assert answer.status_code == body["http_code"] == body["response"]["code"] == status
    assert body["response"]["status"] == "failure"
    assert body["response"]["data"] is None
    assert body["response"]["error_data"]["code"] == code
    assert body["response"]["error_data"]["description"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(CommandError("no road leads there"), 409, 1020), (BusyError("full"), 429, 1030)],
)
async def test_what_the_exchange_refuses_has_its_code_lg_11(
    site: Any, error: Exception, status: int, code: int
) -> None:
    site.exchange.error = error
    answer = await site.ask("POST", LEGS, json=LEG)
    assert (answer.status_code, answer.json()["response"]["error_data"]["code"]) == (status, code)


async def test_the_same_key_dials_once_lg_42(site: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = (await site.ask("POST", LEGS, json=LEG, headers=headers)).json()
    again = (await site.ask("POST", LEGS, json=LEG, headers=headers)).json()
    assert first["leg_sid"] == again["leg_sid"]
    assert len(site.exchange.orders) == 1
    other = await site.ask("POST", LEGS, json={**LEG, "timeout": 9}, headers=headers)
    assert other.status_code == 422


async def test_a_leg_is_read_as_it_stands_lg_50_lg_52(site: Any) -> None:
    sid = await site.begin_leg()
    site.clock.advance(2_000)
    site.tells(sid, "leg_answered")
    site.clock.advance(1_500)
    leg = (await site.ask("GET", f"{LEGS}/{sid}")).json()["response"]["data"]
    assert leg == {
        "leg_sid": sid,
        "account_sid": "GreenLeaf1",
        "call_sid": f"call-{sid}",
        "contact_uri": "+912240000017",
        "exophone": "08040000002",
        "caller_id": "08040000002",
        "direction": "outbound",  # LG-54
        "network_type": "pstn",
        "time_limit": 14_400,
        "state": "connected",
        "terminal_status": None,
        "date_created": "2027-01-12T10:04:05.000Z",
        "date_updated": "2027-01-12T10:04:07.000Z",
        "start_time": "2027-01-12T10:04:07.000Z",
        "end_time": None,
        "on_call_duration_ms": 1_500,
        "custom_param": "order-5531",
        "leg_event_endpoint": "https://***@hooks.example.test/legs",
        "requested_dc_code": None,
        "requested_nso_code": None,
    }


@pytest.mark.parametrize(
    "query",
    [
        "fields=hold_status,play_status",
        "hold_status&play_status=true&mute=1",
        "hold_status=1&play_status&gather_status=false",
    ],
)
async def test_runtime_sections_are_asked_for_in_either_form_lg_51_lg_55(
    site: Any, query: str
) -> None:
    sid = await site.begin_leg()
    site.tells(sid, "say_started")
    site.tells(sid, "hold_success")
    leg = (await site.ask("GET", f"{LEGS}/{sid}?{query}")).json()["response"]["data"]
    assert leg["additional_info"] == {"hold_status": "on_hold", "play_status": "saying"}
    wrong = await site.ask("GET", f"{LEGS}/{sid}?fields=mood")
    assert "mood" in wrong.json()["response"]["error_data"]["message"]


async def test_a_leg_of_somebody_else_is_none_lg_7(site: Any) -> None:
    sid = await site.begin_leg(account_sid=AccountSid("other"))
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/external-events")):
        answer = await site.ask(method, f"{LEGS}/{sid}{path}")
        assert (answer.status_code, answer.json()["response"]["error_data"]["code"]) == (404, 1000)


async def test_a_live_leg_can_be_changed_lg_61(site: Any) -> None:
    sid = await site.begin_leg()
    wanted = {"custom_param": "", "leg_event_endpoint": "stream:", "time_limit": 60}
    leg = (await site.ask("PUT", f"{LEGS}/{sid}", json=wanted)).json()["response"]["data"]
    assert (leg["custom_param"], leg["leg_event_endpoint"], leg["time_limit"]) == (
        None,
        "stream:",
        60,
    )
    terms = site.legs.views.find(sid).terms
    assert (terms.event_endpoint, terms.contact_uri) == ("stream:", "+912240000017")
    nothing = await site.ask("PUT", f"{LEGS}/{sid}", json={"mood": "good"})
    assert nothing.json()["response"]["error_data"]["code"] == 1001


async def test_put_and_delete_hang_up_lg_61_lg_62(site: Any) -> None:
    sid = await site.begin_leg()
    put = await site.ask("PUT", f"{LEGS}/{sid}", json={"action": "hangup"})
    delete = await site.ask("DELETE", f"{LEGS}/{sid}")
    assert (put.status_code, delete.status_code) == (200, 202)
    assert [act.verbs for act in site.legs.acts] == [(Hangup(),), (Hangup(),)]
    assert {act.leg_sid for act in site.legs.acts} == {sid}


async def test_an_ended_leg_is_read_from_its_row_and_deleted_in_peace_lg_53_lg_62(
    site: Any,
) -> None:
    sid = await site.begin_leg()
    site.tells(sid, "leg_terminated", data=(("terminal_status", "busy"),))
    site.legs.views.__init__(lambda _: None)  # as after a restart
    for method in ("GET", "DELETE"):
        answer = await site.ask(method, f"{LEGS}/{sid}")
        leg = answer.json()["response"]["data"]
        assert answer.status_code == 200
        assert (leg["state"], leg["terminal_status"]) == ("terminal", "busy")
    assert not site.legs.acts
    change = await site.ask("PUT", f"{LEGS}/{sid}", json={"time_limit": 60})
    assert (change.status_code, change.json()["response"]["error_data"]["code"]) == (409, 1020)


async def test_the_history_tells_what_was_told_lg_70_lg_71_lg_72(site: Any) -> None:
    sid = await site.begin_leg()
    site.clock.advance(250)
    site.tells(
        sid,
        "gather_success",
        action_sid="a1",
        custom="c",
        data=(("digits", "4711"),),
    )
    for path in ("external-events", "external_events"):
        answer = await site.ask("GET", f"{LEGS}/{sid}/{path}?event_name=gather_success")
        data = answer.json()["response"]["data"]
        [event] = data["external_events"]
        assert (data["sid"], data["event_type"], data["account_sid"]) == (
            sid,
            "leg_action_event",
            "GreenLeaf1",
        )
        assert (event["endpoint_response"], event["error"]) == (False, None)
        assert event["event_info"] == {
            "event_sid": event["event_info"]["event_sid"],
            "event_type": "leg_action_event",
            "event_name": "gather_success",
            "event_timestamp": {"seconds": 1_799_748_245, "nanos": 250_000_000},
            "action_sid": "a1",
            "action_custom_parameter": "c",
            "sequence": 2,
            "data": {"digits": "****"},
        }
    every = (await site.ask("GET", f"{LEGS}/{sid}/external-events")).json()
    assert len(every["external_events"]) == 2
