"""Events as protobuf messages: those of our own contract, or those of a receiver's (LD-2, LD-3).

Import it only when an endpoint asks for it: it needs protobuf.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from agentstream.base.errors import ConfigError
from agentstream.hooks.event_transport import EventPost
from agentstream.net.leg_events_v1 import METHOD
from agentstream.net.leg_events_v1.leg_events_pb2 import CallbackEvent

_COPIED: Final = (
    "event_sid",
    "event_type",
    "event_name",
    "event_timestamp",
    "action_sid",
    "action_custom_parameter",
    "event_data",
    "sequence",
    "verb_index",
)


class OwnContract:
    """`leg_events.proto`, called under any name (LD-3)."""

    def __init__(self, method: str = METHOD) -> None:
        self.method = method

    def message(self, post: EventPost) -> bytes:
        """Return a CallbackEvent."""
        event = _event(post)
        told: dict[str, Any] = {name: event[name] for name in _COPIED if name in event}
        told["bridge" if _is_of_a_bridge(event) else "leg"] = event.get("data") or {}
        told["attempt"] = post.number
        return _filled(CallbackEvent(), told)


class MappedContract:
    """A contract of a receiver's own: its descriptor set, and where each of its fields comes from.

    `mapping` has the paths of fields of the method's request, and for each the path of a member of
    the event's JSON: {"event.id": "event_sid", "leg.id": "data.leg_sid"}. `attempt` is a member
    too. An object becomes a message, a Struct, or JSON where the field is a string.
    """

    def __init__(self, descriptor_file: Path, method: str, mapping: Mapping[str, str]) -> None:
        """Read the descriptor set (protoc --include_imports --descriptor_set_out).

        Raises ConfigError when it has no such method, or its request no such field.
        """
        self.method = method
        request = _request_of(_pool_of(descriptor_file), method)
        self._kind = message_factory.GetMessageClass(request)
        self._mapping = [
            (tuple(theirs.split(".")), tuple(ours.split(".")), _field(request, theirs))
            for theirs, ours in mapping.items()
        ]
        if not self._mapping:
            raise ConfigError("a descriptor needs a mapping of its fields")

    def message(self, post: EventPost) -> bytes:
        """Return the request of the receiver's method; raises ConfigError when it will not fit."""
        event = {**_event(post), "attempt": post.number}
        told: dict[str, Any] = {}
        for theirs, ours, field in self._mapping:
            value = _member(event, ours)
            if value is not None:
                _put(told, theirs, _suiting(value, field))
        try:
            return _filled(self._kind(), told)
        except json_format.ParseError as error:
            raise ConfigError(f"the mapping of {self.method} does not fit: {error}") from error


def _event(post: EventPost) -> dict[str, Any]:
    # Half of a surrogate pair, which a customer's text may have, has no place in UTF-8.
    event: dict[str, Any] = json.loads(post.body.encode("utf-8", "replace"))
    return event


def _filled(message: Any, told: Mapping[str, Any]) -> bytes:  # noqa: ANN401  (any message class)
    # Members that the contract does not know yet are left out; null leaves a field as it is.
    json_format.ParseDict(told, message, ignore_unknown_fields=True)
    return bytes(message.SerializeToString())


def _is_of_a_bridge(event: Mapping[str, Any]) -> bool:
    return event.get("event_type") == "bridge_lifecycle_event" or "leg_sids" in (
        event.get("data") or {}
    )


def _pool_of(file: Path) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
        for one in files.file:  # protoc writes each behind those that it imports
            pool.Add(one)
    except OSError as error:
        raise ConfigError(f"descriptor {file}: {error.strerror or error}") from error
    except (DecodeError, TypeError) as error:
        raise ConfigError(f"descriptor {file}: no descriptor set: {error}") from error
    return pool


def _request_of(pool: descriptor_pool.DescriptorPool, method: str) -> Descriptor:
    service, _, name = method.strip("/").rpartition("/")
    try:
        return pool.FindServiceByName(service).methods_by_name[name].input_type
    except (KeyError, TypeError) as error:
        raise ConfigError(f"the descriptor has no method {method}") from error


def _field(request: Descriptor, path: str) -> FieldDescriptor:
    kind: Descriptor | None = request
    field: FieldDescriptor | None = None
    for name in path.split("."):
        field = kind.fields_by_name.get(name) if kind is not None else None
        if field is None:
            raise ConfigError(f"{request.full_name} has no field {path}")
        kind = field.message_type
    assert field is not None
    return field


def _member(event: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401  (JSON)
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _put(told: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        told = told.setdefault(name, {})
    told[path[-1]] = value


def _suiting(value: Any, field: FieldDescriptor) -> Any:  # noqa: ANN401  (JSON)
    """Return a JSON value in the form in which protobuf's JSON has such a field."""
    if field.type != FieldDescriptor.TYPE_STRING:
        return value
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
