"""What /openapi.json says of a request."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from agentstream.api.app import create_app
from agentstream.api.doors import Doors
from agentstream.api.live import LiveHub
from agentstream.switch.feed import Feed
from agentstream.testing.memory_store import MemoryStore


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    doors = Doors(
        accounts=MemoryStore().accounts,
        live=LiveHub(Feed()),
        why_not_ready=lambda: "",
        metrics=lambda: b"",
        active_streams=lambda _: 0,
        operator_token="",
    )
    return create_app(doors).openapi()


@pytest.fixture(scope="session")
def operation(document: dict[str, Any]) -> Callable[[str, str], dict[str, Any]]:
    """Give what tells of a method and a path; paths are the same in any case (CC-5)."""

    def told(method: str, path: str) -> dict[str, Any]:
        plain = path.lower().removesuffix(".json")
        for template, operations in document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template.lower()), plain):
                found: dict[str, Any] = operations[method.lower()]
                return found
        raise AssertionError(f"{method} {path} is not in the document")

    return told
