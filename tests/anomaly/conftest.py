"""Bad nights: a whole node, its far ends, and what must be true when the night is over."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Keep the log's lines: they are many, and a test may look at them."""
    with structlog.testing.capture_logs() as lines:
        yield lines
