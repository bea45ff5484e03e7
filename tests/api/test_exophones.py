"""The account, its numbers, and who may ask (CD-10, CD-13, AF-20, AF-21)."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from agentstream.api.settings import ApiSettings
from agentstream.base.ids import AccountSid
from agentstream.base.phone import NumberStyle

BETA = "/v2_beta/Accounts/GreenLeaf1/IncomingPhoneNumbers"


@pytest.mark.parametrize("path", ["", ".json", ".xml", "/"])
async def test_an_account_answers_for_a_good_key_only_cd_10(site: Any, path: str) -> None:
    url = f"/v1/Accounts/GreenLeaf1{path}"
    good = await site.ask("GET", url)
    assert good.status_code == 200
    assert "Green Leaf" in good.text
    assert (await site.ask("GET", url, auth=("x", "y"))).status_code == 401
    assert (await site.ask("GET", f"/v1/Accounts/nobody{path}")).status_code == 404


async def test_the_balance_is_a_constant_cd_13(site: Any) -> None:
    assert (await site.ask("GET", "Balance.json")).json() == {
        "Account": {
            "AccountSid": "GreenLeaf1",
            "BalanceData": {
                "Balance": "0.00",
                "Currency": "INR",
                "PricingPlan": "Self Hosted",
                "DateUpdated": "2027-01-12 15:34:05",
            },
        }
    }


async def test_a_key_may_come_as_a_bearers(site: Any) -> None:
    headers = {"Authorization": f"Bearer {site.key.key}:{site.key.token}"}
    good = await site.client.get("/v1/Accounts/GreenLeaf1", headers=headers)
    assert good.status_code == 200
    for wrong in (f"Bearer {site.key.key}:x", f"Bearer {site.key.token}", "Bearer :", "Bearer"):
        answer = await site.client.get("/v1/Accounts/GreenLeaf1", headers={"Authorization": wrong})
        assert answer.status_code == 401


async def test_numbers_are_told_as_users_write_them_af_20(site: Any) -> None:
    answer = await site.ask("GET", "IncomingPhoneNumbers.json")
    [one] = answer.json()["IncomingPhoneNumbers"]
    number = one["IncomingPhoneNumber"]
    assert number["PhoneNumber"] == "08040000002"  # verbatim what is put into CallerId
    form = {"From": "09876500001", "To": "09876500002", "CallerId": number["PhoneNumber"]}
    assert (await site.ask("POST", "Calls/connect.json?details=true", data=form)).status_code == 200
    root = ET.fromstring((await site.ask("GET", "IncomingPhoneNumbers.xml")).text)  # noqa: S314
    path = "IncomingPhoneNumbers/IncomingPhoneNumber/PhoneNumber"
    assert [found.text for found in root.findall(path)] == ["08040000002"]


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (ApiSettings(number_format="e164", numbers=NumberStyle("", "91")), "+918040000002"),
        (ApiSettings(numbers=NumberStyle("e164", "91")), "+918040000002"),
        (ApiSettings(), "+918040000002"),
    ],
)
async def test_numbers_may_be_told_in_e164_by_setting(site: Any, shown: str) -> None:
    [one] = (await site.ask("GET", "IncomingPhoneNumbers")).json()["IncomingPhoneNumbers"]
    assert one["IncomingPhoneNumber"]["PhoneNumber"] == shown


async def test_every_other_number_is_not_shown_as_one(site: Any) -> None:
    [flow] = await site.store.flows.list()
    await site.store.numbers.assign("*", AccountSid("GreenLeaf1"), flow.sid)
    assert len((await site.ask("GET", BETA)).json()["incoming_phone_numbers"]) == 1
    assert (await site.ask("GET", f"{BETA}/08040000007")).status_code == 404


@pytest.mark.parametrize("sid", ["918040000002", "+918040000002", "08040000002"])
async def test_a_number_is_read_by_its_sid_af_21(site: Any, sid: str) -> None:
    [flow] = await site.store.flows.list()
    assert (await site.ask("GET", f"{BETA}/{sid}")).json() == {
        "sid": "918040000002",
        "phone_number": "+918040000002",
        "friendly_name": "+918040000002",
        "voice_url": f"/GreenLeaf1/exoml/start_voice/{flow.sid}",
        "leg_event_endpoint": None,
        "leg_answer_mode": "auto",
        "sms_url": None,
        "capabilities": {"voice": True, "sms": False},
        "country": None,
        "region": None,
    }


async def test_a_number_is_given_another_flow_and_released_af_21(site: Any) -> None:
    text = "version: 1\nname: d\nstart: a\napplets: {a: {type: hangup}}\n"
    other = await site.store.flows.apply(AccountSid("GreenLeaf1"), "other", text, publish=True)
    url, target = f"{BETA}/918040000002", "https://my.hosted.example/exoml/start/other"
    changed = await site.ask("PUT", url, data={"voiceurl": target})
    assert changed.json()["voice_url"].endswith(other.sid)
    [number] = await site.store.numbers.list()
    assert number.flow_sid == other.sid
    wrong = await site.ask("PUT", url, data={"VoiceUrl": "https://x.example/exoml/start/none"})
    assert (wrong.status_code, "VoiceUrl: this account has no" in wrong.text) == (400, True)
    assert (await site.ask("PUT", url, data={"FriendlyName": "x"})).status_code == 400
    assert (await site.ask("DELETE", url)).status_code == 200
    assert await site.store.numbers.list() == []
    assert (await site.ask("DELETE", url)).status_code == 404


async def test_a_number_is_attached_to_an_endpoint_and_taken_back_af_21_lg_114(site: Any) -> None:
    url, target = f"{BETA}/918040000002", "https://u:pw@hooks.example.test/legs"
    wanted = {"leg_event_endpoint": target, "leg_answer_mode": "manual"}
    shown = (await site.ask("PUT", url, data=wanted)).json()
    assert (shown["voice_url"], shown["leg_answer_mode"]) == (None, "manual")
    assert shown["leg_event_endpoint"] == "https://***@hooks.example.test/legs"
    [number] = await site.store.numbers.list()
    assert (number.flow_sid, number.event_endpoint) == (None, target)
    [flow] = await site.store.flows.list()
    voice = {"VoiceUrl": f"https://x.example/exoml/start_voice/{flow.sid}"}
    both = await site.ask("PUT", url, data={**wanted, **voice})
    plain = await site.ask("PUT", url, data={"leg_event_endpoint": "http://hooks.example.test"})
    assert (both.status_code, plain.status_code) == (400, 400)
    assert (await site.ask("PUT", url, data=voice)).json()["leg_event_endpoint"] is None
