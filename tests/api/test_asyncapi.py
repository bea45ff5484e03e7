"""/asyncapi.json is AsyncAPI 3, and says what is really written and read on the bot's wire."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError
from websockets.asyncio.client import connect

from agentstream.api.asyncapi.bot_messages import FROM_BOT, TO_BOT
from agentstream.api.asyncapi.document import document
from agentstream.bot import Audio, Call, listen
from agentstream.stream import messages
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import Resume, StreamOrder
from agentstream.stream.profile import PRESETS, WireProfile
from agentstream.testing.promised import check, kind_of

# The grammar of AsyncAPI 3.0.0 out of the npm package @asyncapi/specs 6.11.1 (Apache-2.0), without
# its explanations.
GRAMMAR = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
ORDER = StreamOrder(
    "9f27c1d0a4b84b6fa1c3e5d7091b2c3d",
    "51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
    "greenleaf1",
    "wss://bot.example.net/ws",
    "+919876500001",
    "+918040000002",
)
FILLED = {
    messages.SEQ: "7",
    messages.CHUNK: "3",
    messages.TIMESTAMP_MS: "300",
    messages.PAYLOAD: "AAAA",
    messages.MARK_NAME: 'a \\"name\\"',
    messages.PLAYED_MS: "1240",
    messages.TRACK: "outbound",
}
PROFILES = [
    *PRESETS.values(),
    WireProfile(numbers_as="number", camel_keys="top"),
    WireProfile(camel_keys="full", always_send_custom_parameters=True, reconnect_attempts=2),
    WireProfile(marks_carry_played_ms=True, marks_carry_cleared=True, acknowledge_clear=True),
    WireProfile(custom_parameters_in="connected"),
]


async def test_the_document_is_asyncapi_3(site: Any) -> None:
    answer = await site.client.get("/asyncapi.json")
    shown = answer.json()
    assert shown == document()
    assert answer.headers["access-control-allow-origin"] == "*"
    Draft7Validator(json.loads(GRAMMAR.read_text())).validate(shown)
    with pytest.raises(ValidationError):  # so that the grammar itself is one that refuses
        Draft7Validator(json.loads(GRAMMAR.read_text())).validate({**shown, "operations": [1]})


async def test_it_is_linked_from_the_page(site: Any) -> None:
    about = (await site.client.get("/openapi.json")).json()["info"]["description"]
    for path in ("/asyncapi.json", "/docs/leg_events.proto"):
        assert f"({path})" in about
        assert (await site.client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs/leg_events.proto", "/agentstream/legs/v1/leg_events.proto"]
)
async def test_the_contract_of_grpc_can_be_fetched_ld_2(site: Any, path: str) -> None:
    answer = await site.client.get(path)
    assert answer.headers["content-type"].startswith("text/plain")
    assert "package agentstream.legs.v1;" in answer.text
    assert "rpc TriggerCallbackEvent(CallbackEvent) returns (CallbackAck);" in answer.text


def test_every_reference_leads_somewhere_and_every_message_is_used() -> None:
    whole = document()
    found = set(references(whole))
    for reference in found:
        place: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    names = {one.rpartition("/")[2] for one in found if one.startswith("#/components/messages/")}
    assert names == set(whole["components"]["messages"])
    told = {
        one["$ref"].rpartition("/")[2]
        for operation in whole["operations"].values()
        for one in [*operation["messages"], *operation.get("reply", {}).get("messages", ())]
    }
    assert told == names


def test_every_payload_is_a_schema_and_every_example_one_of_it() -> None:
    examples = 0
    for name, message in document()["components"]["messages"].items():
        Draft202012Validator.check_schema(message["payload"])
        for example in message.get("examples", ()):
            check(name, example["payload"])
            examples += 1
    assert examples > 8


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("audio", [messages.Audio(), messages.Audio("mulaw", 8000, "both", True)])
def test_what_is_written_to_bots_is_what_the_document_says(
    profile: WireProfile, audio: messages.Audio
) -> None:
    pairs = (("order", "7781"),)
    written = {
        "botConnected": exotel.write_connected(pairs, profile),
        "botStart": exotel.write_start(ORDER, pairs, audio, profile, Resume(1_240)),
        "botMedia": exotel.write_media_template(ORDER, audio, profile),
        "botDtmf": exotel.write_dtmf(ORDER, profile, "#", 120),
        "botMarkHeard": exotel.write_mark_template(ORDER, profile)
        or exotel.write_mark(ORDER, profile, "greeting", 1_240, cleared=True),
        "botStop": exotel.write_stop(ORDER, profile, "callended"),
        "botCleared": exotel.write_cleared(ORDER, profile, 1_240, 2_600),
        "botAck": exotel.write_ack(ORDER, profile, "transfer", 8, "not a number"),
        "botSilence": exotel.write_silence(ORDER, profile, 2_000),
    }
    assert set(written) == set(TO_BOT)
    for name, template in written.items():
        assert kind_of(json.loads(filled(template)), TO_BOT) == name


async def test_what_the_sdk_says_is_what_the_document_says() -> None:
    async def talk(call: Call) -> None:
        async for event in call:
            if isinstance(event, Audio):
                await call.play(event.pcm)
                await call.mark("greeting")
                await call.clear()
                await call.hang_up(after_mark="greeting", ask_id="7")
                await call.transfer("+14155550100", ask_id=8)
                await call.transfer(flow="support")
                await call.send_dtmf("12#")
                await call.set_rate(16_000)
                await call.stop()
                return

    profile, audio = WireProfile(), messages.Audio()
    async with listen(talk) as bot, connect(bot.url) as socket:
        for template in (
            exotel.write_connected(),
            exotel.write_start(ORDER, (), audio, profile),
            exotel.write_media_template(ORDER, audio, profile),
        ):
            await socket.send(filled(template).replace("AAAA", "AAAAAAAA"))
        kinds = [kind_of(json.loads(text), FROM_BOT) async for text in socket]
    assert kinds == [
        "botSays",
        "botMark",
        "botClear",
        "botHangup",
        "botTransfer",
        "botTransfer",
        "botSendDtmf",
        "botSetRate",
        "botEnd",
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"event": "media", "media": {}},
        {"event": "media", "media": {"payload": "no base64!"}},
        {"event": "mark"},
        {"event": "transfer", "transfer": {"to": "+1415", "flow": "support"}},
        {"event": "send_dtmf", "send_dtmf": {"digits": "1x"}},
        {"event": "set_rate", "set_rate": {"sample_rate": 11_025}},
        {"event": "song"},
    ],
)
def test_what_a_bot_must_not_say_is_none_of_its_messages(message: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        kind_of(message, FROM_BOT)


def filled(template: str) -> str:
    for place, value in FILLED.items():
        template = template.replace(place, value)
    return template


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
