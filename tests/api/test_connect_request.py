"""What a form of Calls/connect means: modes, ranges, warnings (CC-20 to CC-33)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, form_of
from agentstream.api.settings import WebStream
from agentstream.api.v1.connect_request import BotStream, ConnectRequest, read_connect
from agentstream.api.v1.flow_url import FlowUrl, is_flow_url, read_flow_url
from agentstream.calls.record import StatusCallback

BASE = {"From": "+919876500001", "CallerId": "+918040000002"}
TO = {"To": "+919876500002"}
STREAM = {"StreamUrl": "wss://b.example/ws"}
BOTH_WAYS = {"StreamType": "bidirectional"}
FLOW = {"Url": "http://my.example/exoml/start/1"}


def read(fields: dict[str, str], is_strict: bool = False) -> ConnectRequest:
    return read_connect(form_of((BASE | fields).items()), is_strict=is_strict)


@pytest.mark.parametrize(
    ("fields", "mode", "warnings"),
    [
        (TO, "numbers", 0),  # CC-20
        (FLOW, "flow", 0),  # CC-21
        (STREAM | BOTH_WAYS, "bot", 0),  # CC-22
        (STREAM | {"StreamType": "BiDirectional"}, "bot", 0),
        (TO | STREAM, "numbers", 0),  # CC-25: with a fork
        (TO | STREAM | {"StreamType": "unidirectional"}, "numbers", 0),
        (TO | FLOW, "flow", 1),  # CC-26
        (STREAM, "bot", 0),  # CC-27
        (TO | STREAM | BOTH_WAYS, "bot", 1),
    ],
)
def test_the_parameters_decide_the_mode(fields: dict[str, str], mode: str, warnings: int) -> None:
    request = read(fields)
    assert (request.mode, len(request.warnings)) == (mode, warnings)


def test_a_strict_server_wants_the_type_of_a_bots_stream_cc_27() -> None:
    with pytest.raises(ApiError, match="StreamType is bidirectional where there is no To"):
        read(STREAM, is_strict=True)
    assert read(STREAM | BOTH_WAYS, is_strict=True).mode == "bot"


def test_everything_that_can_be_said_is_read() -> None:
    request = read(
        TO
        | STREAM
        | {
            "StreamName": "audit",
            "StreamBegin": "at Leg2Connect",
            "CallType": "trans",
            "TimeLimit": "14400",
            "TimeOut": "1",
            "WaitUrl": "https://cdn.example/wait.wav?v=2",
            "Record": "TRUE",
            "RecordingChannels": "Dual",
            "RecordingFormat": "mp3-hq",
            "CustomField": "order-5531",
            "StartPlaybackToNew": "Both",
            "StartPlaybackValueNew": "https://cdn.example/hello.wav",
            "StatusCallback": "http://hooks.example/cb?key=1",
            "StatusCallbackEvents": "both",
            "StatusCallbackContentType": "application/json",
        }
    )
    assert request == ConnectRequest(
        mode="numbers",
        from_number="+919876500001",
        caller_id="+918040000002",
        to_number="+919876500002",
        stream=BotStream(url="wss://b.example/ws", name="audit", begin="second"),
        ring_s=1,
        limit_s=14_400,
        wait_url="https://cdn.example/wait.wav?v=2",
        playback_url="https://cdn.example/hello.wav",
        playback_to="both",
        records=True,
        channels="stereo",
        custom_field="order-5531",
        callback=StatusCallback(
            "http://hooks.example/cb?key=1", frozenset({"terminal", "answered"}), is_json=True
        ),
    )


@pytest.mark.parametrize(
    ("web_stream", "url"),
    [("rewrite", "wss://b.example/ws?x=1"), ("resolve", "https://b.example/ws?x=1")],
)
def test_an_https_stream_url_is_a_socket_or_a_resolver_by_setting_as_19(
    web_stream: WebStream, url: str
) -> None:
    form = form_of([*BASE.items(), ("StreamUrl", "HTTPS://b.example/ws?x=1")])
    stream = read_connect(form, web_stream=web_stream).stream
    assert stream is not None
    assert stream.url == url
    with pytest.raises(ApiError, match="StreamUrl begins with ws:// or wss://"):
        read_connect(form)
    with pytest.raises(ApiError, match="StreamUrl has no host"):
        read_connect(form_of([*BASE.items(), ("StreamUrl", "http:///")]), web_stream=web_stream)


def test_what_old_clients_send_besides_is_ignored_cc_32() -> None:
    old = dict.fromkeys(("Method", "FallbackUrl", "IfMachine", "SendDigits", "Priority"), "x")
    assert read(TO | old) == read(TO)


@pytest.mark.parametrize("word", ["mono", "single", "MONO"])
def test_mono_is_single_kx_10(word: str) -> None:
    assert read(TO | {"RecordingChannels": word}).channels == "mono"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"From": ""}, "From is missing"),
        ({"From": "nobody"}, "From is neither a phone number nor a SIP address"),
        ({"From": "sip:carrier"}, "From is neither a phone number nor a SIP address"),
        ({"To": "sip:ann@pbx.example"}, "To is a phone number; SIP addresses are taken in From"),
        ({"CallerId": "a b?"}, "CallerId is no number"),
        ({"TimeLimit": "0"}, "TimeLimit is a whole number from 1 to 14400"),
        ({"TimeLimit": "14401"}, "TimeLimit is a whole number from 1 to 14400"),
        ({"TimeLimit": "9" * 4_000}, "TimeLimit is a whole number from 1 to 14400"),
        ({"TimeOut": "-1"}, "TimeOut is a whole number from 1 to 300"),
        ({"Record": "maybe"}, "Record is true or false"),
        ({"RecordingChannels": "quad"}, "RecordingChannels is one of single, mono, dual"),
        ({"RecordingFormat": "ogg"}, "RecordingFormat is one of mp3, mp3-hq"),
        ({"CallType": "spam"}, "CallType is one of trans, promo"),
        ({"StartPlaybackToNew": "caller"}, "StartPlaybackToNew is one of callee, both"),
        ({"StartPlaybackValueNew": "/etc/passwd"}, "StartPlaybackValueNew begins with http:// or"),
        ({"WaitUrl": "file:///etc/passwd"}, "WaitUrl begins with http:// or https://"),
        ({"StreamUrl": "https://b.example"}, "StreamUrl begins with ws:// or wss://"),
        ({"StreamUrl": "wss://b.example/" + "x" * 600}, "StreamUrl has 616 characters, at most"),
        ({"StreamUrl": "wss:///ws"}, "StreamUrl has no host"),
        ({"StreamUrl": "wss://b.example:port/"}, "StreamUrl cannot be read"),
        (STREAM | {"StreamName": "n" * 33}, "StreamName has 33 characters, at most 32"),
        (STREAM | {"StreamBegin": "now"}, "StreamBegin is one of at leg1connect, at leg2connect"),
        ({"StatusCallback": "ftp://h.example"}, "StatusCallback begins with http:// or https://"),
        ({"StatusCallback": "http://h.ex/\x07"}, "StatusCallback has no host, or a blank in it"),
        ({"StatusCallbackEvents": "never"}, "StatusCallbackEvents are some of terminal, answered"),
        ({"StatusCallbackContentType": "text/plain"}, "StatusCallbackContentType is one of"),
    ],
)
def test_what_is_out_of_range_is_named_cc_30(fields: dict[str, str], why: str) -> None:
    with pytest.raises(ApiError) as error:
        read(TO | fields)
    assert error.value.status == 400
    assert error.value.message.startswith(why)


def test_a_long_custom_field_is_cut_or_refused_by_setting_cc_31() -> None:
    request = read(TO | {"CustomField": "x" * 129})
    assert request.custom_field == "x" * 128
    assert request.warnings == ("CustomField is cut after 128 of 129 characters",)
    with pytest.raises(ApiError, match="CustomField has 129 characters, at most 128 are taken"):
        read(TO | {"CustomField": "x" * 129}, is_strict=True)


def test_a_parameter_that_says_two_things_says_nothing() -> None:
    form = form_of([*BASE.items(), ("To", "09876500002"), ("to", "09876500003")])
    with pytest.raises(ApiError, match="To is given several times, with different values"):
        read_connect(form)


MODES = ("Url", "StreamUrl", "StreamType", "To")
names = st.sampled_from(["From", "CallerId", *MODES, "TimeLimit", "Record", "StatusCallback"])
texts = st.text(max_size=30) | st.sampled_from(["true", "1", "+919876500001", *STREAM.values()])


@given(st.dictionaries(names, texts), st.booleans())
def test_any_form_is_a_request_or_a_sentence(fields: dict[str, Any], is_strict: bool) -> None:
    try:
        said = read_connect(form_of(fields.items()), is_strict=is_strict).from_number
    except ApiError as error:
        said = error.message if error.status == 400 else ""
    assert said


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://my.example/acme/exoml/start_voice/8123", FlowUrl("8123", "acme")),
        ("http://my.example/exoml/start/8123", FlowUrl("8123")),
        ("http://my.example/v/acme/exoml/start/a%20b/", FlowUrl("a b", "acme")),
        ("8123", FlowUrl("8123")),
    ],
)
def test_a_flows_address_is_read_whatever_its_host_af_1(text: str, wanted: FlowUrl) -> None:
    assert read_flow_url(text) == wanted


@pytest.mark.parametrize(
    "text", ["https://my.example/", "https://my.example/exoml/start_voice/", "http://[", "a/b"]
)
def test_any_other_address_is_no_flow_af_2(text: str) -> None:
    with pytest.raises(ApiError, match="VoiceUrl is the address of a flow"):
        read_flow_url(text, "VoiceUrl")


def test_an_address_that_means_no_flow_may_be_a_servers_kx_9() -> None:
    flows = ("support", "/a/exoml/start_voice/support", "https://my.example/exoml/start/7")
    assert all(is_flow_url(text) for text in flows)
    assert not any(is_flow_url(text) for text in ("https://crm.example/ivr", "http://[", "a/b"))


def test_a_form_knows_lists_and_flags_in_every_style_cc_11_cc_12() -> None:
    form = form_of([("E[0]", "a"), ("e[1]", " b,c "), ("E[]", "a"), ("F", "1"), ("g", "FALSE")])
    assert form.texts("E", 3) == ("a", "b", "c")
    assert (form.flag("F"), form.flag("G"), form.flag("none")) == (True, False, False)
    with pytest.raises(ApiError, match="E names 3, at most 2 are taken"):
        form.texts("E", 2)
    assert "e" in form
    assert "none" not in Form()
