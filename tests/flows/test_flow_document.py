"""Flow documents: values, or every mistake with applet, field and line."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from agentstream.flows.applet import Onward, Settings
from agentstream.flows.applets import KINDS
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.direct import DirectBot, bot
from agentstream.flows.document import APPLETS_LIMIT, DocumentError, Problem, parse

SUPPORT = """\
version: 1
name: support
start: welcome
applets:
  welcome: {type: greeting, text: "Welcome", next: talk}
  talk:
    type: voicebot
    url: wss://bot.example.net/ws?sample-rate=8000
    record: true
    settings: {frame_ms: 20}
    next: bye
    on_failure: sorry
  sorry: {type: greeting, audio: sorry.wav}
  bye: {type: hangup}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert str(caught.value) == "\n".join(str(one) for one in caught.value.problems)
    return [str(one) for one in caught.value.problems]


def problems_of_applet(fields: str) -> list[str]:
    return problems_of(f"name: x\nstart: a\napplets:\n  a: {{{fields}}}\n")


def test_a_document_becomes_a_flow() -> None:
    flow = parse(SUPPORT)
    assert (flow.name, flow.start, flow.timeout_ms) == ("support", "welcome", 3_600_000)
    assert flow.applets == {
        "welcome": GreetingSettings(text="Welcome", next="talk"),
        "talk": VoicebotSettings(
            url="wss://bot.example.net/ws?sample-rate=8000",
            record=True,
            settings={"frame_ms": 20},
            next="bye",
            on_failure="sorry",
        ),
        "sorry": GreetingSettings(audio="sorry.wav"),
        "bye": HangupSettings(),
    }
    assert flow.warnings == ()


def test_the_same_document_may_be_json() -> None:
    applets = {"bye": {"type": "hangup", "cause": "busy"}}
    text = json.dumps({"name": "x", "start": "bye", "timeout_seconds": 60, "applets": applets})
    flow = parse(text)
    assert (flow.timeout_ms, flow.applets["bye"].exits()) == (60_000, {})


def test_a_dead_end_is_allowed_and_an_applet_that_is_never_reached_is_a_warning() -> None:
    flow = parse(SUPPORT.replace("on_failure: sorry", "name: b"))
    assert flow.warnings == (Problem("applet 'sorry' (greeting): no exit leads here", 13),)


def test_a_missing_field_is_named_with_applet_kind_and_line() -> None:
    assert problems_of(SUPPORT.replace("    url: wss://bot.example.net/ws?sample-rate=8000\n", ""))[
        0
    ] == ("line 6: applet 'talk' (voicebot): field 'url' is missing")


def test_every_mistake_is_told_at_once() -> None:
    text = "nme: x\nstart: 5\napplets:\n  a: {type: greeting}\n  b: {type: voicebot}\n  c: {}\n"
    assert problems_of(text) == [
        "line 1: field 'name' is missing",
        "line 2: field 'start': must be a valid string",
        "line 1: field 'nme' is unknown; there are version, name, description, start,"
        " timeout_seconds, on_applet_failure, record, recording_channels, applets",
        "line 4: applet 'a' (greeting): give either 'text', 'audio' or 'url'",
        "line 5: applet 'b' (voicebot): field 'url' is missing",
        "line 6: applet 'c': field 'type' is missing",
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("type: gathr", "type 'gathr' is unknown; there are "),
        ("type: greeting, text: a, audio: b", "(greeting): give either 'text', 'audio' or 'url'"),
        ("type: greeting, text: a, nxt: b", "field 'nxt' is unknown; there are next, text, "),
        ("type: greeting, text: 5", "field 'text': must be a valid string"),
        ("type: greeting, text: a, loops: no", "field 'loops': must be a valid integer"),
        ("type: greeting, text: a, loops: 101", "field 'loops': must be less than or equal to 100"),
        ("type: greeting, text: '{Foo}'", "field 'text': '{Foo}' is no variable; there are"),
        ("type: voicebot, url: 'tel:5550100'", "field 'url': must begin with wss://, ws://,"),
        ("type: voicebot, url: '{CustomField}'", "field 'url': must begin with wss://, ws://,"),
        ("type: voicebot, url: ws://b, profile: x", "field 'profile': must be '', 'docs' or"),
        ("type: voicebot, url: ws://b, settings: {a: []}", "'settings': 'a' must be a text, a"),
        ("type: voicebot, url: ws://b, settings: 5", "field 'settings': must be a valid mapping"),
        ("type: voicebot, url: ws://b, on_stream_failure: x", "must be 'continue' or 'hangup'"),
        ("type: hangup, cause: boredom", "field 'cause': must be 'normal', 'canceled', 'busy'"),
        ("type: hangup, next: a", "field 'next' is unknown; there are cause"),
    ],
)
def test_a_mistake_in_an_applet_says_where_and_what(fields: str, problem: str) -> None:
    found = problems_of_applet(fields)
    assert found[0].startswith("line 4: applet 'a'")
    assert problem in found[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the document is empty"),
        ("a: [", "line 1: this is neither YAML nor JSON"),
        ("[]", "line 1: a flow document is a mapping with 'name', 'start' and 'applets'"),
        ("version: 2", "line 1: version 2 of the format is not known here, only 1"),
        ("name: x\nstart: a\napplets: {}", "line 3: field 'applets': must have at least 1"),
        ("name: x\nstart: a\napplets: []", "line 3: field 'applets': must be a valid mapping"),
        ("name: x\nstart: a\napplets: {a: 5}", "line 3: field 'applets.a': must be a valid"),
        (
            "name: x\nstart: a\napplets: {'a b': {type: hangup}}",
            "line 3: applet 'a b': a name is letters, digits, - and _",
        ),
        (
            "name: x\nstart: b\napplets: {a: {type: hangup}}",
            "line 2: 'start' names applet 'b'; there are a",
        ),
        (
            "name: x\nstart: a\napplets:\n  a:\n    type: greeting\n    text: t\n    next: b",
            "line 7: applet 'a' (greeting): exit 'next' leads to 'b'; there are a",
        ),
        (
            "name: x\nstart: a\ntimeout_seconds: 0\napplets: {a: {type: hangup}}",
            "line 3: field 'timeout_seconds': must be greater than or equal to 1",
        ),
    ],
)
def test_a_mistake_in_the_document_says_where_and_what(text: str, problem: str) -> None:
    found = problems_of(text)
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_flow_has_a_bounded_number_of_applets() -> None:
    many = {f"a{number}": {"type": "hangup"} for number in range(APPLETS_LIMIT + 1)}
    found = problems_of(json.dumps({"name": "x", "start": "a0", "applets": many}))
    assert "at most 500" in found[0]


def test_a_loop_that_never_waits_is_refused() -> None:
    class Jump(Onward):
        kind = "jump"
        takes_time = False

    text = "name: x\nstart: a\napplets:\n  a: {type: jump, next: b}\n  b: {type: jump, next: a}"
    with pytest.raises(
        DocumentError, match=r"line 4: applet 'a' \(jump\): the loop a → b → a never"
    ):
        parse(text, (*KINDS, Jump))
    assert parse(text.replace("next: a}", "}"), (*KINDS, Jump)).start == "a"


def test_the_direct_flow_is_one_bot_and_no_more_st_21() -> None:
    flow = bot(DirectBot(url="wss://bot.example/ws", record=True))
    assert flow.applets == {"bot": VoicebotSettings(url="wss://bot.example/ws", record=True)}
    assert flow.start == "bot"


def test_the_examples_in_the_documentation_are_read_without_a_warning() -> None:
    page = Path(__file__).parents[2] / "docs" / "flows.md"
    examples = page.read_text().split("```yaml\n")[1:]
    assert examples
    for example in examples:
        assert parse(example.split("```")[0]).warnings == ()


def test_an_unknown_field_inside_a_field_is_told_with_its_own_neighbours() -> None:
    class Inner(BaseModel):
        model_config = ConfigDict(extra="forbid")
        text: str = ""

    class Outer(Onward):
        kind = "outer"
        one: Inner | None = None
        many: dict[str, Inner] = Field(default_factory=dict)

    text = "name: x\nstart: a\napplets:\n  a:\n    type: outer\n    one:\n      txt: hello"
    with pytest.raises(DocumentError) as caught:
        parse(text, (*KINDS, Outer))
    told = "line 7: applet 'a' (outer): field 'one.txt' is unknown; there are text"
    assert str(caught.value) == told
    text = text.replace("one:", "many: {b: {c: 1}}\n    next: a\n    description:")
    with pytest.raises(DocumentError, match=r"field 'many.b.c' is unknown; there are text"):
        parse(text, (*KINDS, Outer))


def test_a_wrong_key_of_a_menu_is_told_with_its_line() -> None:
    text = (
        "name: x\nstart: a\napplets:\n  a:\n    type: ivr_menu\n    prompt: {text: b}\n    keys:\n"
    )
    found = problems_of(text + "      1: a\n      12: a\n")
    assert found[0].startswith("line 9: applet 'a' (ivr_menu): field 'keys.12': must be '0', '1',")
    found = problems_of(text + "      1: a\n      2: b\n")
    assert found == ["line 9: applet 'a' (ivr_menu): exit '2' leads to 'b'; there are a"]


def test_an_exit_inside_a_field_is_told_with_its_own_line() -> None:
    class Fork(Settings):
        kind = "fork"
        ways: dict[str, str]

        def exits(self) -> Mapping[str, str]:
            return self.ways

        def exit_path(self, exit_name: str) -> tuple[str, ...]:
            return ("ways", exit_name)

    text = (
        "name: x\nstart: a\napplets:\n  a:\n    type: fork\n    ways:\n      '1': a\n      '2': b"
    )
    with pytest.raises(DocumentError) as caught:
        parse(text, (*KINDS, Fork))
    assert str(caught.value) == ("line 8: applet 'a' (fork): exit '2' leads to 'b'; there are a")


@pytest.mark.parametrize("kind", [kind.kind for kind in KINDS])
def test_every_kind_of_applet_is_explained_with_an_example(kind: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "flows.md"
    section = page.read_text().split(f"\n### {kind}\n")[1].split("\n### ")[0].split("\n## ")[0]
    examples = [part.split("```")[0] for part in page.read_text().split("```yaml\n")[1:]]
    own = [part.split("```")[0] for part in section.split("```yaml\n")[1:]] or examples
    assert any(settings.kind == kind for text in own for settings in parse(text).applets.values())


@given(st.text("abc: {}[],-'\"\ntype name start applets hangup greeting", max_size=200))
def test_any_text_gives_a_flow_or_a_document_error(text: str) -> None:
    with contextlib.suppress(DocumentError):
        parse(text)
