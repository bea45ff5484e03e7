"""Both stores, so that each test of the doors runs on the real database and on its double."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentstream.store.protocols import Store
from agentstream.store.sql_store import open_store
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.s3_server import S3Server, running_s3


@pytest.fixture(params=["sql", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = (
        await open_store(tmp_path, country_code="91")
        if request.param == "sql"
        else MemoryStore(country_code="91")
    )
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_process: S3Server) -> S3Server:
    """Give a real S3-compatible server with an empty bucket."""
    return s3_process.fresh_bucket()
