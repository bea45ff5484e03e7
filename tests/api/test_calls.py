"""Calls over HTTP: read, listed, hung up and led elsewhere (CD-1 to CD-9, OC-1)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from agentstream.api.doors import RecordingDoor
from agentstream.api.settings import ApiSettings
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.base.phone import NumberStyle
from agentstream.calls.answering import Answerer, Verdict
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.calls.record import CallSetup
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.store.values import CallRecord, LegRecord
from agentstream.switch.call_view import CallView, LegView
from agentstream.testing.records import a_call, a_recording

MINE = AccountSid("GreenLeaf1")
LIVE = CallSid("aa11")
START = a_call("x").created_at


ENDED = a_call(
    "c1",
    account_sid=MINE,
    direction="outbound-api",
    to_number="+919876500002",
    phone_number="+918040000002",
    duration_ms=20_001,
    custom_field="order-5531",
    detail="the caller hung up",
    sip_status=200,
    q850=16,
    legs=tuple(
        LegRecord(sid=LegSid(sid), direction="outbound-api", status="completed", talk_ms=talk_ms)
        for sid, talk_ms in (("l1", 20_001), ("l2", 8_000))
    ),
)


def a_view(sid: str = LIVE, **changes: Any) -> CallView:
    setup = CallSetup(
        call_sid=CallSid(sid),
        account_sid=MINE,
        direction="outbound",
        from_number="+919876500009",
        to_number="+918040000002",
        started_at=START + timedelta(hours=1),
        phone_number="+918040000002",
    )
    view = CallView(
        setup=setup,
        status="in-progress",
        updated_at=START + timedelta(hours=1, seconds=9),
        answered_at=START + timedelta(hours=1, seconds=4),
        legs=(LegView(LegSid("l1"), "in-progress", 5_000),),
        talk_ms=5_000,
    )
    return replace(view, **changes)


@pytest.fixture
async def house(site: Any) -> Any:
    """Give a site with a live call, and one that has ended."""
    await site.store.calls.write([ENDED])
    site.exchange.views[LIVE] = a_view()
    site.calls.owners[LIVE] = MINE
    return site


async def test_a_call_that_has_ended_is_told_at_once_cd_2_cd_4_up_6(house: Any) -> None:
    call = (await house.ask("GET", "Calls/c1.json")).json()["Call"]
    assert call == {
        "Sid": "c1",
        "ParentCallSid": None,
        "DateCreated": "2027-01-12 15:34:05",
        "DateUpdated": "2027-01-12 15:35:05",
        "AccountSid": "GreenLeaf1",
        "To": "+919876500002",
        "From": "+919876500001",
        "PhoneNumberSid": "+918040000002",
        "Status": "completed",
        "StartTime": "2027-01-12 15:34:05",
        "EndTime": "2027-01-12 15:35:05",
        "Duration": "21",
        "Price": "0.000",
        "Direction": "outbound-api",
        "AnsweredBy": None,
        "ForwardedFrom": None,
        "CallerName": None,
        "Uri": "/v1/Accounts/GreenLeaf1/Calls.json/c1",
        "RecordingUrl": None,
        "CustomField": "order-5531",
    }


async def test_the_uri_of_a_call_can_be_asked_for_cc_48(house: Any) -> None:
    uri = (await house.ask("GET", "Calls/c1")).json()["Call"]["Uri"]
    assert (await house.ask("GET", uri)).json()["Call"]["Sid"] == "c1"


async def test_details_tell_each_leg_and_why_it_ended_cd_3_up_3(house: Any) -> None:
    answer = await house.ask("GET", "Calls/c1?details=true")
    assert answer.json()["Call"]["Details"] == {
        "ConversationDuration": 8,
        "Leg1Status": "completed",
        "Leg2Status": "completed",
        "Legs": [
            {"Leg": {"Id": 1, "OnCallDuration": 21}},
            {"Leg": {"Id": 2, "OnCallDuration": 8}},
        ],
        "Cause": {"Reason": "normal", "Text": "the caller hung up", "SipStatus": 200, "Q850": 16},
    }
    xml = (await house.ask("GET", "Calls/c1.xml?Details=1")).text
    legs = ET.fromstring(xml).findall("Call/Details/Legs/Leg")  # noqa: S314  (our own answer)
    assert [one.findtext("OnCallDuration") for one in legs] == ["21", "8"]


async def test_it_is_told_who_answered_where_somebody_asked_oc_5_kx_12(house: Any) -> None:
    leg = LegRecord(
        sid=LegSid("l1"),
        direction="outbound-api",
        status="completed",
        talk_ms=20_001,
        answered_by="machine",
        judged_ms=2_100,
        beep_ms=9_120,
    )
    await house.store.calls.write([replace(ENDED, sid=CallSid("c2"), legs=(leg,))])
    ended = (await house.ask("GET", "Calls/c2?details=true")).json()["Call"]
    assert ended["AnsweredBy"] == "Machine"
    shown = {"Id": 1, "OnCallDuration": 21, "AnsweredBy": "Machine"}
    [told] = ended["Details"]["Legs"]
    assert told == {"Leg": shown | {"JudgedAfterMs": 2_100, "BeepAfterMs": 9_120}}
    words: dict[Answerer, str] = {"human": "Human", "unknown": "NotSure"}
    for answerer, word in words.items():
        view = LegView(LegSid("l1"), "in-progress", 5_000, None, Verdict(answerer, 900, "pause"))
        house.exchange.views[LIVE] = a_view(legs=(view,))
        live = (await house.ask("GET", f"Calls/{LIVE}?details=true")).json()["Call"]
        assert live["AnsweredBy"] == word
        assert live["Details"]["Legs"][0]["Leg"]["BeepAfterMs"] is None


async def test_a_leg_is_told_with_its_dialog_and_its_audio_sd_6(house: Any) -> None:
    """SD-6: ours, beside what is ours already, of calls that have ended; XML has it too."""
    leg = LegRecord(
        sid=LegSid("l1"),
        direction="inbound",
        status="completed",
        ended_by="caller",
        sip_call_id="one@host",
        q850=16,
        codec="PCMA",
        srtp="AES_CM_128_HMAC_SHA1_80",
        packets_received=1_000,
        packets_sent=1_010,
        packets_lost=2,
        jitter_ms=1.234,
        mos=4.312,
        first_in_ms=140,
    )
    await house.store.calls.write([replace(ENDED, sid=CallSid("c2"), legs=(leg,))])
    call = (await house.ask("GET", "Calls/c2?details=true")).json()["Call"]
    assert call["Details"]["Legs"][0]["Leg"]["Sip"] == {
        "LegSid": "l1",
        "CallId": "one@host",
        "Status": None,
        "Q850": 16,
        "EndedBy": "caller",
        "Codec": "PCMA",
        "Srtp": "AES_CM_128_HMAC_SHA1_80",
        "PacketsReceived": 1_000,
        "PacketsSent": 1_010,
        "PacketsLost": 2,
        "JitterMs": 1.2,
        "RoundTripMs": 0.0,
        "Mos": 4.31,
        "FirstAudioInMs": 140,
        "FirstAudioOutMs": None,
    }
    xml = (await house.ask("GET", "Calls/c2.xml?Details=1")).text
    assert "<CallId>one@host</CallId>" in xml


async def test_a_live_call_is_told_as_it_stands(house: Any) -> None:
    call = (await house.ask("GET", f"Calls/{LIVE.upper()}?details=true")).json()["Call"]
    assert (call["Status"], call["EndTime"], call["Duration"]) == ("in-progress", None, None)
    assert call["To"] is None  # KX-3: no second number
    assert call["Details"]["ConversationDuration"] == 5


async def test_what_is_left_of_a_call_is_told_until_its_row_is_written(house: Any) -> None:
    ended = START + timedelta(hours=2)
    house.exchange.views[LIVE] = a_view(status="completed", ended_at=ended, cause=Cause.NORMAL)
    assert (await house.ask("GET", f"Calls/{LIVE}")).json()["Call"]["Status"] == "completed"
    await house.store.calls.write([a_call(LIVE, account_sid=MINE, status="failed")])
    assert (await house.ask("GET", f"Calls/{LIVE}")).json()["Call"]["Status"] == "failed"


async def test_unknown_calls_and_those_of_others_are_404_cd_5(house: Any) -> None:
    await house.store.calls.write([a_call("other", account_sid=AccountSid("other"))])
    house.exchange.views[CallSid("bb")] = a_view(
        "bb", setup=replace(a_view("bb").setup, account_sid=AccountSid("other"))
    )
    for sid in ("none", "other", "bb"):
        answer = await house.ask("GET", f"Calls/{sid}.xml")
        assert answer.status_code == 404
        assert f"There is no call {sid}" in answer.text
    assert (await house.ask("DELETE", "Calls/other")).status_code == 404


class Shelf:
    """Gives links without files."""

    class Urls:
        def url_for(self, sid: str, now_s: int, *, seconds: int | None = None) -> str:
            return f"https://house/recordings/{sid}.mp3?at={now_s}&seconds={seconds}"

    urls = Urls()

    def now_s(self) -> int:
        return 7


async def test_recordings_have_a_link_that_works_as_long_as_wanted_cd_1(house: Any) -> None:
    app = house.client._transport.app
    shelf: Any = Shelf()

    async def delete(_row: object) -> None:
        raise AssertionError

    door = RecordingDoor(shelf, house.store.recordings, delete)
    app.state.doors = replace(app.state.doors, recordings=door)
    early = a_recording("r1", "c1", account_sid=MINE, created_at=START)
    late = a_recording("r2", "c1", account_sid=MINE, created_at=START + timedelta(seconds=9))
    gone = a_recording("r0", "c1", account_sid=MINE, created_at=START, state="deleted")
    await house.store.calls.write([late, early, gone])
    plain = (await house.ask("GET", "Calls/c1")).json()["Call"]["RecordingUrl"]
    assert plain == "https://house/recordings/r2.mp3?at=7&seconds=None"
    listed = (await house.ask("GET", "Calls?RecordingUrlValidity=5&Sid=c1")).json()["Calls"]
    assert [one["RecordingUrl"] for one in listed] == [plain.replace("None", "300")]
    for minutes in ("4", "61", "x"):
        wrong = await house.ask("GET", f"Calls/c1?RecordingUrlValidity={minutes}")
        assert (wrong.status_code, "from 5 to 60" in wrong.text) == (400, True)


def rows() -> list[CallRecord]:
    """Return seven calls, a minute apart from half past three in the afternoon, Indian time."""
    kinds: list[dict[str, Any]] = [
        {"status": "busy", "duration_ms": 0},
        {"from_number": "+14155550100", "duration_ms": 9_001},
        {"to_number": "+918040000009", "duration_ms": 30_000},
        {"direction": "outbound-api", "phone_number": "+918040000009", "duration_ms": 45_000},
        {"direction": "outbound", "duration_ms": 45_001},
        {"duration_ms": 29_001},
        {"status": "failed", "duration_ms": 60_000},
    ]
    first = START.replace(hour=10, minute=0, second=0, microsecond=123)
    return [
        a_call(f"c{n}", account_sid=MINE, created_at=first + timedelta(minutes=n), **kind)
        for n, kind in enumerate(kinds)
    ]


@pytest.fixture
async def past(site: Any) -> Any:
    await site.store.calls.write([*rows(), a_call("z", account_sid=AccountSid("other"))])
    return site


async def listed(site: Any, query: str) -> list[str]:
    answer = await site.ask("GET", f"Calls.json?{query}")
    assert answer.status_code == 200, answer.text
    return [call["Sid"] for call in answer.json()["Calls"]]


@pytest.mark.parametrize(
    ("query", "sids"),
    [
        ("", "c6 c5 c4 c3 c2 c1 c0"),
        ("SortBy=DateCreated:asc", "c0 c1 c2 c3 c4 c5 c6"),
        ("PageSize=2", "c6 c5"),
        ("Sid=c1,c5, none", "c5 c1"),
        ("Status=busy,failed", "c6 c0"),
        ("status=BUSY", "c0"),
        ("Direction=outbound-api", "c4 c3"),
        ("From=%2B14155550100", "c1"),
        ("From=+14155550100", "c1"),  # a plus that came as a blank
        ("From=14155550100,09876500001", "c6 c5 c4 c3 c2 c1 c0"),
        ("To=08040000009", "c2"),
        ("PhoneNumber=08040000009", "c3 c2"),
        ("Duration=gte:10s;lte:45s", "c5 c3 c2 c1"),
        ("Duration=eq:30s", "c5 c2"),
        ("Duration=gt:45", "c6 c4"),
        ("Duration=lt:10", "c0"),
        ("Price=gte:0.10;lte:1.0", ""),
        ("Price=eq:0", "c6 c5 c4 c3 c2 c1 c0"),
        ("DateCreated=gte:2027-01-12 15:31:00;lte:2027-01-12 15:33:00", "c3 c2 c1"),
        ("DateCreated=gt:2027-01-12 15:31:00;lt:2027-01-12 15:33:00", "c2"),
        ("DateCreated=eq:2027-01-12 15:34:00", "c4"),
        ("DateCreated=lte:2027-01-11", ""),
        ("DateCreated=gte:2027-01-12", "c6 c5 c4 c3 c2 c1 c0"),
        ("DateCreated=gte:2027-01-12T10:05:00Z", "c6 c5"),
    ],
)
async def test_calls_are_filtered_cd_6(past: Any, query: str, sids: str) -> None:
    assert await listed(past, query) == sids.split()


async def test_a_semicolon_may_come_raw_or_encoded_cd_9_up_15(past: Any) -> None:
    text = "gte:2027-01-12 15:31:00;lte:2027-01-12 15:33:00"
    raw = f"DateCreated={text.replace(' ', '+')}"
    assert await listed(past, raw) == ["c3", "c2", "c1"]
    assert await listed(past, f"DateCreated={quote(text, safe='')}") == ["c3", "c2", "c1"]


@pytest.mark.parametrize("settings", [ApiSettings(numbers=NumberStyle("national0", "91"))])
async def test_numbers_read_later_are_in_the_servers_form(past: Any) -> None:
    [call] = (await past.ask("GET", "Calls?Sid=c2")).json()["Calls"]
    assert (call["From"], call["To"]) == ("09876500001", "08040000009")


@pytest.mark.parametrize(
    "query",
    [
        "Status=ended",
        "Direction=sideways",
        "DateCreated=2027-01-01",
        "DateCreated=gte:yesterday",
        "DateCreated=lte:9999-12-31T23:59:59Z",
        "Duration=gte:long",
        "Price=gte:much",
        "Price=eq:nan",
        "PageSize=0",
        "PageSize=101",
        "SortBy=Price",
        "After=somewhere",
        "Before=99999999999999999-" + "a" * 65,
        "From=1,2,3,4,5,6",
        "RecordingUrlValidity=1",
    ],
)
async def test_a_filter_that_cannot_be_meant_is_named(past: Any, query: str) -> None:
    answer = await past.ask("GET", f"Calls?{query}")
    assert answer.status_code == 400
    assert answer.json()["RestException"]["Message"].startswith(query.partition("=")[0])


@pytest.mark.parametrize("sort", ["desc", "asc"])
async def test_pages_are_turned_both_ways_cd_6_cd_7(past: Any, sort: str) -> None:
    base = "/v1/Accounts/GreenLeaf1/Calls.json"
    query = f"PageSize=3&SortBy=DateCreated%3A{sort}&From=09876500001"
    expected = ["c6", "c5", "c4", "c3", "c2", "c0"]
    wanted = expected if sort == "desc" else expected[::-1]
    first = (await past.ask("GET", f"{base}?{query}")).json()
    assert first["Metadata"]["Total"] == 6
    assert first["Metadata"]["PageSize"] == 3
    assert first["Metadata"]["FirstPageUri"] == f"{base}?{query}"
    assert first["Metadata"]["PrevPageUri"] is None
    assert [call["Sid"] for call in first["Calls"]] == wanted[:3]
    second = (await past.ask("GET", first["Metadata"]["NextPageUri"])).json()
    assert [call["Sid"] for call in second["Calls"]] == wanted[3:]
    assert second["Metadata"]["NextPageUri"] is None
    back = (await past.ask("GET", second["Metadata"]["PrevPageUri"])).json()
    assert back["Calls"] == first["Calls"]
    assert back["Metadata"]["PrevPageUri"] is None
    assert back["Metadata"]["NextPageUri"] == first["Metadata"]["NextPageUri"]
    both = await past.ask("GET", f"{base}?After=1-a&Before=1-a")
    assert both.status_code == 400


async def test_live_calls_and_those_without_a_row_are_in_the_list_where_they_belong_up_6(
    past: Any,
) -> None:
    past.exchange.views[LIVE] = a_view()
    late = START + timedelta(hours=2)
    # The row of the first is there already, that of the second is not.
    past.exchange.views[CallSid("c6")] = a_view("c6", status="completed", ended_at=late)
    past.exchange.views[CallSid("ab")] = a_view("ab", status="completed", ended_at=late)
    body = (await past.ask("GET", "Calls?PageSize=3")).json()
    assert [call["Sid"] for call in body["Calls"]] == ["ab", LIVE, "c6"]
    assert body["Metadata"]["Total"] == 9
    [live] = (await past.ask("GET", "Calls?Status=in-progress&Sid=aa11")).json()["Calls"]
    assert (live["Sid"], live["Status"]) == (LIVE, "in-progress")


async def test_a_list_in_xml_has_the_same_names(past: Any) -> None:
    root = ET.fromstring((await past.ask("GET", "Calls.xml?PageSize=2")).text)  # noqa: S314
    assert [call.findtext("Sid") for call in root.findall("Calls/Call")] == ["c6", "c5"]
    assert root.findtext("Metadata/Total") == "7"


async def test_a_live_call_is_hung_up_oc_1_up_4(house: Any) -> None:
    by_post = await house.ask("POST", f"Calls/{LIVE}", data={"Status": "completed"})
    by_delete = await house.ask("DELETE", f"Calls/{LIVE}")
    assert (by_post.status_code, by_delete.status_code) == (200, 200)
    wanted = HangUp(Cause.NORMAL, Party.OPERATOR, "hung up by the API")
    assert house.calls.asked == [(LIVE, wanted), (LIVE, wanted)]


async def test_a_call_that_has_ended_stays_ended(house: Any) -> None:
    again = await house.ask("DELETE", "Calls/c1.xml")
    assert (again.status_code, "<Status>completed</Status>" in again.text) == (200, True)
    assert house.calls.asked == []
    late = await house.ask("POST", "Calls/c1", data={"To": "09876500002"})
    assert (late.status_code, "has ended" in late.text) == (409, True)


async def test_a_live_call_is_led_elsewhere_oc_1(house: Any) -> None:
    url = "https://my.hosted.example/GreenLeaf1/exoml/start_voice/support"
    for wish in (
        {"Url": url},
        {"StreamUrl": "wss://bot.example.net/other"},
        {"To": "09876500002", "TimeOut": "20"},
        {"To": "sip:ann@pbx.example.net"},
    ):
        answer = await house.ask("POST", f"Calls/{LIVE}", data=wish)
        assert (answer.status_code, answer.json()["Call"]["Sid"]) == (200, LIVE), answer.text
    flow, bot, number, sip = (document for _, document in house.exchange.redirected)
    assert flow.name == "support"
    [talk] = bot.applets.values()
    assert isinstance(talk, VoicebotSettings)
    assert talk.url == "wss://bot.example.net/other"
    [dial] = number.applets.values()
    assert isinstance(dial, ConnectSettings)
    assert (dial.numbers, dial.ring_seconds) == (["+919876500002"], 20)
    assert dial.caller_id == "+918040000002"
    assert sip.applets["connect"].numbers == ["sip:ann@pbx.example.net"]


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({}, "Give one of Status, Url, StreamUrl, To"),
        ({"Status": "completed", "To": "09876500002"}, "Give one of"),
        ({"Status": "busy"}, "Status is one of completed"),
        ({"Url": "https://my.hosted.example/exoml/start/none"}, "no published flow 'none'"),
        ({"StreamUrl": "https://bot.example.net"}, "StreamUrl begins with ws:// or wss://"),
        ({"StreamUrl": "wss://b.example/", "StreamType": "one"}, "StreamType is bidirectional"),
        ({"To": "nobody"}, "To is neither a phone number nor a SIP address"),
    ],
)
async def test_a_wish_that_cannot_be_meant_is_refused(
    house: Any, wish: dict[str, str], why: str
) -> None:
    answer = await house.ask("POST", f"Calls/{LIVE}", data=wish)
    assert (answer.status_code, why in answer.text) == (400, True), answer.text
    assert house.calls.asked == house.exchange.redirected == []


async def test_what_the_call_cannot_do_now_is_a_conflict(house: Any) -> None:
    house.exchange.error = CommandError("the call is not answered yet")
    answer = await house.ask("POST", f"Calls/{LIVE}", data={"To": "09876500002"})
    assert (answer.status_code, "not answered yet" in answer.text) == (409, True)
