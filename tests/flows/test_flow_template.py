"""Templates: {Name} in texts and URLs (US-7)."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.template import VARIABLES, check_template, render, render_path, render_url

NAMES = {"From": "+919876500001", "CustomField": "a b&c=d/é"}


def test_a_text_is_filled_in_as_it_is() -> None:
    text = "Call from {From}: {CustomField}, {StreamSid}."
    assert render(text, NAMES) == "Call from +919876500001: a b&c=d/é, ."


def test_a_url_is_filled_in_percent_encoded_and_otherwise_untouched() -> None:
    url = "wss://bot.example/{From}/ws?sample-rate=8000&c={CustomField}&raw=%20+"
    assert render_url(url, NAMES) == (
        "wss://bot.example/%2B919876500001/ws?sample-rate=8000&c=a%20b%26c%3Dd%2F%C3%A9&raw=%20+"
    )


def test_a_value_in_a_path_cannot_lead_out_of_its_folder() -> None:
    names = {"From": "+91987", "CustomField": "../../etc/passwd\0"}
    path = render_path("sounds/{CustomField}/{From}.wav", names)
    assert path == "sounds/______etc_passwd_/+91987.wav"


def test_braces_that_hold_no_name_stay() -> None:
    text = '{"a": 1} {} { From } {1}'
    assert check_template(text) == text
    assert render(text, NAMES) == text


@pytest.mark.parametrize("name", [*VARIABLES, "X-Customer-Id"])
def test_the_names_that_a_call_has_are_known(name: str) -> None:
    assert check_template(f"a {{{name}}} b")


def test_an_unknown_name_is_said_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'\{Caller\}' is no variable; there are CallSid, "):
        check_template("{From} {Caller}")


@given(st.text())
def test_what_is_filled_into_a_url_comes_out_the_same_at_the_other_end(value: str) -> None:
    value = value.encode("utf-8", "ignore").decode()
    filled = render_url("ws://h/?v={From}", {"From": value})
    assert unquote(filled.removeprefix("ws://h/?v=")) == value
    assert not set("&#? /") & set(filled.removeprefix("ws://h/?v="))
