"""Calls in the style of the contact centre (V3-1 to V3-5, V3-8, AC-5)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.record import CallSetup, StatusCallback
from agentstream.store.values import LegRecord
from agentstream.switch.call_view import CallView
from agentstream.testing.records import a_call

URL = "/v3/accounts/GreenLeaf1/calls"
MINE = AccountSid("GreenLeaf1")
CALL: dict[str, Any] = {
    "from": {"user_contact_uri": "+919876500001"},
    "to": {"number": "+919876500002"},
    "virtual_number": "08040000002",
    "recording": True,
    "recording_channels": "dual",
    "wait_audio_url": "https://cdn.example/wait.wav",
    "max_time_limit": 600,
    "attempt_time_out": 20,
    "custom_field": "order-5531",
    "status_callback": [
        {"event": "terminal", "url": "https://hooks.example/cb"},
        {"event": "answered", "url": "https://hooks.example/cb"},
    ],
}


async def test_two_numbers_are_connected_v3_2_v3_3(site: Any) -> None:
    answer = await site.ask("POST", URL, json=CALL)
    body = answer.json()
    [order] = site.exchange.orders
    assert (order.destination, order.second) == ("+919876500001", "+919876500002")
    assert (order.ring_ms, order.call_ms, order.custom_field) == (20_000, 600_000, "order-5531")
    wanted = StatusCallback(
        "https://hooks.example/cb", frozenset({"terminal", "answered"}), is_json=True
    )
    assert order.callback == wanted
    dial = order.follow.applets["connect"]
    assert (dial.record, dial.recording_channels) == (True, "stereo")
    assert (body["method"], body["http_code"], len(body["request_id"])) == ("POST", 200, 32)
    assert body["response"] == {
        "code": 200,
        "status": "success",
        "error_data": None,
        "call_sid": "51e0b7c2d9f84a1bb6c3d2e1f0a90001",
        "call_state": "active",
        "call_status": None,
        "assigned_agent_details": {"user_id": None, "contact_uri": "+919876500001"},
        "customer_details": {"number": "+919876500002"},
        "virtual_number": "08040000002",
        "recording": True,
        "created_time": "2027-01-12 15:34:05+05:30",
    }
    older = {**CALL, "from": {"contact_uri": "+919876500001", "state_management": True}}
    assert (await site.ask("POST", URL, json=older)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code", "why"),
    [
        ({"from": {}}, 400, 1002, "from.user_contact_uri is missing"),
        ({"from": {"user_id": "u1"}}, 404, 10731, "There are no users here"),
        ({"to": {}}, 400, 1002, "to.number is missing"),
        ({"to": {"number": "sip:a@b"}}, 400, 1002, "to.number is a phone number"),
        ({"virtual_number": "?"}, 400, 1002, "virtual_number is no number"),
        ({"virtual_number": "09999999999"}, 400, 1002, "not a number of this account"),
        ({"attempt_time_out": 0}, 400, 1002, "attempt_time_out is a whole number"),
        (
            {"status_callback": [{"event": "ringing", "url": "https://h.example"}]},
            400,
            1002,
            "status_callback.event is terminal or answered",
        ),
        (
            {"status_callback": [{"url": "https://a.example"}, {"url": "https://b.example"}]},
            400,
            1002,
            "status_callback.url is given several times",
        ),
    ],
)
async def test_errors_come_in_the_envelope_v3_1_v3_8(
    site: Any, changes: dict[str, Any], status: int, code: int, why: str
) -> None:
    answer = await site.ask("POST", URL, json=CALL | changes)
    body = answer.json()
    assert (answer.status_code, body["http_code"]) == (status, status)
    response = body["response"]
    assert (response["code"], response["status"], response["data"]) == (status, "failure", None)
    assert response["error_data"]["code"] == code
    assert why in response["error_data"]["message"]


async def test_unknown_keys_and_calls_have_their_codes_v3_8(site: Any) -> None:
    unknown = await site.ask("GET", f"{URL}/none")
    assert unknown.json()["response"]["error_data"]["code"] == 10744
    wrong = await site.ask("GET", f"{URL}/none", auth=("x", "y"))
    assert wrong.json()["response"]["error_data"]["code"] == 1010
    assert wrong.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("legs", "status"),
    [
        (("completed", "completed"), "completed"),
        (("no-answer",), "from_leg_unanswered"),
        (("canceled",), "from_leg_cancelled"),
        (("failed",), "from_leg_no_dial"),
        (("completed", "busy"), "to_leg_unanswered"),
        (("completed", "failed"), "to_leg_no_dial"),
    ],
)
async def test_a_call_tells_which_party_was_not_reached_v3_4(
    site: Any, legs: tuple[str, ...], status: str
) -> None:
    row = a_call(
        "c1",
        account_sid=MINE,
        direction="outbound-api",
        phone_number="+918040000002",
        duration_ms=8_500,
        legs=tuple(
            LegRecord(sid=LegSid(word), direction="outbound-api", status=word) for word in legs
        ),
    )
    await site.store.calls.write([row])
    details = (await site.ask("GET", f"{URL}/c1")).json()["response"]["call_details"]
    assert (details["state"], details["status"]) == ("terminal", status)
    assert (details["direction"], details["virtual_number"]) == ("outbound-api", "+918040000002")
    assert details["end_time"] == "2027-01-12 15:35:05+05:30"
    assert details["total_duration"] == 9


async def test_live_calls_are_told_v3_4_ac_5(site: Any) -> None:
    now = site.clock.wall()
    setup = CallSetup(
        CallSid("aa"), MINE, "inbound", "+919876500001", "+918040000002", started_at=now
    )
    ringing = CallView(setup=setup, status="ringing", updated_at=now)
    later = now + timedelta(seconds=7)
    talking = replace(
        ringing,
        setup=replace(setup, call_sid=CallSid("bb")),
        status="in-progress",
        answered_at=now,
        updated_at=later,
        recording_url="https://house/recordings/r.mp3",
    )
    site.exchange.views = {CallSid("aa"): ringing, CallSid("bb"): talking}
    response = (await site.ask("GET", f"{URL}/active")).json()["response"]
    common = {
        "from": "+919876500001",
        "to": "+918040000002",
        "start_time": "2027-01-12T10:04:05Z",
    }
    assert response["total_active"] == 2
    assert response["active_calls"] == [
        {
            "call_sid": "aa",
            "status": "ringing",
            **common,
            "duration": 0,
            "recording_enabled": False,
        },
        {
            "call_sid": "bb",
            "status": "in-progress",
            **common,
            "duration": 7,
            "recording_enabled": True,
        },
    ]
    details = (await site.ask("GET", f"{URL}/aa")).json()["response"]["call_details"]
    assert (details["state"], details["status"]) == ("active", None)
    assert details["end_time"] == "1970-01-01 05:30:00+05:30"
