"""From an order, an address and settings to the plan of one socket: BX-1 to BX-3, OP-5, AS-144."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agentstream.stream.address import BotAddress, read_address
from agentstream.stream.messages import TRACK, Audio, SocketPlan, StreamOrder
from agentstream.stream.plans import CUSTOM_FIELD_LIMIT, audio_of, overruled, plan_socket
from agentstream.stream.profile import WireProfile

ORDER = StreamOrder("s" * 32, "c" * 32, "greenleaf1", "ws://b.example", "+911", "+912")


def address(query: str, profile: WireProfile | None = None) -> BotAddress:
    place = read_address(f"ws://b.example/{query}", profile or WireProfile())
    assert isinstance(place, BotAddress)
    return place


def plan(query: str = "", order: StreamOrder = ORDER, **settings: Any) -> SocketPlan:
    profile = WireProfile.from_mapping(settings)
    return plan_socket(order, address(query, profile), profile)


def opening(of: SocketPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    connected, start = (json.loads(text.replace("\x01", "1")) for text in of.opening)
    return connected, start["start"]


@pytest.mark.parametrize(
    ("media_format", "expected", "bytes_per_ms"),
    [
        ("auto", Audio("pcm16", 16000), 32),
        ("audio/x-mulaw;rate=8000", Audio("mulaw", 8000), 8),
        ("audio/L16;rate=8000", Audio("pcm16", 8000), 16),
        ("audio/L16;rate=16000", Audio("pcm16", 16000), 32),
        ("audio/L16;rate=24000", Audio("pcm16", 24000), 48),
    ],
)
def test_a_format_is_chosen_by_its_name_bx_1_cx_4_as_144(
    media_format: Any, expected: Audio, bytes_per_ms: int
) -> None:
    profile = WireProfile(media_format=media_format)
    audio = audio_of(ORDER, address("?sample-rate=16000"), profile)
    assert audio == expected
    assert audio.bytes_per_ms == bytes_per_ms


def test_leg_actions_are_mulaw_unless_a_format_is_set_as_144() -> None:
    order = replace(ORDER, encoding="mulaw")
    assert audio_of(order, address("?sample-rate=16000"), WireProfile()) == Audio("mulaw")
    linear = WireProfile(media_format="audio/L16;rate=16000")
    assert audio_of(order, address(""), linear) == Audio("pcm16", 16000)


def test_a_rate_that_is_left_aside_is_told_bx_1() -> None:
    bot = address("?sample-rate=16000")
    (text,) = overruled(bot, Audio("mulaw", 8000))
    assert text == "the stream is µ-law at 8000 Hz: sample-rate=16000 is left aside"
    assert "PCM at 24000" in overruled(bot, Audio("pcm16", 24000))[0]
    assert overruled(bot, Audio("pcm16", 16000)) == []
    assert overruled(address(""), Audio("mulaw", 8000)) == []


@pytest.mark.parametrize("two_way", [True, False])
def test_the_plan_has_the_format_in_both_kinds_of_stream_bx_1(two_way: bool) -> None:
    order = replace(ORDER, two_way=two_way)
    made = plan(order=order, media_format="audio/x-mulaw;rate=8000", media_format_profile="docs")
    assert (made.encoding, made.rate_hz, made.two_way) == ("mulaw", 8000, two_way)
    assert opening(made)[1]["media_format"]["encoding"] == "audio/x-mulaw"


def test_the_track_is_the_orders_and_not_said_by_default_bx_2() -> None:
    assert plan().track == "inbound"
    mixed = plan(order=replace(ORDER, track="mixed"))
    assert mixed.track == "mixed"
    assert "track" not in mixed.media_template


@pytest.mark.parametrize("track", ["inbound", "outbound", "mixed"])
def test_a_track_that_is_set_stands_in_media_bx_2(track: str) -> None:
    made = plan(order=replace(ORDER, track="both"), track=track)
    assert made.track == track
    assert f'"media":{{"track":"{track}","chunk"' in made.media_template


def test_two_tracks_are_told_apart_by_the_audio_path_bx_2() -> None:
    for made in (plan(track="both"), plan(order=replace(ORDER, track="both"))):
        assert made.track == "both"
        assert f'"track":"{TRACK}"' in made.media_template


def test_custom_parameters_may_come_in_connected_bx_3_cx_11() -> None:
    connected, start = opening(plan("?order=7781", custom_parameters_in="connected"))
    assert connected == {"event": "connected", "custom_parameters": {"order": "7781"}}
    assert "custom_parameters" not in start
    assert opening(plan(custom_parameters_in="connected"))[0] == {"event": "connected"}
    empty = plan(custom_parameters_in="connected", always_send_custom_parameters=True)
    assert opening(empty)[0]["custom_parameters"] == {}


def test_custom_parameters_may_be_a_comma_list_bx_3_cx_12() -> None:
    made = plan("?order=7781", custom_parameters="lang = hi, tier=a=b,")
    parameters = {"order": "7781", "lang": "hi", "tier": "a=b"}
    assert opening(made)[1]["custom_parameters"] == parameters
    assert made.target == "/?order=7781", "the address stays as it was given"


def test_the_comma_list_has_the_limits_of_the_address_as_27() -> None:
    profile = WireProfile(custom_parameters="b=2,c=3,d=4")
    bot = address("?a=1", profile)
    assert [key for key, _ in bot.custom_parameters] == ["a", "b", "c"]
    assert "4 custom parameters" in bot.warnings[0]


def test_the_custom_field_is_a_parameter_by_setting_op_5() -> None:
    order = replace(ORDER, custom_field="ticket 17")
    assert "custom_parameters" not in opening(plan(order=order))[1]
    made = plan("?order=7781", order=order, custom_field_parameter="CustomField")
    parameters = {"CustomField": "ticket 17", "order": "7781"}
    assert opening(made)[1]["custom_parameters"] == parameters
    own = plan("?CustomField=mine", order=order, custom_field_parameter="CustomField")
    assert opening(own)[1]["custom_parameters"] == {"CustomField": "mine"}
    assert "custom_parameters" not in opening(plan(custom_field_parameter="CustomField"))[1]


def test_a_custom_field_has_a_limit_op_5() -> None:
    order = replace(ORDER, custom_field="x" * 5_000)
    made = plan(order=order, custom_field_parameter="f")
    assert len(opening(made)[1]["custom_parameters"]["f"]) == CUSTOM_FIELD_LIMIT


@pytest.mark.parametrize("settings", [{"marks_carry_cleared": True}, {"max_mark_chars": 9}])
def test_marks_that_are_echoed_one_by_one_have_no_template_op_7(settings: dict[str, Any]) -> None:
    assert plan(**settings).mark_template == ""
    assert plan().mark_template
