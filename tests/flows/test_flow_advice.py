"""What a flow may do and seldom means to."""

from collections.abc import Mapping

import pytest

from agentstream.flows.advice import advise
from agentstream.flows.applet import Onward, Settings, wired
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.document import FlowDocument, parse


class Asker(Onward):
    kind = "passthru"
    url: str = "https://crm.example/"
    style: str = "get"
    mode: str = "sync"
    on_302: str | None = None

    def exits(self) -> Mapping[str, str]:
        return wired(next=self.next, on_302=self.on_302)


class Switch(Settings):
    kind = "switchcase"
    cases: dict[str, str]

    def exits(self) -> Mapping[str, str]:
        return self.cases


BOT = VoicebotSettings(url="wss://bot.example/", next="end")
END = HangupSettings()


def advice_on(**applets: Settings) -> list[tuple[str, str, str]]:
    document = FlowDocument("x", next(iter(applets)), 3_600_000, applets)
    return [(each.code, each.applet, each.field) for each in advise(document)]


def test_an_ordinary_flow_gets_no_advice() -> None:
    hello = GreetingSettings(text="Hello {From}", next="bot")
    assert advice_on(hello=hello, bot=BOT, end=END) == []


def test_an_applet_with_no_way_on_is_a_dead_end_and_one_with_an_open_exit_is_unwired() -> None:
    assert advice_on(hello=GreetingSettings(text="Hello")) == [("dead-end", "hello", "")]
    asker = Asker(next="end")
    assert advice_on(ask=asker, end=END) == [("unwired", "ask", "on_302")]
    # AP-7: a failure without an exit of its own goes on by `next`
    assert advice_on(bot=BOT, end=END) == []


def test_the_advice_says_what_happens_there() -> None:
    [advice] = advise(parse("name: x\nstart: a\napplets:\n  a: {type: greeting, text: hi}\n"))
    assert advice.text == "nothing follows: the call is hung up"
    document = FlowDocument("x", "a", 90_000, {"a": GreetingSettings(text="x", next="a")})
    [advice] = advise(document)
    assert advice.text == (
        "the loop a → a has no way out: only the caller or the limit of 1.5 minutes ends the call"
    )
    assert advice.code == "endless-loop"


def test_an_applet_that_no_call_comes_to_is_named_once_and_not_looked_into() -> None:
    lost = GreetingSettings(text="{digits}")
    assert advice_on(bot=BOT, end=END, lost=lost) == [("unreached", "lost", "")]


@pytest.mark.parametrize("name", ["StreamSid", "digits", "RecordingUrl"])
def test_a_name_that_nothing_before_can_have_filled_is_told(name: str) -> None:
    ask = Asker(url=f"https://crm.example/?x={{{name}}}", next="end", on_302="end")
    assert advice_on(ask=ask, end=END) == [("never-set", "ask", "url")]
    filled: dict[str, Settings] = {
        "StreamSid": BOT.model_copy(update={"next": "ask"}),
        "digits": GreetingSettings(text="x", interruptible=True, next="ask"),
        "RecordingUrl": BOT.model_copy(update={"next": "ask", "record": True}),
    }
    assert advice_on(before=filled[name], ask=ask, end=END) == []


def test_a_passthru_that_reports_a_stream_must_follow_one() -> None:
    after = Asker(style="post_lowercase_after", next="end", on_302="end")
    assert advice_on(ask=after, end=END) == [("no-stream-before", "ask", "style")]
    assert advice_on(bot=BOT.model_copy(update={"next": "ask"}), ask=after, end=END) == []


def test_a_passthru_that_announces_a_stream_must_come_before_one() -> None:
    before = Asker(style="post_json_before", next="end", on_302="end")
    assert advice_on(ask=before, end=END) == [("no-stream-after", "ask", "style")]
    assert advice_on(ask=before.model_copy(update={"next": "bot"}), bot=BOT, end=END) == []


def test_a_switch_needs_the_answer_of_a_passthru_that_waits_for_it() -> None:
    switch = Switch(cases={"a": "end", "b": "end"})
    assert advice_on(switch=switch, end=END) == [("no-passthru-before", "switch", "")]  # AP-33
    ask = Asker(next="switch", on_302="end")
    assert advice_on(ask=ask, switch=switch, end=END) == []
    in_background = ask.model_copy(update={"mode": "async"})
    assert advice_on(ask=in_background, switch=switch, end=END) == [
        ("no-passthru-before", "switch", "")
    ]


def test_documents_may_end_the_call_and_fill_any_name_xr_1() -> None:
    ivr = ExomlSettings(url="https://crm.example/")
    assert advice_on(ivr=ivr) == []
    again = ExomlSettings(url="https://crm.example/", next="ivr", on_failure="ivr")
    assert advice_on(ivr=again) == []  # no endless loop: a document says when it is over
    told = Asker(url="https://a.example/?a={digits}&b={RecordingUrl}&c={StreamSid}", next="end")
    told = told.model_copy(update={"on_302": "end"})
    assert advice_on(ivr=ivr.model_copy(update={"next": "told"}), told=told, end=END) == []
