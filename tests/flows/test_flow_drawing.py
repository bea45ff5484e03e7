"""A drawn flow: well-formed, everything on it, nothing of it secret."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentstream.calls.causes import Cause
from agentstream.flows.applet import Onward, Settings, wired
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.document import FlowDocument, parse
from agentstream.flows.drawing import draw, headline, host_of

SVG = "{http://www.w3.org/2000/svg}"
SUPPORT = """
name: support
start: welcome
applets:
  welcome: {type: greeting, text: "Welcome", next: talk}
  talk:
    {type: voicebot, url: "wss://me:hunter2@bot.example:9/ws?key=k3y", next: bye, on_failure: again}
  again: {type: greeting, audio: sorry.wav, next: talk}
  lost: {type: greeting, text: "never"}
  bye: {type: hangup}
"""


class Spec(BaseModel):
    numbers: tuple[str, ...] = ()


class Menu(Onward):
    kind = "menu"
    keys: dict[str, str] = Field(default_factory=dict)
    dial: Spec | None = None
    numbers: Spec | None = None
    max_digits: int = 0
    value: int = 0

    def exits(self) -> Mapping[str, str]:
        return {**self.keys, **wired(next=self.next)}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314  (ours)


def test_everything_of_a_flow_is_on_its_picture() -> None:
    svg = draw(parse(SUPPORT))
    shown = texts(svg)
    for text in ("support", "welcome", "talk", "again", "bye", "“Welcome”", "sorry.wav"):
        assert text in shown
    assert shown.count("next") == 3
    assert "on_failure" in shown
    assert "VOICEBOT" in shown
    assert "bot.example:9" in shown


def test_no_credentials_are_on_the_picture() -> None:
    svg = draw(parse(SUPPORT))
    assert "hunter2" not in svg
    assert "k3y" not in svg


def test_an_applet_that_is_never_reached_is_grey_and_says_so() -> None:
    svg = draw(parse(SUPPORT))
    assert "GREETING · NEVER REACHED" in texts(svg)
    assert svg.count('opacity="0.45"') == 1
    assert "next: the call ends" in texts(svg)


def test_failures_are_dashed_and_every_wire_ends_in_one_arrow() -> None:
    svg = draw(parse(SUPPORT))
    assert svg.count("stroke-dasharray") == 1
    assert svg.count('marker-end="url(#alarm)"') == 1
    assert svg.count('marker-end="url(#arrow)"') == 4  # the call's own, and three times next


def test_wires_to_one_applet_that_share_a_lane_are_drawn_once() -> None:
    applets: dict[str, Settings] = {
        **{f"a{n}": VoicebotSettings(url="ws://b/", next=f"a{n + 1}") for n in range(4)},
        "a4": HangupSettings(),
    }
    for number in range(3):
        applets[f"a{number}"] = applets[f"a{number}"].model_copy(update={"on_failure": "a4"})
    svg = draw(FlowDocument("x", "a0", 1, applets))
    paths = re.findall(r'<path d="([^"]+)" fill="none"', svg)
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (VoicebotSettings(url="wss://u:p@bots.example.net:8443/a?b=c"), "bots.example.net:8443"),
        (VoicebotSettings(url="https://{X-Host}/resolve"), "{X-Host}"),
        (GreetingSettings(text="Hello {From}"), "“Hello {From}”"),
        (GreetingSettings(audio="prompts/hello.wav"), "prompts/hello.wav"),
        (GreetingSettings(audio="https://cdn.example/hello.wav"), "cdn.example"),
        (HangupSettings(cause=Cause.BUSY), "busy"),
        (HangupSettings(), ""),
        (Menu(keys={"1": "a", "2": "b"}), "1, 2"),
        (Menu(numbers=Spec(numbers=("+911", "+912"))), "+911, +912"),
        (Menu(value=7), "value 7"),
    ],
)
def test_each_box_shows_the_setting_that_people_look_for(settings: Settings, said: str) -> None:
    assert headline(settings) == said


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("wss://h.example/x", "h.example"),
        ("wss://a:b@h.example", "h.example"),
        ("wss://a:b@c@h.example:9/", "h.example:9"),
        ("ws://[::1]:8765/", "[::1]:8765"),
        ("wss://user:pa/ss@h.example/", "…"),  # a password that is not encoded is no host
        ("wss://user:pa?ss@h.example/", "…"),
        ("wss://", "…"),
        ("wss://h.example:{port}/", "h.example:{port}"),
    ],
)
def test_only_the_host_of_an_address_is_shown(url: str, host: str) -> None:
    assert host_of(url) == host


@given(st.text(min_size=1, max_size=80))
def test_any_text_gives_a_picture_that_is_xml_and_stays_in_its_box(text: str) -> None:
    applets: dict[str, Settings] = {"a": GreetingSettings.model_construct(text=text, next="a")}
    svg = draw(FlowDocument(text, "a", 1, applets))
    assert all(len(shown) <= 81 for shown in texts(svg))


def test_a_long_name_is_cut_and_whole_in_the_tip() -> None:
    name = "a_name_" * 9
    svg = draw(FlowDocument("x", name, 1, {name: HangupSettings()}))
    assert any(shown.endswith("…") and len(shown) < 30 for shown in texts(svg))
    assert f"<title>{name} (hangup)</title>" in svg


def test_colours_follow_light_and_dark() -> None:
    svg = draw(parse(SUPPORT))
    assert "prefers-color-scheme:dark" in svg
    assert 'class="ink" fill="#1c2430"' in svg  # for viewers without style sheets
