"""The published JSON Schema is the one that the code makes."""

from pathlib import Path

from agentstream.flows.applets import KINDS
from agentstream.flows.schema import flow_schema, flow_schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "flow.schema.json"


def test_the_published_schema_is_current() -> None:
    # python -c 'from agentstream.flows.schema import *; print(flow_schema_text(), end="")'
    assert PUBLISHED.read_text() == flow_schema_text(), "make docs/flow.schema.json again"


def test_every_kind_of_applet_is_in_the_schema_with_its_fields_described() -> None:
    schema = flow_schema()
    for kind in KINDS:
        properties = schema["$defs"][kind.kind]["properties"]
        assert properties["type"] == {"const": kind.kind}
        assert set(properties) == {"type", *kind.model_fields}
        described = (field["description"] for name, field in properties.items() if name != "type")
        assert all(described)
    one_of = schema["properties"]["applets"]["additionalProperties"]["oneOf"]
    assert len(one_of) == len(KINDS)
