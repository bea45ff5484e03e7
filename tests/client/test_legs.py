"""The client asks of legs and bridges what the API's own document describes."""

from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator

from agentstream.client import (
    ActOnBridge,
    ActOnLeg,
    Ask,
    ChangeBridge,
    ChangeLeg,
    Client,
    CreateBridge,
    CreateLeg,
    EndBridge,
    EndLeg,
    ReadBridge,
    ReadBridgeEvents,
    ReadLeg,
    ReadLegEvents,
    RefusedError,
    RunOnBridge,
    RunOnLeg,
)
from agentstream.client.bridge_asks import BridgeAction
from agentstream.client.leg_asks import LegAction, Section
from agentstream.flows.bridges.reading import ACTIONS as BRIDGE_ACTIONS
from agentstream.flows.bridges.reading import read_bridge_action, read_bridge_exoml
from agentstream.flows.legs.exoml import read_exoml
from agentstream.flows.legs.json_actions import ACTIONS, read_action

HOOK = "https://hooks.example/legs"
SAY = "<Flow><StartSay>One moment.</StartSay></Flow>"
STREAM = {"direction": "bidirectional", "url": "wss://bots.example/ws"}
SAYS = {"text": "One moment."}
LEG = CreateLeg(
    contact_uri="+919876500001",
    exophone="08040000002",
    event_endpoint=HOOK,
    network="pstn",
    custom_param="order-5531",
    timeout_s=20,
    setup_timeout_s=5,
    ring_timeout_s=15,
    limit_s=600,
    beside_leg_sid="l2",
    amd="async",
    idempotency_key="k1",
)
ASKS: list[Ask[Any]] = [
    LEG,
    CreateLeg(contact_uri="sip:ann@pbx.example", exophone="08040000002", event_endpoint="stream:"),
    ReadLeg("l1"),
    ReadLeg("l1", ("hold_status", "play_status")),
    ChangeLeg(sid="l1", custom_param="", event_endpoint=HOOK, limit_s=60),
    EndLeg("l1"),
    ActOnLeg("l1", "start_stream", STREAM, "bot"),
    ActOnLeg("l1", "stop_stream"),
    RunOnLeg("l1", SAY, "hello"),
    ReadLegEvents("l1"),
    ReadLegEvents("l1", "leg_answered"),
    CreateBridge(),
    CreateBridge(
        leg_sids=("l1", "l2"),
        event_endpoint=HOOK,
        absorbs_keys=True,
        max_participants=4,
        records=True,
        idempotency_key="k1",
    ),
    ReadBridge("b1"),
    ChangeBridge(sid="b1", event_endpoint=HOOK, absorbs_keys=False, max_participants=3),
    EndBridge("b1"),
    EndBridge("b1", hangs_up=True),
    ActOnBridge("b1", "start_say", SAYS, "all"),
    RunOnBridge("b1", SAY),
    ReadBridgeEvents("b1", "bridge_terminal"),
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_every_request_is_one_that_the_document_describes(
    ask: Ask[Any], operation: Callable[[str, str], dict[str, Any]]
) -> None:
    sent = ask.request("acct1")
    told = operation(sent.method, sent.path)
    known = {one["name"] for one in told.get("parameters", ()) if one["in"] == "query"}
    assert known >= set(sent.query)
    headers = {one["name"] for one in told.get("parameters", ()) if one["in"] == "header"}
    assert ("Idempotency-Key" in headers) >= bool(sent.idempotency_key)
    assert ("requestBody" in told) == (sent.json is not None)
    if sent.json is not None:
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator(schema).validate(dict(sent.json))
        if not schema.get("additionalProperties"):
            assert set(schema["properties"]) >= set(sent.json)


def test_every_field_of_a_leg_and_a_bridge_is_sent(
    operation: Callable[[str, str], dict[str, Any]],
) -> None:
    """`priority` names one queue (LG-34), the codes nothing (LG-40), `bridge_type` one word."""
    unsaid = {"priority", "requested_dc_code", "requested_nso_code", "bridge_type"}
    for ask in (LEG, next(ask for ask in ASKS if isinstance(ask, CreateBridge) and ask.leg_sids)):
        sent = ask.request("acct1")
        body = operation("POST", sent.path)["requestBody"]["content"]["application/json"]
        assert set(body["schema"]["properties"]) - unsaid == set(sent.json or ())
        assert sent.idempotency_key == "k1"


def test_the_words_are_those_of_the_server(
    operation: Callable[[str, str], dict[str, Any]],
) -> None:
    names = {one["name"] for one in operation("GET", "/v2/accounts/a/legs/l")["parameters"]}
    assert set(get_args(Section)) <= names
    assert set(get_args(LegAction)) <= set(ACTIONS)
    assert set(get_args(BridgeAction)) <= set(BRIDGE_ACTIONS)


def test_actions_are_read_by_the_server_as_they_were_meant() -> None:
    stream = ActOnLeg("l1", "start_stream", STREAM).request("acct1").json
    say = ActOnBridge("b1", "start_say", SAYS).request("acct1").json
    assert stream == STREAM
    assert say == SAYS
    assert read_action("start_say", say) == read_bridge_action("start_say", say)
    document = str((RunOnLeg("l1", SAY).request("acct1").json or {})["exoml"])
    assert read_exoml(document) == read_bridge_exoml(document)


def test_names_that_people_chose_stay_within_their_part_of_the_path() -> None:
    assert EndLeg("../x").request("a/b").path == "/v2/accounts/a%2Fb/legs/..%2Fx"
    assert ReadBridge("../x").request("a/b").path == "/v2/accounts/a%2Fb/bridges/..%2Fx"


def test_the_body_goes_as_json_with_its_key() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        error = {"description": "exophone is not yours"}
        return httpx.Response(404, json={"response": {"error_data": error, "data": None}})

    with (
        Client("http://house", "acct1", "k", "t", httpx.MockTransport(answer)) as client,
        pytest.raises(RefusedError, match="exophone is not yours"),
    ):
        client.ask(LEG)
    assert asked[0].headers["content-type"] == "application/json"
    assert asked[0].headers["idempotency-key"] == "k1"
