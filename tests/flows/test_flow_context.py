"""What a flow remembers and tells the customer's server."""

from dataclasses import replace

from agentstream.base.ids import CountedTokens, LegSid, RecordingSid, StreamSid
from agentstream.base.phone import NumberStyle
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    AnswerJudged,
    CallHungUp,
    RecordingFinished,
    StreamFinished,
    StreamRequested,
)
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.context import DIGITS_LIMIT, Context, Dialled, DialledParty, Wording
from agentstream.testing.calls import CALL, LEG, make_setup

STREAM, RECORDING = StreamSid("9f27"), RecordingSid("r1")


def make_context(custom_field: str = "") -> Context:
    setup = make_setup(custom_field=custom_field, variables=(("X-Plan", "gold"),))
    return Context(setup, CountedTokens(), now_ms=1000)


def test_the_standard_parameters_have_the_names_and_times_of_pt_10() -> None:
    assert make_context().parameters(now_ms=6000) == (
        ("CallSid", CALL),
        ("CallFrom", "+919876500001"),
        ("CallTo", "+918040000002"),
        ("From", "+919876500001"),
        ("To", "+918040000002"),
        ("Direction", "incoming"),
        ("Created", "Tue, 16 Feb 2027 15:56:26"),
        ("StartTime", "2027-02-16 15:56:26"),
        ("EndTime", "1970-01-01 05:30:00"),
        ("CurrentTime", "2027-02-16 15:56:31"),
        ("CallType", "call-attempt"),
        ("flow_id", ""),
        ("DialCallDuration", "0"),
        ("DialWhomNumber", ""),
        ("CallStatus", "in-progress"),
        ("tenant_id", "greenleaf1"),
    )


def test_every_number_is_shown_in_the_one_form_that_is_set_us_13() -> None:
    setup = replace(make_setup(), forwarded_from="+918040000009")
    context = Context(setup, CountedTokens(), 0, NumberStyle("national0", "91"))
    party = DialledParty("+919876500003", "completed", 7, "+918040000002")
    context.dial = Dialled("completed", "sip:ann@pbx.example", 7, "+918040000002", (party,))
    told = dict(context.parameters(0))
    assert (told["From"], told["CallFrom"]) == ("09876500001", "09876500001")
    assert (told["To"], told["CallTo"]) == ("08040000002", "08040000002")
    assert (told["ForwardedFrom"], told["OutgoingPhoneNumber"]) == ("08040000009", "08040000002")
    assert told["DialWhomNumber"] == "sip:ann@pbx.example"
    assert (told["Legs[0][Number]"], told["Legs[0][CallerId]"]) == ("09876500003", "08040000002")
    assert context.text("{CallFrom}", 0) == "09876500001"


def test_conditional_parameters_are_left_out_until_there_is_something_pt_11() -> None:
    context = make_context(custom_field="order 17")
    context.type_ahead("1")
    context.type_ahead("2")
    context.note(RecordingFinished(CALL, LEG, RECORDING, 5, "/recordings/r1.wav", ""))
    assert context.parameters(0)[-3:] == (
        ("digits", '"12"'),  # AP-29
        ("CustomField", "order 17"),
        ("RecordingUrl", "/recordings/r1.wav"),
    )


def test_a_call_that_was_placed_has_the_other_direction() -> None:
    context = Context(make_setup(direction="outbound"), CountedTokens(), 0)
    assert ("Direction", "outbound-dial") in context.parameters(0)


def test_a_recording_that_broke_off_has_no_address() -> None:
    context = make_context()
    context.note(RecordingFinished(CALL, LEG, RECORDING, 0, "/half.wav", "disk full"))
    assert context.recording_url == ""


def test_the_latest_stream_is_told_in_the_words_of_pt_20() -> None:
    context = make_context()
    assert context.stream_parameters() == ()
    refused = StreamOutcome("failed", error="3009 x", detailed_status="Streaming_call_throttled")
    context.note(StreamFinished(CALL, LEG, StreamSid("first"), refused))
    assert context.stream_parameters()[-2:] == (
        ("Stream[Error]", "3009 x"),
        ("Stream[DetailedStatus]", "Streaming_call_throttled"),
    )
    talked = StreamOutcome(
        "completed", "bot", duration_s=41, url="wss://b/", recording_url="/r.mp3"
    )
    context.note(StreamFinished(CALL, LEG, STREAM, talked))
    assert context.stream_parameters() == (  # only the latest (PT-25)
        ("Stream[StreamSID]", "9f27"),
        ("Stream[Status]", "completed"),
        ("Stream[Duration]", "41"),
        ("Stream[StreamUrl]", "wss://b/"),
        ("Stream[DisconnectedBy]", "bot"),
        ("Stream[RecordingUrl]", "/r.mp3"),
    )


def requested(sid: str, url: str = "wss://b/") -> StreamRequested:
    return StreamRequested(CALL, LEG, StreamSid(sid), url, "", two_way=True)


def test_a_stream_that_runs_is_told_without_an_outcome() -> None:
    context = make_context()
    context.note(requested("one", "wss://***@b/"))
    assert context.stream_parameters() == (
        ("Stream[StreamSID]", "one"),
        ("Stream[StreamUrl]", "wss://***@b/"),
    )


def test_an_older_stream_that_ends_later_is_not_the_latest_pt_25() -> None:
    context = make_context()
    context.forks[StreamSid("fork")] = "notes"
    context.note(requested("fork"))
    context.note(requested("bot"))
    context.note(StreamFinished(CALL, LEG, StreamSid("bot"), StreamOutcome("completed", "bot")))
    context.note(StreamFinished(CALL, LEG, StreamSid("fork"), StreamOutcome("cancelled", "user")))
    assert context.stream_parameters()[:2] == (
        ("Stream[StreamSID]", "bot"),
        ("Stream[Status]", "completed"),
    )
    assert context.forks == {}


def test_the_next_stream_has_the_id_that_was_told_before_pt_31() -> None:
    context = make_context()
    coming = context.coming_stream_sid
    assert context.coming_stream_sid == coming
    assert context.new_stream_sid() == coming
    assert context.new_stream_sid() != coming


def test_the_url_of_the_coming_stream_is_filled_in_and_masked_pt_30() -> None:
    context = make_context()
    assert context.coming_url(0) == ""
    context.coming_stream_url = "wss://u:p@b/?from={From}"
    assert context.coming_url(0) == "wss://***@b/?from=%2B919876500001"


def test_what_a_connect_came_to_is_told_with_every_party_pt_10() -> None:
    context = make_context()
    parties = (
        DialledParty("+911", "no-answer", cause=Cause.NO_ANSWER),
        DialledParty("+912", "completed", 17, "+918040000002"),
    )
    context.dial = Dialled("completed", "+912", 19, "+918040000002", parties)
    context.call_type = "completed"
    told = dict(context.parameters(0))
    assert [told[name] for name in ("DialCallStatus", "DialCallDuration", "DialWhomNumber")] == [
        "completed",
        "19",
        "+912",
    ]
    assert (told["OutgoingPhoneNumber"], told["CallType"]) == ("+918040000002", "completed")
    assert context.parameters(0)[-12:] == (
        ("Legs[0][Number]", "+911"),
        ("Legs[0][Type]", "single"),
        ("Legs[0][OnCallDuration]", "0"),
        ("Legs[0][Status]", "no-answer"),
        ("Legs[0][CallerId]", ""),
        ("Legs[0][Cause]", "19"),
        ("Legs[1][Number]", "+912"),
        ("Legs[1][Type]", "single"),
        ("Legs[1][OnCallDuration]", "17"),
        ("Legs[1][Status]", "completed"),
        ("Legs[1][CallerId]", "+918040000002"),
        ("Legs[1][Cause]", "16"),
    )


def test_a_call_that_has_gone_is_completed() -> None:
    context = make_context()
    context.note(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    assert ("CallStatus", "completed") in context.parameters(0)


def test_the_words_can_be_chosen_pt_13_us_12() -> None:
    context = Context(make_setup(direction="outbound"), CountedTokens(), 0)
    context.type_ahead("5")
    clean = context.parameters(0, Wording("inbound", quotes_digits=False))
    assert ("Direction", "outbound") in clean
    assert ("digits", "5") in clean
    assert ("Direction", "outgoing") in context.parameters(0, Wording("outgoing"))


def test_keys_typed_ahead_are_given_once_but_stay_the_digits() -> None:
    context = make_context()
    context.digits = "77"  # of an applet before
    context.type_ahead("1")
    context.type_ahead("2")
    assert context.digits == "12"
    assert (context.take_ahead(), context.take_ahead()) == ("12", "")
    assert context.digits == "12"


def test_templates_see_the_call_its_headers_and_the_bare_digits() -> None:
    context = make_context()
    context.type_ahead("7")
    context.stream_sid = STREAM
    context.transfer_to = "+913"
    text = "{AccountSid} {x-PLAN} {digits} {StreamSid} {DateTime} {TransferTo}"
    assert context.text(text, 1000) == "greenleaf1 gold 7 9f27 2027-02-16 15:56:26 +913"
    assert context.url("ws://h/{From}", 0) == "ws://h/%2B919876500001"


def test_only_so_many_keys_are_typed_ahead() -> None:
    context = make_context()
    for _ in range(DIGITS_LIMIT + 5):
        context.type_ahead("1")
    assert len(context.digits) == DIGITS_LIMIT


def test_ids_have_32_hex_characters_as_69_and_are_all_different() -> None:
    context = make_context()
    ids = {context.new_stream_sid(), context.new_prompt_id(), context.new_recording_sid()}
    ids |= {context.new_leg_sid(), context.new_request_id()}
    assert len(ids) == 5
    assert {len(one) for one in ids} == {32}


def test_who_answered_is_told_once_it_is_known_oc_5() -> None:
    context = make_context()
    context.leg_sid = LEG
    assert "AnsweredBy" not in dict(context.parameters(0))
    assert context.text("{AnsweredBy}", 0) == "NA"
    context.note(AnswerJudged(CALL, LegSid("another"), "human", 900, "pause"))
    context.note(AnswerJudged(CALL, LEG, "machine", 2_100, "greeting"))
    assert dict(context.parameters(0))["AnsweredBy"] == "Machine"
    assert context.text("{AnsweredBy}", 0) == "Machine"
