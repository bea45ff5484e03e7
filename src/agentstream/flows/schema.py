"""The JSON Schema of flow documents, made from the code that reads them."""

import json
from collections.abc import Iterable
from typing import Any

from agentstream.flows.applet import Settings
from agentstream.flows.applets import KINDS
from agentstream.flows.document import Head

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def flow_schema(kinds: Iterable[type[Settings]] = KINDS) -> dict[str, Any]:
    """Return the schema; what it cannot say (exits that lead nowhere, loops) `parse` checks."""
    definitions: dict[str, Any] = {}
    for kind in kinds:
        definitions[kind.kind] = _applet_schema(kind, definitions)
    schema = Head.model_json_schema()
    schema["properties"]["applets"]["propertyNames"] = {"pattern": "^[A-Za-z0-9_-]{1,64}$"}
    schema["properties"]["applets"]["additionalProperties"] = {
        "oneOf": [{"$ref": f"#/$defs/{kind.kind}"} for kind in kinds]
    }
    return {
        "$schema": DIALECT,
        "title": "AgentStream call flow",
        **_untitled(schema),
        "$defs": dict(sorted(definitions.items())),
    }


def flow_schema_text() -> str:
    """Return the schema as it is published in docs/flow.schema.json."""
    return json.dumps(flow_schema(), indent=2, ensure_ascii=False) + "\n"


def _applet_schema(kind: type[Settings], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _untitled(kind.model_json_schema())
    definitions.update(schema.pop("$defs", {}))
    schema["properties"] = {"type": {"const": kind.kind}, **schema["properties"]}
    schema["required"] = ["type", *schema.get("required", [])]
    return schema


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop the titles that repeat the names."""
    without = {key: value for key, value in schema.items() if key != "title"}
    for key in ("properties", "$defs"):
        if key in without:
            without[key] = {name: _untitled(value) for name, value in without[key].items()}
    return without
