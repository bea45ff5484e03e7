"""What a Passthru sends, word by word (PT-10, PT-20, PT-21, PT-23, PT-30 to PT-33, PT-40)."""

import json
from urllib.parse import parse_qsl, urlencode

import pytest

from agentstream.base.ids import CountedTokens, StreamSid
from agentstream.calls.events import StreamFinished
from agentstream.calls.reports import DisconnectedBy, StreamOutcome
from agentstream.flows.context import Context, Dialled, DialledParty, Wording
from agentstream.flows.telling import Style, Telling, lower_case
from agentstream.testing.applets import new_context
from agentstream.testing.calls import CALL, LEG, make_setup

URL = "https://crm.example/{CallSid}?key=1"
STREAM = StreamSid("9f27c1")
TALKED = StreamOutcome("completed", "bot", duration_s=41, url="wss://b/", recording_url="/r.mp3")


def after_a_talk(outcome: StreamOutcome = TALKED) -> Context:
    context = new_context("order 17")
    context.note(StreamFinished(CALL, LEG, STREAM, outcome))
    return context


def form_of(style: Style, context: Context) -> dict[str, str]:
    request = Telling(URL, style).request(context, 0)
    assert (request.method, request.query) == ("POST", ())
    assert request.content_type == "application/x-www-form-urlencoded"
    pairs = parse_qsl(request.body, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_get_tells_of_the_call_and_of_its_latest_stream_pt_20_pt_23() -> None:
    context = after_a_talk()
    request = Telling(URL).request(context, 0)
    assert request.url == f"https://crm.example/{CALL}?key=1"
    assert request.query == context.parameters(0) + context.stream_parameters()
    assert "Stream%5BDisconnectedBy%5D=bot" in urlencode(request.query)  # PT-24


def test_the_stream_may_be_one_json_text_pt_21() -> None:
    request = Telling(URL, stream_encoding="json").request(after_a_talk(), 0)
    name, value = request.query[-1]
    assert name == "Stream"
    assert json.loads(value) == {
        "StreamSID": "9f27c1",
        "RecordingUrl": "/r.mp3",
        "Status": "completed",
        "Duration": "41",
        "StreamUrl": "wss://b/",
        "DisconnectedBy": "bot",
    }
    assert not [name for name, _ in request.query if name.startswith("Stream[")]
    refused = after_a_talk(StreamOutcome("failed", error="3009 x"))
    value = Telling(URL, stream_encoding="json").request(refused, 0).query[-1][1]
    assert json.loads(value)["Error"] == "3009 x"
    assert json.loads(value)["RecordingUrl"] == ""


def test_without_a_stream_nothing_is_told_of_one() -> None:
    for encoding in ("brackets", "json"):
        request = Telling(URL, stream_encoding=encoding).request(new_context(), 0)
        assert not [name for name, _ in request.query if name.startswith("Stream")]


def test_a_form_has_the_same_names_as_the_query_pt_33() -> None:
    context = after_a_talk()
    context.type_ahead("4")
    form = form_of("post_form", context)
    assert (form["CallSid"], form["digits"], form["From"]) == (CALL, '"4"', "+919876500001")
    assert form["Stream[Status]"] == "completed"


def test_the_words_are_chosen_for_query_and_form_pt_13_us_12() -> None:
    context = after_a_talk()
    context.type_ahead("4")
    telling = Telling(URL, wording=Wording("inbound", quotes_digits=False))
    query = dict(telling.request(context, 0).query)
    assert (query["Direction"], query["digits"]) == ("inbound", "4")


def test_before_a_stream_its_id_and_address_are_told_as_json_pt_30_pt_31() -> None:
    context = Context(make_setup(direction="outbound"), CountedTokens(), 0)
    context.coming_stream_url = "wss://u:p@bot.example/ws?c={From}"
    request = Telling(URL, "post_json_before").request(context, 0)
    assert (request.method, request.content_type) == ("POST", "application/json")
    assert json.loads(request.body) == {
        "CallSid": CALL,
        "StreamSid": context.coming_stream_sid,
        "StreamUrl": "wss://***@bot.example/ws?c=%2B919876500001",
        "AccountSid": "greenleaf1",
        "EventType": "stream-start",
        "From": "+919876500001",
        "To": "+918040000002",
        "Direction": "outbound",
    }
    assert context.new_stream_sid() == json.loads(request.body)["StreamSid"]


@pytest.mark.parametrize(("by", "word"), [("user", "caller"), ("bot", "bot"), ("NA", "system")])
def test_after_a_stream_small_letters_have_their_own_words_pt_32_cx_16(
    by: DisconnectedBy, word: str
) -> None:
    outcome = StreamOutcome("failed", by, "3009 x", "Streaming_call_throttled", 2, "wss://b/")
    context = after_a_talk(outcome)
    parties = (DialledParty("+912", "completed", 17),)
    context.dial = Dialled("completed", "+912", 17, parties=parties)
    context.call_type = "completed"
    context.recording_url = "/call.mp3"
    form = form_of("post_lowercase_after", context)
    assert json.loads(form.pop("legs")) == [
        {"number": "+912", "status": "completed", "oncallduration": 17}
    ]
    assert form == {
        "callsid": CALL,
        "streamsid": "9f27c1",
        "streamurl": "wss://b/",
        "status": "failed",
        "duration": "2",
        "recordingurl": "/call.mp3",
        "error": "3009 x",
        "disposition": "completed",
        "disconnectedby": word,
        "detailedstatus": "Streaming_call_throttled",
        "dialcallstatus": "completed",
        "dialwhomnumber": "+912",
    }


def test_small_letters_without_a_stream_are_empty() -> None:
    told = dict(lower_case(new_context(), 0))
    assert {told[name] for name in ("streamsid", "status", "disconnectedby", "legs")} == {""}
