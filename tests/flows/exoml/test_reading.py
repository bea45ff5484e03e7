"""Documents of classic ExoML: what each verb means, what is wrong, what a document can never do."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.calls.commands import AudioFile, Speech
from agentstream.flows.context import DIGITS_LIMIT
from agentstream.flows.exoml.reading import KEYS, BadResponseError, read_response
from agentstream.flows.exoml.verbs import (
    Ask,
    Callback,
    Callee,
    Dial,
    Gather,
    Hangup,
    Placed,
    Play,
    Record,
    Redirect,
    Say,
    Stream,
    Verb,
)
from agentstream.flows.keypad import Keys
from agentstream.flows.message import Wish
from agentstream.flows.recital import Verse

HERE = "https://crm.example/ivr/start?shop=7"
NEXT = Ask("https://crm.example/ivr/next")
AGAIN = Ask("https://crm.example/ivr/start?again=1", "GET")
RINGS = Callback(Ask(NEXT.url, "GET"), frozenset({"ringing", "answered"}))
ANY_KEYS = Keys()


def one(element: str) -> Verb:
    document = read_response(f"<Response>{element}</Response>", HERE)
    assert document.remarks == ()
    (placed,) = document.verbs
    return placed.verb


def said(text: str, loops: int = 1, language: str = "en", voice: str = "female") -> Verse:
    return Verse((Speech(text, language, voice),), loops)


def sound(url: str, loops: int = 1) -> Verse:
    return Verse((AudioFile(url),), loops)


@pytest.mark.parametrize(
    ("element", "verb"),
    [
        ("<Say> Good\n  morning </Say>", Say(said("Good morning"))),
        (
            '<Say voice="man" language="hi" loop="2">namaste</Say>',
            Say(said("namaste", 2, "hi", "male")),
        ),
        ("<Say>{CallSid}</Say>", Say(said("{CallSid}"))),  # a server's text is taken as it is
        ("<Play>https://a.example/b.mp3</Play>", Play(sound("https://a.example/b.mp3"))),
        ("<Play>/b.wav</Play>", Play(sound("https://crm.example/b.wav"))),
        ("<Play>b.wav?x=1&amp;y=2</Play>", Play(sound("https://crm.example/ivr/b.wav?x=1&y=2"))),
        ('<Play digits="ww12#"/>', Play(Verse(()), "ww12#")),
        (
            '<Play digits="1">//cdn.example/b.wav</Play>',
            Play(sound("https://cdn.example/b.wav"), "1"),
        ),
        ("<Gather/>", Gather(Ask(HERE), ANY_KEYS)),
        ('<Gather method="get"/>', Gather(Ask(HERE, "GET"), ANY_KEYS)),
        (
            '<Gather action="next" numDigits="4" timeout="9" finishOnKey="*">'
            "<Say>Key in</Say><Play>a.wav</Play></Gather>",
            Gather(
                NEXT,
                Keys(4, "*", 9_000),
                (said("Key in"), sound("https://crm.example/ivr/a.wav")),
            ),
        ),
        (
            '<Gather ACTION="next" maxDigits="1" finishOnKey=""/>',
            Gather(NEXT, Keys(1, "", 5_000)),
        ),
        ("<Record/>", Record(Wish(3_600_000, 5_000, KEYS))),
        (
            '<Record action="next" method="GET" maxLength="20" timeout="0" finishOnKey="#"'
            ' playBeep="false"/>',
            Record(Wish(20_000, 0, frozenset("#"), beeps=False), Ask(NEXT.url, "GET")),
        ),
        ('<Record finishOnKey="" playBeep="true"/>', Record(Wish(3_600_000, 5_000))),
        ("<Dial>+91 90000-00001</Dial>", Dial((Callee("+919000000001"),))),
        ("<Dial>sip:ann@pbx.example</Dial>", Dial((Callee("sip:ann@pbx.example"),))),
        (
            '<Dial action="next" callerId="080 4000 0002" timeout="20" timeLimit="600"'
            ' record="true" hangupOnStar="true"><Number sendDigits="w12">+919000000001</Number>'
            "<Number>+919000000002</Number></Dial>",
            Dial(
                (Callee("+919000000001", "w12"), Callee("+919000000002")),
                "08040000002",
                20,
                600,
                records=True,
                ends_on_star=True,
                action=NEXT,
            ),
        ),
        (
            '<Dial><Number URL="next" StatusCallback="next" StatusCallbackMethod="get"'
            ' statusCallbackEvent="ringing answered">100</Number></Dial>',
            Dial((Callee("100", "", NEXT, RINGS),)),
        ),
        ("<Redirect>next</Redirect>", Redirect(NEXT)),
        (
            '<Redirect method="GET">?again=1</Redirect>',
            Redirect(AGAIN),
        ),
        ("<Hangup/>", Hangup()),
        (
            '<Stream url="wss://bot.example/?a=1&amp;b={b}"/>',
            Stream("wss://bot.example/?a=1&b={b}"),
        ),
        (
            '<Stream streamUrl="https://bot.example/where" streamType="Bidirectional" name="desk"'
            ' action="next"/>',
            Stream("https://bot.example/where", name="desk", action=NEXT),
        ),
        (
            '<Stream type="unidirectional" track="both">ws://bot.example/</Stream>',
            Stream("ws://bot.example/", two_way=False, track="both"),
        ),
    ],
)
def test_a_verb_is_read_xr_1_xr_10_to_xr_19(element: str, verb: Verb) -> None:
    assert one(element) == verb


def test_the_defaults_are_those_of_the_documents_xr_12_xr_13_xr_14() -> None:
    gather, record, dial = one("<Gather/>"), one("<Record/>"), one("<Dial>100</Dial>")
    assert isinstance(gather, Gather)
    assert gather.keys == Keys(DIGITS_LIMIT, "#", 5_000)
    assert isinstance(record, Record)
    assert record.wish == Wish(3_600_000, 5_000, frozenset("0123456789*#"), beeps=True)
    assert isinstance(dial, Dial)
    assert (dial.ring_s, dial.limit_s, dial.records) == (30, 14_400, False)


@pytest.mark.parametrize(("loop", "loops"), [("1", 1), ("3", 3), ("0", 0), ("-1", 0), ("", 1)])
def test_loop_is_once_so_often_or_endless_lc_5_xr_10_xr_11(loop: str, loops: int) -> None:
    say, play = one(f'<Say loop="{loop}">a</Say>'), one(f'<Play loop="{loop}">a.wav</Play>')
    assert isinstance(say, Say)
    assert isinstance(play, Play)
    assert say.verse.loops == play.verse.loops == loops


def test_verbs_keep_their_order_and_their_lines_xr_1() -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n<Say>a</Say>\n\n<Hangup/></Response>'
    )
    document = read_response(text, HERE)
    assert document.verbs == (Placed(Say(said("a")), 3), Placed(Hangup(), 5))
    assert [placed.place for placed in document.verbs] == ["line 3: <Say>", "line 5: <Hangup>"]


def test_a_document_may_be_empty() -> None:
    assert read_response("<Response/>", HERE).verbs == ()


def test_what_is_not_known_is_left_out_and_remarked_on_ex_3_xr_10_xr_13() -> None:
    text = (
        '<Response>\n<Say xmlns="urn:x" voice="alice">a</Say>\n<Record trim="x"'
        ' transcribe="true"/>\n<Gather><Say later="1"> </Say></Gather></Response>'
    )
    document = read_response(text, HERE)
    assert document.remarks == (
        "the document: line 2: <Say>: voice 'alice' is not here; it is man or woman",
        "the document: line 3: <Record>: attribute 'transcribe' means nothing here",
        "the document: line 3: <Record>: attribute 'trim' means nothing here",
        "the document: line 4: <Say>: attribute 'later' means nothing here",
        "the document: line 4: <Say>: says nothing",
    )
    assert [type(placed.verb) for placed in document.verbs] == [Say, Record, Gather]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "line 1: this is not XML: no element found"),
        ("<html><body>404</body></html>", "<html> cannot be the root; it is <Response>"),
        ("<Flow><Hangup/></Flow>", "<Flow> cannot be the root"),
        ("<Response>\n<Say>a</Response>", "line 2: this is not XML: mismatched tag"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><Response/>', "a document type (DOCTYPE)"),
        ("<Response><?php echo 1?></Response>", "a processing instruction"),
        ("<Response>hello</Response>", "<Response> holds text"),
        ("<Response>\n\n<Fly/></Response>", "line 3: <Fly> is no verb; there are Dial, Gather"),
        ("<Response><say>a</say></Response>", "<say> is no verb"),
        ("<Response>" + "<Hangup/>" * 33 + "</Response>", "one more than 32 verbs"),
        ("<Response><Say>" + "a" * 66_000 + "</Say></Response>", "longer than 65536 bytes"),
        ("<Response><Say>\ud800</Say></Response>", "half of a character"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_line_and_element_ex_3(
    document: str, words: str
) -> None:
    with pytest.raises(BadResponseError, match=re.escape(words)) as caught:
        read_response(document, HERE)
    assert str(caught.value).startswith("the document")


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("<Gather><Hangup/></Gather>", "cannot stand inside <Gather>; what can: Play, Say"),
        ("<Hangup><Say>a</Say></Hangup>", "cannot stand inside <Hangup>; what can: none"),
        ('<Say loop="101">a</Say>', "loop must be a whole number from -1000000 to 100"),
        (f"<Say>{'a' * 4_001}</Say>", "text is longer than 4000 characters"),
        ("<Play/>", "URL is missing"),
        ("<Play>file:///etc/passwd</Play>", "must be an http(s) address"),
        ("<Play>/etc/a b.wav</Play>", "has a blank in it"),
        ("<Play>http://[::1/a.wav</Play>", "is no address: see its host and port"),
        ("<Play>http://a.example:99999/</Play>", "is no address: see its host and port"),
        (f"<Play>/{'a' * 2_047}</Play>", "URL is longer than 2048 characters"),
        ('<Play digits="12x"/>', "digits are 1 to 64"),
        ('<Gather><Play digits="1"/></Gather>', "cannot be pressed while keys are gathered"),
        ('<Gather finishOnKey="A"/>', "finishOnKey must be one of 0-9 * #, or empty"),
        ('<Gather numDigits="0"/>', "numDigits must be a whole number from 1 to 255"),
        ('<Gather timeout="0"/>', "timeout must be a whole number from 1 to 600"),
        ('<Gather method="PUT"/>', "method must be get or post"),
        ('<Gather action="ftp://a.example/"/>', "action must be an http(s) address"),
        ('<Gather action="http:///next"/>', "action must be an http(s) address"),
        ('<Record finishOnKey="x"/>', "finishOnKey must be some of 0-9 * #"),
        ('<Record maxLength="14401"/>', "maxLength must be a whole number from 1 to 14400"),
        ('<Record playBeep="maybe"/>', "playBeep must be true or false"),
        ("<Dial/>", "Number is missing"),
        ("<Dial>" + "<Number>100</Number>" * 11 + "</Dial>", "one more than 10"),
        ("<Dial>{From}</Dial>", "'{From}' is neither a number nor a sip address"),
        ("<Dial>sip:a@b?Route=x</Dial>", "is neither a number nor a sip address"),
        ('<Dial callerId="a b;c">100</Dial>', "callerId is no number"),
        ('<Dial timeout="301">100</Dial>', "timeout must be a whole number from 1 to 300"),
        ('<Dial><Number sendDigits="p">100</Number></Dial>', "sendDigits are 1 to 64"),
        (
            '<Dial><Number statusCallbackEvent="ringing, ended">100</Number></Dial>',
            "statusCallbackEvent is some of initiated ringing answered completed, not 'ended'",
        ),
        ("<Redirect/>", "URL is missing"),
        ("<Redirect>mailto:a@b.example</Redirect>", "URL must be an http(s) address"),
        ('<Stream url="bot.example"/>', "url must begin with wss://, ws://"),
        ('<Stream url="wss://b/" type="both"/>', "type must be bidirectional or unidirectional"),
        (
            '<Stream url="wss://b/" type="unidirectional" action="next"/>',
            "action is for bidirectional streams",
        ),
    ],
)
def test_what_is_wrong_names_the_field_and_its_limit(element: str, words: str) -> None:
    with pytest.raises(PeerError, match=re.escape(words)) as caught:
        read_response(f"<Response>\n{element}</Response>", HERE)
    assert "line 2: <" in str(caught.value)


NAMES = st.sampled_from(
    [
        *("Response", "Say", "Play", "Gather", "Record", "Dial", "Number", "Redirect", "Hangup"),
        *("Stream", "break", "say-as", "Fly"),
    ]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            *("action", "method", "loop", "timeout", "finishOnKey", "numDigits", "url", "type"),
            *("voice", "record", "digits", "interpret-as", "time", "callerId"),
        ]
    ),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=6)
    | st.sampled_from(["wss://b.example/", "next", "1", "true", "get", "digits", "1s"]),
    max_size=3,
)
TREES = st.recursive(
    st.text(max_size=8), lambda inner: st.tuples(NAMES, ATTRIBUTES, st.lists(inner)), max_leaves=8
)


@given(TREES)
def test_any_document_is_read_or_refused_in_words(tree: Any) -> None:
    for document in (f"<Response>{written(tree)}</Response>", written(tree)):
        with suppress(BadResponseError):
            read_response(document, HERE)


def written(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    name, attributes, inside = tree
    quoted = {"&": "&amp;", "<": "&lt;", '"': "&quot;"}
    fields = "".join(
        f' {key}="{"".join(quoted.get(each, each) for each in value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{fields}>{''.join(map(written, inside))}</{name}>"
