"""POST .../Calls/connect over HTTP: modes, spellings, answers and refusals (CC-5 to CC-64)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from structlog.testing import capture_logs

from agentstream.api.settings import ApiSettings
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import AccountSid
from agentstream.base.phone import NumberStyle
from agentstream.calls.commands import RecordingSpec
from agentstream.calls.record import StatusCallback
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.switch.placing import CallOrder

NUMBERS = {"From": "09876500001", "To": "09876500002", "CallerId": "08040000002"}
BOT = {
    "From": "+919876500001",
    "CallerId": "+918040000002",
    "StreamUrl": "wss://user:secret@bot.example.net/ws?sample-rate=16000",
    "StreamType": "bidirectional",
}
URL = "http://my.hosted.example/GreenLeaf1/exoml/start_voice/support"
FLOW = {"From": "09876500001", "CallerId": "08040000002", "Url": URL}
STRICT = pytest.mark.parametrize(
    "settings", [ApiSettings(is_strict=True, numbers=NumberStyle("", "91"))]
)


def ordered(site: Any) -> CallOrder:
    [order] = site.exchange.orders
    assert isinstance(order, CallOrder)
    return order


async def connect(site: Any, form: dict[str, Any], **how: Any) -> Any:
    return await site.ask("POST", "Calls/connect", data=form, **how)


async def test_two_numbers_are_connected_cc_20_cc_45(site: Any) -> None:
    answer = await connect(site, NUMBERS)
    assert answer.status_code == 200  # CC-57
    order = ordered(site)
    assert (order.destination, order.second) == ("+919876500001", "+919876500002")
    assert (order.caller_id, order.account.sid) == ("+918040000002", "GreenLeaf1")
    assert (order.ring_ms, order.call_ms) == (30_000, 14_400_000)
    assert order.follow is not None
    [applet] = order.follow.applets.values()
    assert isinstance(applet, ConnectSettings)
    assert applet.numbers == ["+919876500002"]
    sid = "51e0b7c2d9f84a1bb6c3d2e1f0a90001"
    assert answer.json() == {
        "Call": {
            "Sid": sid,
            "ParentCallSid": None,
            "DateCreated": "2027-01-12 15:34:05",  # CC-47: of India
            "DateUpdated": "2027-01-12 15:34:05",
            "AccountSid": "GreenLeaf1",
            "To": "09876500002",  # CC-52: as they were sent
            "From": "09876500001",
            "PhoneNumberSid": "08040000002",  # CC-49
            "Status": "in-progress",  # CC-50
            "StartTime": "2027-01-12 15:34:05",
            "EndTime": None,
            "Duration": None,
            "Price": None,
            "Direction": "outbound-api",  # CC-56
            "AnsweredBy": None,
            "ForwardedFrom": None,
            "CallerName": None,
            "Uri": f"/v1/Accounts/GreenLeaf1/Calls.json/{sid}",  # CC-48
            "RecordingUrl": None,
        }
    }


async def test_a_flow_is_entered_by_its_address_cc_21(site: Any) -> None:
    answer = await connect(site, FLOW)
    order = ordered(site)
    [flow] = await site.store.flows.list()
    assert (order.flow_sid, order.flow_version, order.second) == (flow.sid, 1, "")
    assert order.follow is not None
    assert order.follow.name == "support"
    assert answer.json()["Call"]["To"] is None  # CC-51, KX-3
    assert answer.json()["Call"]["From"] == "09876500001"  # CC-23


async def test_a_bot_is_dialled_directly_cc_22(site: Any) -> None:
    answer = await connect(site, {**BOT, "Record": "true", "RecordingChannels": "dual"})
    order = ordered(site)
    assert order.follow is not None
    [bot] = order.follow.applets.values()
    assert isinstance(bot, VoicebotSettings)
    assert bot.url == BOT["StreamUrl"]
    assert order.recording == RecordingSpec("mirrored", 14_400_000)  # RC-2
    assert answer.json()["Call"]["PhoneNumberSid"] == "+918040000002"
    assert "secret" not in answer.text


PATHS = ("/v1/Accounts/GreenLeaf1/Calls/connect", "/v1/accounts/greenleaf1/calls/CONNECT")
SUFFIXES = ("", ".json", ".xml", ".JSON", "/")
CASES: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper)
ARRAYS: tuple[list[tuple[str, str]], ...] = (
    [("StatusCallbackEvents[]", "terminal"), ("StatusCallbackEvents[]", "answered")],
    [("StatusCallbackEvents[0]", "terminal"), ("StatusCallbackEvents[1]", "answered")],
    [("StatusCallbackEvents", "terminal,answered")],
    [("StatusCallbackEvents", "terminal"), ("StatusCallbackEvents", "answered")],
    [("StatusCallbackEvents", "both")],
)


@pytest.mark.parametrize("encoding", ["form", "multipart", "json"])
@pytest.mark.parametrize(("path", "suffix"), list(product(PATHS, SUFFIXES)))
async def test_every_spelling_means_the_same(
    site: Any, path: str, suffix: str, encoding: str
) -> None:
    """CC-5, CC-6, CC-9, CC-10, CC-11: path case, suffix, parameter case, array style, encoding."""
    for case, array in product(CASES, ARRAYS):
        plain = {**NUMBERS, "StatusCallback": "https://hooks.example.net/cb?key=1"}
        pairs = [(case(name), text) for name, text in [*plain.items(), *array]]
        headers = {}
        if encoding == "json":
            grouped: dict[str, list[str]] = {}
            for name, text in pairs:
                grouped.setdefault(name, []).append(text)
            flat = {name: texts if texts[1:] else texts[0] for name, texts in grouped.items()}
            body: dict[str, Any] = {"json": flat}
        elif encoding == "multipart":
            body = {"files": [(name, (None, text)) for name, text in pairs]}
        else:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            body = {"content": urlencode(pairs)}
        site.exchange.orders.clear()
        answer = await site.ask("POST", path + suffix, headers=headers, **body)
        assert answer.status_code == 200, answer.text
        kind = "xml" if suffix == ".xml" else "json"
        assert answer.headers["content-type"] == f"application/{kind}"
        wanted = StatusCallback(
            "https://hooks.example.net/cb?key=1", frozenset({"terminal", "answered"})
        )
        assert ordered(site).callback == wanted
        assert ordered(site).second == "+919876500002"
        site.clock.advance(1_000)


async def test_the_answer_in_xml_has_the_same_names_cc_8_cc_55(site: Any) -> None:
    by_suffix = await site.ask("POST", "Calls/connect.xml?details=true", data=NUMBERS)
    root = ET.fromstring(by_suffix.text)  # noqa: S314  (our own answer)
    assert root.tag == "TwilioResponse"
    assert root.findtext("Call/From") == "09876500001"
    assert root.find("Call/ParentCallSid") is not None
    assert root.findtext("Call/ParentCallSid") == ""
    assert root.findtext("Call/Details/ConversationDuration") == "0"
    by_accept = await connect(site, NUMBERS, headers={"Accept": "text/xml"})
    assert by_accept.headers["content-type"] == "application/xml"


@STRICT
async def test_strict_servers_answer_without_suffix_in_xml_cc_7(site: Any) -> None:
    assert (await connect(site, NUMBERS)).headers["content-type"] == "application/xml"
    wrong = await connect(site, {})
    assert "<RestException><Status>400</Status><Message>From is missing" in wrong.text
    json = await site.ask("POST", "Calls/connect.json", data=NUMBERS)
    assert json.headers["content-type"] == "application/json"
    assert (await site.client.get("/health")).headers["content-type"] == "application/json"


async def test_details_are_told_when_asked_for_cc_13_cc_53(site: Any) -> None:
    answer = await site.ask("POST", "Calls/connect.json?details=true", data=NUMBERS)
    details = answer.json()["Call"]["Details"]
    assert details["ConversationDuration"] == 0
    assert (details["Leg1Status"], details["Leg2Status"], details["Legs"]) == (None, None, [])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"From": ""}, "From is missing"),
        ({"CallerId": ""}, "CallerId is missing"),
        ({"To": ""}, "To, Url or StreamUrl is missing"),
        ({"CallerId": "09999999999"}, "CallerId is not a number of this account"),  # CC-33
        ({"Url": URL, "StreamUrl": "wss://b.example/"}, "Url and StreamUrl exclude each other"),
        ({"Url": URL.replace("support", "nothing")}, "no published flow 'nothing'"),
        ({"Url": "https://elsewhere.example/calls.xml"}, "Url is the address of a flow"),
        ({"StreamUrl": "wss://b.example/{Who}"}, "'{Who}' is no variable"),
    ],
)
async def test_what_is_wrong_is_named_cc_24_cc_30(
    site: Any, changes: dict[str, str], why: str
) -> None:
    answer = await connect(site, NUMBERS | changes)
    assert answer.status_code == 400
    error = answer.json()["RestException"]
    assert error["Status"] == 400  # ER-1, ER-3
    assert why in error["Message"]
    assert set(error) == {"Status", "Message"}  # ER-2
    xml = await site.ask("POST", "Calls/connect.xml", data=NUMBERS | changes)
    assert ET.fromstring(xml.text).findtext("RestException/Status") == "400"  # noqa: S314
    assert site.exchange.orders == []


@pytest.mark.parametrize(
    "written",
    [
        "http://my.hosted.example/GreenLeaf1/exoml/start_voice/support",
        "https://my.hosted.example/GreenLeaf1/exoml/start_voice/support/",
        "http://my.hosted.example/exoml/start/support",  # the older one
        "http://my.hosted.example/OtherAccount/exoml/start_voice/support",
        "//my.hosted.example/GreenLeaf1/ExoML/start_voice/support?x=1",
        "/GreenLeaf1/exoml/start_voice/support",
        "support",
    ],
)
async def test_a_flow_is_named_in_every_form_af_1_kx_19(site: Any, written: str) -> None:
    answer = await connect(site, {**FLOW, "Url": written})
    assert answer.status_code == 200, answer.text
    assert ordered(site).follow is not None


@pytest.mark.parametrize("settings", [ApiSettings(takes_document_urls=True)])
async def test_by_setting_an_address_that_names_no_flow_brings_documents_kx_9_xr_1(
    site: Any,
) -> None:
    url = "https://crm.example/ivr?key=s3cret"
    answer = await connect(site, {**FLOW, "Url": url, "From": "+919876500001"})
    assert answer.status_code == 200, answer.text
    order = ordered(site)
    assert order.follow is not None
    assert order.follow.applets == {"ivr": ExomlSettings(url=url)}
    assert (order.flow_sid, order.flow_version) == (None, 0)
    wrong = await connect(site, {**FLOW, "Url": "ftp://crm.example/ivr"})
    assert "Url: field 'url': must begin with https://" in wrong.json()["RestException"]["Message"]


@STRICT
async def test_strict_servers_check_whose_flow_an_address_names_af_1(site: Any) -> None:
    own = URL.replace("GreenLeaf1", "greenleaf1")
    assert (await connect(site, {**FLOW, "Url": own})).status_code == 200
    other = URL.replace("GreenLeaf1", "Other")
    assert "another account's flow" in (await connect(site, {**FLOW, "Url": other})).text


async def test_a_draft_is_not_callable_af_3(site: Any) -> None:
    text = "version: 1\nname: d\nstart: a\napplets: {a: {type: hangup}}\n"
    await site.store.flows.apply(AccountSid("GreenLeaf1"), "draft", text)
    answer = await connect(site, {**FLOW, "Url": URL.replace("support", "draft")})
    assert "no published flow 'draft'" in answer.text


@pytest.mark.parametrize(
    "written", ["08040000002", "+918040000002", "918040000002", "80 4000 0002", "0091-8040000002"]
)
async def test_a_caller_id_is_matched_by_its_digits_cc_33_kx_20(site: Any, written: str) -> None:
    answer = await connect(site, {**NUMBERS, "CallerId": written})
    assert answer.status_code == 200, answer.text
    assert ordered(site).caller_id == "+918040000002"
    assert answer.json()["Call"]["PhoneNumberSid"] == written


async def test_numbers_of_others_are_no_caller_id_even_for_the_owner_of_every_number(
    site: Any,
) -> None:
    other = await site.store.accounts.create("Other", sid="other")
    flow = await site.store.flows.apply(other.sid, "f", "x", publish=True)
    await site.store.numbers.assign("08040000009", other.sid, flow.sid)
    refused = await connect(site, {**NUMBERS, "CallerId": "08040000009"})
    assert refused.status_code == 400
    [own] = await site.store.flows.list(AccountSid("GreenLeaf1"))
    await site.store.numbers.assign("*", AccountSid("GreenLeaf1"), own.sid)
    still = await connect(site, {**NUMBERS, "CallerId": "08040000009"})
    assert still.status_code == 400
    free = await connect(site, {**NUMBERS, "CallerId": "08040000007"})
    assert free.status_code == 200


async def test_a_sip_address_may_be_dialled_first(site: Any) -> None:
    await connect(site, {**NUMBERS, "From": "sip:Ann@pbx.example.net"})
    assert ordered(site).destination == "sip:Ann@pbx.example.net"


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (
            ApiSettings(number_format="e164", numbers=NumberStyle("", "91")),
            ["+919876500001", "+919876500002", "+918040000002"],
        ),
        (
            ApiSettings(number_format="national0", numbers=NumberStyle("", "91")),
            ["09876500001", "09876500002", "08040000002"],
        ),
    ],
)
async def test_numbers_may_come_back_in_one_form_kx_4(site: Any, numbers: list[str]) -> None:
    mixed = {**NUMBERS, "From": "+919876500001"}
    call = (await connect(site, mixed)).json()["Call"]
    assert [call["From"], call["To"], call["PhoneNumberSid"]] == numbers


@pytest.mark.parametrize(
    "settings", [ApiSettings(flow_call_to="exophone", numbers=NumberStyle("", "91"))]
)
async def test_a_flow_call_may_name_the_exophone_kx_3(site: Any) -> None:
    assert (await connect(site, FLOW)).json()["Call"]["To"] == "08040000002"


async def test_what_the_switch_refuses_has_its_status_cc_64_er_8(site: Any) -> None:
    site.exchange.error = BusyError("2000 calls are live")
    busy = await connect(site, NUMBERS)
    error = busy.json()["RestException"]
    assert (busy.status_code, error["Message"]) == (429, "2000 calls are live")
    assert error["Code"] == "CAPACITY_EXCEEDED"
    assert busy.headers["retry-after"] == "5"
    site.exchange.error = CommandError("no trunk for numbers")
    assert (await connect(site, NUMBERS)).status_code == 409


async def test_a_call_that_is_not_on_its_way_in_time_is_504_cc_38(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def place(_order: CallOrder) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr("agentstream.api.v1.connect.PLACE_MS", 10)
    monkeypatch.setattr(site.exchange, "place", place)
    assert (await connect(site, NUMBERS)).status_code == 504


async def test_a_dry_run_places_nothing_and_says_what_it_would_oc_9(site: Any) -> None:
    form = {**BOT, "To": "09876500002", "CustomField": "x" * 200, "StatusCallbackEvents": "both"}
    answer = await site.ask("POST", "Calls/connect?simulate=true", data=form)
    shown = answer.json()["Simulation"]
    assert site.exchange.orders == []
    assert (shown["Mode"], shown["From"], shown["To"]) == ("bot", "+919876500001", None)
    assert shown["StreamUrl"] == "wss://***@bot.example.net/ws?sample-rate=16000"
    assert len(shown["CustomField"]) == 128
    assert [warning.split()[0] for warning in shown["Warnings"]] == [
        "To",
        "CustomField",
        "StatusCallbackEvents",
    ]
    xml = await site.ask("POST", "Calls/connect.xml?simulate=1", data=form)
    assert xml.text.count("<Warning>") == 3


@pytest.mark.parametrize(
    ("written", "amd"), [("sync", "sync"), ("Async", "async"), ("off", "off"), ("", "off")]
)
async def test_it_may_be_asked_who_answers_oc_5(site: Any, written: str, amd: str) -> None:
    form = {**FLOW, "MachineDetection": written}
    dry = await site.ask("POST", "Calls/connect?simulate=true", data=form)
    assert dry.json()["Simulation"]["MachineDetection"] == amd
    await connect(site, form)
    assert ordered(site).amd == amd


async def test_another_way_of_asking_who_answers_is_refused_by_name(site: Any) -> None:
    answer = await connect(site, {**FLOW, "MachineDetection": "Enable"})
    said = answer.json()["RestException"]["Message"]
    assert (answer.status_code, said) == (400, "MachineDetection is one of off, sync, async")


async def test_a_warning_is_logged_with_its_call(site: Any) -> None:
    with capture_logs() as logs:
        await connect(site, {**FLOW, "To": "09876500002"})
    [warned] = [log for log in logs if log["event"] == "connect_request"]
    assert warned["call_sid"] == "51e0b7c2d9f84a1bb6c3d2e1f0a90001"
    assert warned["text"].startswith("To is ignored")


async def test_the_same_key_has_the_first_result_oc_6(site: Any) -> None:
    key = {"Idempotency-Key": "order-5531"}
    first = await connect(site, NUMBERS, headers=key)
    again = await connect(site, NUMBERS, headers=key)
    assert first.json() == again.json()
    assert len(site.exchange.orders) == 1
    other = await connect(site, {**NUMBERS, "To": "09876500003"}, headers=key)
    assert (other.status_code, "other parameters" in other.text) == (422, True)
    site.clock.advance(86_400_000)
    await connect(site, NUMBERS, headers=key)
    assert len(site.exchange.orders) == 2


async def test_a_server_that_places_no_calls_says_so(site: Any) -> None:
    app = site.client._transport.app
    app.state.doors = replace(
        app.state.doors, telephony=replace(app.state.doors.telephony, dialling=None)
    )
    answer = await connect(site, NUMBERS)
    assert (answer.status_code, "places no calls" in answer.text) == (503, True)
