"""What each known client reads of the opening messages and of media: section 12 of the dossier.

Every reader here is written from the table's words, as strict as the client is.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agentstream.stream.address import BotAddress, read_address
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import CHUNK, MARK_NAME, PAYLOAD, SEQ, TIMESTAMP_MS, StreamOrder
from agentstream.stream.plans import plan_socket
from agentstream.stream.profile import PRESETS, WireProfile

Message = dict[str, Any]
PCM = bytes(range(256)) * 2

ORDER = StreamOrder(
    "9f27c1d0a4b84b6fa1c3e5d7091b2c3d",
    "51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
    "greenleaf1",
    "wss://bots.example.net/ws?order=7781&sample-rate=16000",
    "+919876500001",
    "+918040000002",
)


def session(profile: WireProfile, order: StreamOrder = ORDER) -> list[Message]:
    """Give the messages of a short call: opening, ten chunks, a digit, a mark, the end."""
    bot = read_address(order.url, profile)
    assert isinstance(bot, BotAddress)
    plan = plan_socket(order, bot, profile)
    texts = [*plan.opening, *[plan.media_template] * 10]
    texts.append(exotel.write_dtmf(order, profile, "5", 100))
    texts.append(plan.mark_template)
    texts.append(exotel.write_stop(order, profile, "callended"))
    messages, sequence, chunk = [], 0, 0
    for template in texts:
        text = template
        if SEQ in text:
            sequence += 1
        if PAYLOAD in text:
            chunk += 1
        for placeholder, value in (
            (SEQ, str(sequence)),
            (CHUNK, str(chunk)),
            (TIMESTAMP_MS, str(chunk * plan.frame_ms)),
            (PAYLOAD, base64.b64encode(PCM).decode()),
            (MARK_NAME, "m-17"),
        ):
            text = text.replace(placeholder, value)
        messages.append(json.loads(text))
    return messages


def pipecat_detects(messages: list[Message]) -> str:
    """CL-1: exactly the first two messages, the other vendors asked first (AS-68)."""
    for message in messages[:2]:
        start = message.get("start", {})
        if message.get("event") == "start" and {"streamSid", "callSid"} <= set(start):
            return "twilio"
        if {"stream_id"} <= set(message) and "call_control_id" in start:
            return "telnyx"
        if {"streamId", "callId"} <= set(start):
            return "plivo"
        if message.get("event") == "start" and {"stream_sid", "call_sid", "account_sid"} <= set(
            start
        ):
            return "exotel"
    return "unknown"


def pipecat_runner(messages: list[Message]) -> None:
    """CL-1."""
    assert pipecat_detects(messages) == "exotel"
    start = messages[1]["start"]
    assert all(isinstance(start[key], str) for key in ("stream_sid", "call_sid", "account_sid"))
    assert (start["from"], start["to"]) != ("", "")
    assert start["custom_parameters"] == {"order": "7781"}


def pipecat_serializer(messages: list[Message]) -> None:
    """CL-2."""
    audio = b"".join(
        base64.b64decode(message["media"]["payload"], validate=True)
        for message in messages
        if message["event"] == "media"
    )
    assert audio == PCM * 10
    digits = [message["dtmf"]["digit"] for message in messages if message["event"] == "dtmf"]
    assert digits == ["5"]


def bolna(messages: list[Message]) -> None:
    """CL-3: stops listening on a timestamp that is no integer, drops media without a chunk."""
    start = next(message for message in messages if message["event"] == "start")
    assert start["start"]["call_sid"]
    assert start["start"]["stream_sid"]
    stamps = []
    for message in messages:
        if message["event"] == "media":
            assert "chunk" in message["media"]
            stamps.append(int(message["media"]["timestamp"]))
    assert stamps == sorted(stamps)
    assert [m["mark"]["name"] for m in messages if m["event"] == "mark"] == ["m-17"]
    assert messages[-1]["event"] == "stop"


def agent_stream_shared(messages: list[Message]) -> None:
    """CL-4: either key case, nested or flat start."""
    start = next(message for message in messages if message.get("event") == "start")
    body = start.get("start", start)
    assert body.get("stream_sid") or body.get("streamSid")
    media = next(message for message in messages if message["event"] == "media")["media"]
    assert media.get("payload") or media.get("Payload")
    assert messages[-1]["event"] in {"stop", "closed"}


def dograh(messages: list[Message]) -> None:
    """CL-5: closes with 4400 unless `connected` comes first; wants camel keys in `start`."""
    assert messages[0]["event"] == "connected"
    assert messages[1]["event"] == "start"
    assert messages[1]["start"]["streamSid"]
    assert messages[1]["start"]["callSid"]


def elevenlabs_bridge(messages: list[Message]) -> None:
    """CL-6: media_format with or without units."""
    media_format = messages[1]["start"]["media_format"]
    assert int("".join(filter(str.isdigit, media_format["sample_rate"]))) == 16000
    assert int("".join(filter(str.isdigit, media_format["bit_rate"]))) > 0
    assert messages[1]["start"]["from"]


def echo_bot(messages: list[Message]) -> None:
    """CL-7: logs sequence, chunk and timestamp, and sends the same media object back."""
    for message in messages:
        assert message["event"]
        if message["event"] == "media":
            assert {"chunk", "timestamp", "payload"} == set(message["media"])
            assert int(message["sequence_number"]) > 0


def voice_streaming_2021(messages: list[Message]) -> None:
    """CL-8, CL-21."""
    assert all(message["stream_sid"] == ORDER.stream_sid for message in messages[1:])


def vapi_connector(messages: list[Message]) -> None:
    """CL-9."""
    for message in messages:
        assert isinstance(message["event"], str)
        assert message["event"] == "connected" or message["sequence_number"]


CLIENTS: list[Callable[[list[Message]], None]] = [
    pipecat_runner,
    pipecat_serializer,
    bolna,
    agent_stream_shared,
    elevenlabs_bridge,
    echo_bot,
    voice_streaming_2021,
    vapi_connector,
]
PROFILES = {
    **PRESETS,
    "numbers": replace(PRESETS["docs"], numbers_as="number"),
    "camel on top": replace(PRESETS["default"], camel_keys="top"),
    "short frames": replace(PRESETS["default"], frame_ms=20),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_every_client_accepts_a_session_of_every_profile_cl1_to_cl9(
    client: Callable[[list[Message]], None], profile: WireProfile
) -> None:
    client(session(profile))


def test_dograh_needs_camel_keys_in_full_and_pipecat_cannot_have_them_cl5_cl20() -> None:
    full = session(replace(PRESETS["default"], camel_keys="full"))
    dograh(full)
    assert pipecat_detects(full) == "twilio"
    for client in CLIENTS[1:]:
        client(full)
    with pytest.raises(KeyError):
        dograh(session(PRESETS["default"]))


@pytest.mark.parametrize(
    ("rate_hz", "frame_ms"), [(r, f) for r in (8000, 16000, 24000) for f in (20, 100)]
)
def test_the_url_chooses_rate_and_frame_for_any_client_cl22(rate_hz: int, frame_ms: int) -> None:
    url = f"wss://b.example/?sample-rate={rate_hz}&frame-ms={frame_ms}"
    bot = read_address(url, PRESETS["default"])
    assert isinstance(bot, BotAddress)
    plan = plan_socket(replace(ORDER, url=url), bot, PRESETS["default"])
    assert (plan.rate_hz, plan.frame_ms) == (rate_hz, frame_ms)


def test_order_and_numbering_are_those_of_the_documents_as79_st34() -> None:
    messages = session(PRESETS["default"])
    assert [message["event"] for message in messages[:3]] == ["connected", "start", "media"]
    assert "sequence_number" not in messages[0]
    assert [messages[1]["sequence_number"], messages[2]["sequence_number"]] == ["1", "2"]
    assert messages[2]["media"]["chunk"] == "1"
