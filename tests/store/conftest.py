"""Both stores, so that each test of the doors runs on the real database and on its double."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentstream.store.protocols import Store
from agentstream.store.sql_store import open_store
from agentstream.testing.memory_store import MemoryStore


@pytest.fixture(params=["sql", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = (
        await open_store(tmp_path, country_code="91")
        if request.param == "sql"
        else MemoryStore(country_code="91")
    )
    yield opened
    await opened.close()
