"""Events as messages of our contract, and of one that a receiver brings (LD-2, LD-3)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from grpc_tools import protoc

from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_transport import EventPost
from agentstream.hooks.grpc_contract import MappedContract, OwnContract
from agentstream.net.leg_events_v1 import METHOD, proto
from agentstream.net.leg_events_v1.leg_events_pb2 import DESCRIPTOR, CallbackEvent

PACKAGE = Path("agentstream/net/leg_events_v1")
SRC = Path(__file__).parents[2] / "src"
WELL_KNOWN = f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}"
AT = datetime(2027, 1, 12, 10, 4, 6, tzinfo=UTC)
LEG: dict[str, Any] = {
    "leg_sid": "leg1",
    "account_sid": "acme7",
    "contact_uri": "+912240000017",
    "exophone": "+918000000042",
    "state": "in-progress",
    "start_time": "2026-03-04T05:06:18.900Z",
    "end_time": None,
    "date_created": "2026-03-04T05:06:08.001Z",
    "date_updated": "2026-03-04T05:06:19.400Z",
    "custom_param": None,
    "direction": "outbound",
    "network_type": "pstn",
    "terminal_status": None,
    "bridge_sid": None,
}
EVENT: dict[str, Any] = {
    "event_sid": "ev-77c1",
    "event_type": "leg_action_event",
    "event_name": "stream_initiated",
    "event_timestamp": "2026-03-04T05:06:19.412Z",
    "action_sid": "act1",
    "action_custom_parameter": None,
    "event_data": {"data": {"stream_type": "bidirectional", "elapsed": 12, "none": None}},
    "data": LEG,
    "sequence": 5,
    "verb_index": 0,
}
THEIRS = """
syntax = "proto3";
package acme;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
service Calls { rpc TriggerCallbackEvent(Told) returns (Fine); }
message Told {
  string id = 1; Leg leg = 2; google.protobuf.Timestamp at = 3; string more = 4;
  google.protobuf.Struct all = 5; int32 number = 6; string attempt = 7;
}
message Leg { string id = 1; }
message Fine {}
"""


def post_of(event: dict[str, Any], number: int = 2) -> EventPost:
    return EventPost(
        endpoint="grpc://events.example.test",
        account_sid=AccountSid("acme7"),
        event_sid=str(event["event_sid"]),
        body=json.dumps(event, ensure_ascii=False),
        number=number,
        at=AT,
    )


def own(event: dict[str, Any]) -> CallbackEvent:
    told: CallbackEvent = CallbackEvent.FromString(OwnContract().message(post_of(event)))
    return told


def test_an_event_of_a_leg_is_told_whole_ld_2() -> None:
    told = MessageToDict(own(EVENT), preserving_proto_field_name=True)
    assert told == {
        "event_sid": "ev-77c1",
        "event_type": "leg_action_event",
        "event_name": "stream_initiated",
        "event_timestamp": "2026-03-04T05:06:19.412Z",
        "action_sid": "act1",
        "event_data": EVENT["event_data"],
        "leg": {key: value for key, value in LEG.items() if value is not None},
        "sequence": "5",
        "attempt": 2,
        "verb_index": 0,
    }
    assert OwnContract().method == METHOD


def test_the_numbers_of_the_fields_are_those_of_the_published_contract_ld_2() -> None:
    kinds = DESCRIPTOR.message_types_by_name
    numbers = {
        kind: {field.name: field.number for field in kinds[kind].fields}
        for kind in ("CallbackEvent", "BridgeSnapshot", "CallbackAck")
    }
    assert numbers == {
        "CallbackEvent": {
            "event_sid": 1,
            "event_type": 2,
            "event_name": 3,
            "event_timestamp": 4,
            "action_sid": 5,
            "action_custom_parameter": 6,
            "event_data": 7,
            "leg": 8,
            "bridge": 9,
            "sequence": 10,
            "attempt": 11,
            "verb_index": 12,
        },
        "BridgeSnapshot": {
            "bridge_sid": 1,
            "account_sid": 2,
            "state": 3,
            "leg_sids": 4,
            "leg_sid": 5,
            "terminal_status": 6,
            "start_time": 7,
            "end_time": 8,
            "date_created": 9,
            "date_updated": 10,
            "active_legs": 11,
        },
        "CallbackAck": {"accepted": 1, "message": 2},
    }
    snapshot = sorted(kinds["LegSnapshot"].fields, key=lambda field: field.number)
    assert {field.name for field in snapshot} == set(LEG)
    assert [field.name for field in snapshot][-2:] == ["date_updated", "bridge_sid"]
    assert [field.number for field in snapshot] == list(range(1, 15))


@pytest.mark.parametrize("event_type", ["bridge_lifecycle_event", "leg_action_event"])
def test_an_event_of_a_bridge_shows_the_bridge_ld_2(event_type: str) -> None:
    bridge = {
        "bridge_sid": "b1",
        "account_sid": "a",
        "state": "active",
        "leg_sids": ["x", "y"],
        "active_legs": ["y"],
        "terminal_status": None,
        "start_time": "2026-03-04T05:06:18.900Z",
        "end_time": None,
    }
    told = own({**EVENT, "event_type": event_type, "data": bridge})
    assert told.WhichOneof("subject") == "bridge"
    shown = MessageToDict(told.bridge, preserving_proto_field_name=True)
    assert shown == {key: value for key, value in bridge.items() if value is not None}


def test_half_of_a_surrogate_pair_spoils_no_event() -> None:
    told = own({**EVENT, "data": {**LEG, "custom_param": "a\ud800b"}})
    assert told.leg.custom_param == "a?b"


def test_the_generated_code_is_that_of_the_contract(tmp_path: Path) -> None:
    ways = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    status = protoc.main(
        ["", f"--proto_path={SRC}", WELL_KNOWN, *ways, str(SRC / PACKAGE / "leg_events.proto")]
    )
    assert status == 0
    for name in ("leg_events_pb2.py", "leg_events_pb2.pyi", "leg_events_pb2_grpc.py"):
        fresh, kept = (tmp_path / PACKAGE / name).read_text(), (SRC / PACKAGE / name).read_text()
        assert fresh == kept, f"{name}: run scripts/protos"
    assert proto() == (SRC / PACKAGE / "leg_events.proto").read_text()


@pytest.fixture
def descriptor(tmp_path: Path) -> Path:
    """What a receiver's protoc writes."""
    (tmp_path / "theirs.proto").write_text(THEIRS)
    written = tmp_path / "theirs.binpb"
    wanted = ["--include_imports", f"--descriptor_set_out={written}", "theirs.proto"]
    assert protoc.main(["", f"--proto_path={tmp_path}", WELL_KNOWN, *wanted]) == 0
    return written


def test_a_receivers_own_contract_is_filled_by_a_map_ld_3(descriptor: Path) -> None:
    mapping = {
        "id": "event_sid",
        "leg.id": "data.leg_sid",
        "at": "event_timestamp",
        "more": "event_data.data",
        "all": "data",
        "number": "sequence",
        "attempt": "attempt",
    }
    contract = MappedContract(descriptor, "/acme.Calls/TriggerCallbackEvent", mapping)
    assert contract.method == "/acme.Calls/TriggerCallbackEvent"
    pool = descriptor_pool.DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(descriptor.read_bytes()).file:
        pool.Add(one)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.Told"))
    told = MessageToDict(kind.FromString(contract.message(post_of(EVENT))))
    assert told.pop("all")["exophone"] == "+918000000042"
    assert told == {
        "id": "ev-77c1",
        "leg": {"id": "leg1"},
        "at": "2026-03-04T05:06:19.412Z",
        "more": '{"stream_type":"bidirectional","elapsed":12,"none":null}',
        "number": 5,
        "attempt": "2",
    }
    empty = contract.message(post_of({**EVENT, "data": None, "event_data": {}}))
    assert kind.FromString(empty).leg.id == ""


def test_what_does_not_fit_a_field_is_said_ld_3(descriptor: Path) -> None:
    contract = MappedContract(descriptor, "/acme.Calls/TriggerCallbackEvent", {"number": "data"})
    with pytest.raises(ConfigError, match=r"the mapping of /acme.Calls/Trigger.* does not fit"):
        contract.message(post_of(EVENT))


@pytest.mark.parametrize(
    ("method", "mapping", "says"),
    [
        ("/acme.Calls/Other", {"id": "event_sid"}, "has no method /acme.Calls/Other"),
        ("/acme.Others/TriggerCallbackEvent", {"id": "event_sid"}, "has no method"),
        ("/acme.Calls/TriggerCallbackEvent", {"leg.sid": "x"}, "acme.Told has no field leg.sid"),
        ("/acme.Calls/TriggerCallbackEvent", {"id.of": "x"}, "acme.Told has no field id.of"),
        ("/acme.Calls/TriggerCallbackEvent", {}, "needs a mapping"),
    ],
)
def test_a_map_that_cannot_be_is_named_at_the_start_ld_3(
    descriptor: Path, method: str, mapping: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        MappedContract(descriptor, method, mapping)


def test_a_file_that_is_no_descriptor_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        MappedContract(tmp_path / "none", METHOD, {"a": "b"})
    (tmp_path / "text").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ConfigError, match="no descriptor set"):
        MappedContract(tmp_path / "text", METHOD, {"a": "b"})
