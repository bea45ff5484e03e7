"""Settings of a bot: section 11 of the dossier, one default each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import ConfigError
from agentstream.stream.profile import PRESETS, WireProfile, comma_pairs


def test_the_default_is_docs_for_all_but_the_media_format() -> None:
    profile = WireProfile.from_mapping({})
    assert profile == PRESETS["default"] == WireProfile()
    assert profile.media_format_profile == "field"
    assert (profile.numbers_as, profile.camel_keys, profile.number_format) == (
        "string",
        "off",
        "e164",
    )
    assert (profile.frame_ms, profile.connect_retries, profile.max_seconds) == (100, 1, 3600)


def test_a_preset_is_changed_by_settings() -> None:
    profile = WireProfile.from_mapping(
        {"preset": "field", "frame_ms": 20, "ca_file": "/etc/bots.pem", "verify_tls": False}
    )
    assert profile.number_format == "national0"
    assert (profile.frame_ms, profile.ca_file, profile.verify_tls) == (20, "/etc/bots.pem", False)
    assert WireProfile.from_mapping({"preset": "docs"}).media_format_profile == "docs"
    assert WireProfile.from_mapping({"ca_file": None}).ca_file is None


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"preset": "other"}, "preset: 'other' is none of default, docs, field"),
        ({"preset": []}, "preset: "),
        ({"framems": 20}, "framems: there is no such setting"),
        ({"frame_ms": 30}, "frame_ms: 30 is none of 20, 40, 60, 100"),
        ({"frame_ms": 20.0}, "frame_ms: 20.0 is none of"),
        ({"camel_keys": "yes"}, "camel_keys: 'yes' is none of off, top, full"),
        ({"verify_tls": 1}, "verify_tls: 1 is not true or false"),
        ({"max_seconds": "60"}, "max_seconds: '60' is not a whole number"),
        ({"max_seconds": True}, "max_seconds: True is not a whole number"),
        ({"max_seconds": 0}, "max_seconds: 0 is less than 1"),
        ({"connect_retries": -1}, "connect_retries: -1 is less than 0"),
        ({"user_agent": 5}, "user_agent: 5 is not a text"),
        ({"ca_file": 5}, "ca_file: 5 is not a text"),
        ({"media_format": "audio/L16"}, "media_format: 'audio/L16' is none of auto, audio/x-mulaw"),
        ({"custom_parameters": "a=1,b"}, "custom_parameters: 'b' is not key=value"),
        ({"custom_parameters": "=1"}, "custom_parameters: '=1' is not key=value"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_may_be(
    settings: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        WireProfile.from_mapping(settings)
    assert str(caught.value).startswith(text)


def test_a_profile_is_overridden_by_texts_of_a_flow() -> None:
    house = WireProfile(frame_ms=20, connect_retries=3)
    assert house.overridden("", {}) is house
    changed = house.overridden("", {"verify_tls": "false", "max_seconds": "60", "ca_file": "/x"})
    assert (changed.frame_ms, changed.connect_retries) == (20, 3)
    assert (changed.verify_tls, changed.max_seconds, changed.ca_file) == (False, 60, "/x")
    assert house.overridden("docs", {"frame_ms": "60"}).frame_ms == 60
    assert house.overridden("docs", {}) == PRESETS["docs"]


@pytest.mark.parametrize(
    ("preset", "texts", "text"),
    [
        ("other", {}, "preset: 'other' is none of"),
        ("", {"frame_ms": "30"}, "frame_ms: 30 is none of"),
        ("", {"frame_ms": "x"}, "frame_ms: 'x' is none of"),
        ("", {"max_seconds": "9" * 5000}, "max_seconds: '999"),
        ("", {"max_seconds": "٣"}, "max_seconds: '٣' is not a whole number"),
        ("", {"verify_tls": "yes"}, "verify_tls: 'yes' is not true or false"),
        ("", {"nothing": "1"}, "nothing: there is no such setting"),
    ],
)
def test_a_wrong_text_of_a_flow_is_named(preset: str, texts: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WireProfile().overridden(preset, texts)
    assert str(caught.value).startswith(text)


words = st.text(alphabet="abc =%&", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.dictionaries(words.filter(lambda key: "=" not in key), words, max_size=5))
def test_a_comma_list_is_read_as_it_was_written_cx12(pairs: dict[str, str]) -> None:
    text = " , ".join(f"{key} = {value}" for key, value in pairs.items())
    assert {key: value for _, key, value in comma_pairs(text)} == pairs
    assert WireProfile.from_mapping({"custom_parameters": text}).custom_parameters == text


@given(st.text(max_size=40))
def test_any_comma_list_is_taken_or_refused_cx12(text: str) -> None:
    if all(key and "=" in raw for raw, key, _ in comma_pairs(text)):
        WireProfile.from_mapping({"custom_parameters": text})
        return
    with pytest.raises(ConfigError, match="custom_parameters: "):
        WireProfile.from_mapping({"custom_parameters": text})
