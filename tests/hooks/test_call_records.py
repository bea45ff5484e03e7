from dataclasses import fields, replace

from agentstream import _media
from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import CallEnded, CallStarted
from agentstream.calls.record import LegRecord
from agentstream.hooks.call_records import _COUNTERS, CallRecords
from agentstream.store.values import CallRecord, StreamRecord, Written
from agentstream.switch import feed
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.facts import ended_record, fact, leg_stats, whole_call
from agentstream.testing.memory_store import MemoryCalls


async def test_a_call_leaves_its_rows_when_it_ends() -> None:
    rows: list[Written] = []
    records = CallRecords(lambda *given: rows.extend(given))
    story = whole_call()
    for each in story[:-1]:
        records.hear(each)
    assert rows == []
    records.hear(story[-1])
    stream, call = rows
    assert isinstance(stream, StreamRecord)
    assert isinstance(call, CallRecord)
    assert (call.status, call.cause, call.ended_by) == ("completed", "normal", "caller")
    assert (call.sip_call_id, call.q850, call.source) == ("a84b4c76@pc33", 16, "udp:192.0.2.1:5060")
    assert (call.setup_ms, call.duration_ms, call.packets_lost, call.mos) == (120, 41_000, 3, 4.3)
    assert (call.codec, call.custom_field) == ("PCMU", "order 7")
    assert (stream.attempts, stream.resolve_ms, stream.upgrade_ms) == (2, 1, 4)
    assert (stream.duration_ms, stream.media_sent, stream.first_audio_ms) == (40_000, 400, 210)
    assert await MemoryCalls().write(rows) == 2


def test_the_counters_of_a_call_are_those_of_its_first_leg() -> None:
    rows: list[Written] = []
    records = CallRecords(lambda *given: rows.extend(given))
    story = whole_call()
    records.hear(story[0])
    dialled = leg_stats(packets_lost=99, codec="PCMA")
    records.hear(fact(feed.LegCounted("dialled", "other@host", 486, 17, dialled)))
    for each in story[1:]:
        records.hear(each)
    call = rows[-1]
    assert isinstance(call, CallRecord)
    assert (call.sip_call_id, call.codec, call.packets_lost) == ("a84b4c76@pc33", "PCMU", 3)


def test_each_leg_has_its_dialog_its_codec_and_its_first_audio_sd_6() -> None:
    """SD-6: also of who was dialled, whose counters are not the call's."""
    rows: list[Written] = []
    records = CallRecords(lambda *given: rows.extend(given))
    began, *_, last = whole_call()
    records.hear(began)
    for leg_sid, call_id, status, codec in (
        (LEG, "one@host", 0, "PCMU"),
        ("l2", "two@host", 200, "PCMA"),
    ):
        stats = leg_stats(
            codec=codec,
            packets_received=7,
            srtp="AES_CM_128_HMAC_SHA1_80" if codec == "PCMA" else "",
        )
        records.hear(fact(feed.LegCounted(leg_sid, call_id, status, 16, stats, 130, None)))
    dialled = LegRecord(
        *(LegSid("l2"), "outbound", "", 100, 200, 300, 900, Cause.NORMAL, Party.CALLEE, True)
    )
    ended = ended_record()
    ended = replace(ended, legs=(*ended.legs[:1], dialled))
    records.hear(replace(last, event=CallEnded(last.call_sid, ended)))
    call = rows[-1]
    assert isinstance(call, CallRecord)
    first, second = call.legs
    assert (first.sip_call_id, first.codec, first.srtp) == ("one@host", "PCMU", "")
    assert (second.sip_call_id, second.codec, second.srtp) == (
        "two@host",
        "PCMA",
        "AES_CM_128_HMAC_SHA1_80",
    )
    assert (second.sip_status, second.q850, second.ended_by) == (200, 16, "callee")
    assert (second.first_in_ms, second.first_out_ms) == (130, None)
    assert second.packets_received == 7


def test_the_parties_of_a_placed_call_are_kept_in_their_order_cc_56_cb_5_cd_3() -> None:
    record = replace(
        ended_record(),
        setup=replace(make_setup("outbound"), phone_number="+918040000009"),
        legs=(
            LegRecord(
                *(LEG, "outbound", "", 0, 900, 1_000, 9_000, Cause.NORMAL, Party.SYSTEM, True),
                *("+919876500001", 8_000),
            ),
            LegRecord(
                *(LegSid("l2"), "outbound", "", 1_000, 1_200, None, 5_000),
                *(Cause.BUSY, Party.CALLEE, False, "sip:ann@pbx.example"),
            ),
        ),
    )
    rows: list[Written] = []
    ended = CallEnded(record.setup.call_sid, record)
    CallRecords(lambda *given: rows.extend(given)).hear(fact(ended))
    call = rows[-1]
    assert isinstance(call, CallRecord)
    assert (call.direction, call.phone_number) == ("outbound-api", "+918040000009")
    first, second = call.legs
    assert (first.direction, first.status, first.talk_ms) == ("outbound-api", "completed", 8_000)
    assert (first.rang_ms, first.answered_ms, first.destination) == (900, 1_000, "+919876500001")
    assert (second.direction, second.status, second.cause) == ("outbound-dial", "busy", "busy")
    assert (second.ended_by, second.destination) == ("callee", "sip:ann@pbx.example")
    assert call.conversation_ms == 0


def test_others_who_talk_on_without_the_first_party_talk_with_nobody_of_it_cd_3_br_9() -> None:
    legs = (
        LegRecord(*(LEG, "inbound", "", 0, 0, 1_000, 9_000, Cause.NORMAL, Party.CALLER, True)),
        LegRecord(
            *(LegSid("l2"), "outbound", "", 1_000, 2_000, 4_000, 69_000),
            *(Cause.NORMAL, Party.CALLEE, True, "+91", 65_000),
        ),
    )
    record = replace(ended_record(), answered_ms=1_000, hung_up_ms=9_000, talk_ms=8_000, legs=legs)
    rows: list[Written] = []
    ended = CallEnded(record.setup.call_sid, record)
    CallRecords(lambda *given: rows.extend(given)).hear(fact(ended))
    call = rows[-1]
    assert isinstance(call, CallRecord)
    assert call.conversation_ms == record.conversation_ms == 5_000
    assert [leg.talk_ms for leg in call.legs][1] == 65_000


def test_a_call_that_came_in_has_its_numbers_and_its_party() -> None:
    rows: list[Written] = []
    CallRecords(lambda *given: rows.extend(given)).hear(whole_call()[-1])
    call = rows[-1]
    assert isinstance(call, CallRecord)
    assert (call.direction, call.phone_number) == ("inbound", call.to_number)
    assert [(leg.direction, leg.status) for leg in call.legs] == [("inbound", "completed")]
    assert call.conversation_ms == call.duration_ms == 41_000


def test_a_call_without_counters_still_leaves_a_record() -> None:
    rows: list[Written] = []
    CallRecords(lambda *given: rows.extend(given)).hear(whole_call()[-1])
    call = rows[-1]
    assert isinstance(call, CallRecord)
    assert (call.mos, call.codec) == (None, "")
    stream = rows[0]
    assert isinstance(stream, StreamRecord)
    assert (stream.first_audio_ms, stream.attempts) == (None, 0)


def test_calls_that_break_off_do_not_pile_up() -> None:
    records = CallRecords(lambda *_: None)
    setup = make_setup()
    for number in range(10_050):
        records.hear(fact(CallStarted(CallSid(str(number)), ended_record().legs[0].leg_sid, setup)))
    assert len(records._notes) == 10_000


def test_the_counters_have_the_same_names_in_both() -> None:
    columns = {field.name for field in fields(StreamRecord)}
    assert set(_COUNTERS) <= columns
    assert set(_COUNTERS) <= set(_media.StreamStats().as_dict())
