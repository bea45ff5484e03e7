"""Shape B: documents of verbs, their limits, and what a document can never do."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls.commands import AudioFile, Speech
from agentstream.flows.given import BadActionError
from agentstream.flows.legs.exoml import read_exoml
from agentstream.flows.legs.json_actions import read_action
from agentstream.flows.legs.verbs import (
    Answer,
    Gather,
    Hangup,
    Hold,
    Message,
    Mute,
    PlaySequence,
    SendDigits,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopStream,
    UnHold,
    Verb,
)


def one(element: str) -> Verb:
    (verb,) = read_exoml(f"<Flow>{element}</Flow>")
    return verb


@pytest.mark.parametrize(
    ("element", "verb"),
    [
        ("<Answer/>", Answer()),
        ("<Hangup></Hangup>", Hangup()),
        ("<StartSay> hello \n</StartSay>", StartSay(Speech("hello"))),
        ("<Say>hello</Say>", StartSay(Speech("hello"), is_awaited=True)),  # LC-7
        (
            "<StartPlay>https://a.example/b.mp3?x=1&amp;y=2</StartPlay>",  # EX-4
            StartPlay(AudioFile("https://a.example/b.mp3?x=1&y=2")),
        ),
        (
            "<Play>sound:https://a.example/b.mp3</Play>",
            StartPlay(AudioFile("https://a.example/b.mp3"), is_awaited=True),
        ),
        (
            "<PlaySequence><StartSay>a</StartSay><StartSay>b</StartSay></PlaySequence>",
            PlaySequence((StartSay(Speech("a")), StartSay(Speech("b")))),
        ),
        (
            '<Gather numDigits="4" timeoutInSec="5" finishOnKey="*"><Say>pin</Say></Gather>',
            Gather(4, 5_000, "*", StartSay(Speech("pin"), is_awaited=True)),
        ),
        ('<SendDigits duration="90" between="60">12#</SendDigits>', SendDigits("12#", 90, 60)),
        (
            '<StartStream streamType="bidirectional" streamUrl="wss://b.example/"/>',
            StartStream("wss://b.example/"),
        ),
        (
            '<StartStream STREAMTYPE="unidirectional" url="wss://b.example/"'
            ' sourceDirection="in"/>',
            StartStream("wss://b.example/", two_way=False, source="in"),
        ),
        ('<StopStream streamSid="s1"/>', StopStream("s1")),  # type: ignore[arg-type]
        ("<StopStream>s1</StopStream>", StopStream("s1")),  # type: ignore[arg-type]
        ('<Mute direction="out"/>', Mute("out")),
        (
            "<Hold><StartPlay>https://a.example/b.mp3</StartPlay></Hold>",
            Hold(AudioFile("https://a.example/b.mp3")),
        ),
        ("<UnHold/>", UnHold()),
        (
            '<StartRecording silenceInSec="3" finishOnKey="*" timeoutInSec="60">'
            "<Say>After the beep</Say></StartRecording>",
            StartRecording(
                message=Message(
                    3_000, "*", 60_000, prompt=StartSay(Speech("After the beep"), is_awaited=True)
                )
            ),
        ),
        ('<StartSay later="x">hello</StartSay>', StartSay(Speech("hello"))),  # EX-3
    ],
)
def test_an_element_is_read_ex_1_ex_10_to_ex_27(element: str, verb: Any) -> None:
    assert one(element) == verb


def test_json_and_exoml_open_the_same_stream_lg_80_lg_87_ex_19() -> None:
    body = {
        "url": "wss://b.example/",
        "direction": "bidirectional",
        "content_type": "audio/x-mulaw;rate=8000",
    }
    wanted = read_action("start_stream", body)
    for address in ("url", "streamUrl"):
        element = (
            f'<StartStream streamType="bidirectional" {address}="wss://b.example/"'
            ' contentType="audio/x-mulaw;rate=8000"/>'
        )
        assert one(element) == wanted


def test_several_verbs_keep_their_order_ex_2() -> None:
    verbs = read_exoml('<?xml version="1.0" encoding="UTF-8"?><Flow><Answer/>\n<Hangup/></Flow>')
    assert verbs == (Answer(), Hangup())


@pytest.mark.parametrize(
    ("loop", "once", "endless"),
    [("", 1, 0), ("0", 0, 0), ("1", 1, 1), ("5", 5, 5), ("10", 10, 10), ("-1", 0, 0)],
)
def test_loop_in_exoml_lc_5_ex_40(loop: str, once: int, endless: int) -> None:
    """The ExoML third of the truth table: 0 and negative are endless, absent is by setting."""
    attribute = f' loop="{loop}"' if loop else ""
    for element in (
        f"<StartSay{attribute}>a</StartSay>",
        f"<StartPlay{attribute}>https://a.b/c</StartPlay>",
    ):
        (verb,) = read_exoml(f"<Flow>{element}</Flow>")
        (other,) = read_exoml(f"<Flow>{element}</Flow>", "endless")
        assert isinstance(verb, StartSay | StartPlay)
        assert isinstance(other, StartSay | StartPlay)
        assert (verb.loops, other.loops) == (once, endless)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "exoml: line 1: this is not XML: no element found"),
        ("<Flow>\n<Say>a</Flow>", "line 2: this is not XML: mismatched tag"),
        ("<Flow><Say>&nbsp;</Say></Flow>", "undefined entity"),
        ('<!DOCTYPE Flow SYSTEM "file:///etc/passwd"><Flow/>', "a document type (DOCTYPE)"),
        (
            '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><Flow>&c;</Flow>',
            "a document type (DOCTYPE)",
        ),
        ("<Flow><?php echo 1?></Flow>", "line 1: a processing instruction"),
        ("<Response><Say>a</Say></Response>", "<Response> cannot be the root; it is <Flow>"),
        ("<flow><Say>a</Say></flow>", "<flow> cannot be the root"),
        ("<Flow/>", "<Flow> holds no verb"),
        ("<Flow>hello</Flow>", "<Flow> holds text"),
        ("<Flow>\n\n<Fly/></Flow>", "exoml: line 3: <Fly> is no verb"),
        ("<Flow><say>a</say></Flow>", "<say> is no verb"),
        ("<Flow><Say></Say></Flow>", "line 1: <Say>: text is missing"),
        ("<Flow><Gather><Hangup/></Gather></Flow>", "Hangup cannot stand inside Gather"),
        ("<Flow><Gather><Say>a<Say>b</Say></Say></Gather></Flow>", "stands too deep"),
        ("<Flow>" + "<Hangup/>" * 33 + "</Flow>", "one more than 32 verbs"),
        ('<Flow><Refer bridgeEventEndpoint="https://x"/></Flow>', "is for bridges"),
        ('<Flow><StartSay loop="11">a</StartSay></Flow>', "loop must be a whole number"),
        ("<Flow><Say>" + "a" * 66_000 + "</Say></Flow>", "exoml is longer than 65536 bytes"),
        ("<Flow><Say>\ud800</Say></Flow>", "exoml holds half of a character"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_line_and_element_ex_3(
    document: str, words: str
) -> None:
    with pytest.raises(BadActionError, match=re.escape(words)) as caught:
        read_exoml(document)
    assert str(caught.value).startswith("exoml")


def test_an_element_has_only_so_many_attributes() -> None:
    attributes = " ".join(f'a{number}="1"' for number in range(33))
    with pytest.raises(BadActionError, match="more than 32 attributes"):
        one(f"<Hangup {attributes}/>")


NAMES = st.sampled_from(["Flow", "Say", "Gather", "Hold", "StartStream", "Fly", "Dial"])


TREES = st.recursive(
    st.text(max_size=8), lambda inner: st.tuples(NAMES, st.lists(inner)), max_leaves=8
)


@given(TREES)
def test_any_document_is_read_or_refused_in_words(tree: Any) -> None:
    with_root = f"<Flow>{written(tree)}</Flow>"
    for document in (with_root, written(tree)):
        with suppress(BadActionError):
            assert read_exoml(document)


def written(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    name, inside = tree
    return f"<{name} loop='1'>{''.join(map(written, inside))}</{name}>"
