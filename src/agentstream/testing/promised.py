"""Holds real messages against /asyncapi.json: what is on the wire is there, and nothing else.

check("botStart", message)
assert kind_of(message, TO_BOT) == "botStart"
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from agentstream.api.asyncapi.document import document


def check(name: str, payload: object) -> None:
    """Raise ValidationError unless a message is exactly as the document says."""
    _validator(name).validate(payload)


def kind_of(payload: object, names: Iterable[str]) -> str:
    """Return the one message of these that it is; an AssertionError when it is none, or several."""
    kinds = [name for name in names if _validator(name).is_valid(payload)]
    assert len(kinds) == 1, (payload, kinds)
    return kinds[0]


@cache
def _validator(name: str) -> Draft202012Validator:
    components = document()["components"]
    payload = components["messages"][name]["payload"]
    schema = {**closed(payload), "components": {"schemas": closed(components["schemas"])}}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def closed(schema: Any) -> Any:  # noqa: ANN401  (any JSON)
    """Return a schema whose objects have no members but those that it names.

    The document itself lets messages grow; a test must not.
    """
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    is_object = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    if is_object and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner
