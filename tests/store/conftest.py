"""Every store, so that each test of the doors runs on both real databases and on their double."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentstream.store.protocols import Store
from agentstream.store.sql_store import open_store
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.postgres_server import (
    PostgresServer,
    running_postgres,
    why_no_postgres,
)
from agentstream.testing.s3_server import S3Server, running_s3, why_no_s3s


@pytest.fixture(params=["sqlite", "postgres", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        opened: Store = MemoryStore(country_code="91")
    else:
        url = await fresh_url(request, tmp_path)
        opened = await open_store(tmp_path, url, country_code="91")
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database."""
    return await fresh_url(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres", "memory"])
async def database_url_or_none(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Give the URL of an empty database, or None: the doubles are tested."""
    return None if request.param == "memory" else await fresh_url(request, tmp_path)


async def fresh_url(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{folder}/x.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.fresh_database()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a real PostgreSQL server."""
    why = why_no_postgres()
    if why:
        pytest.skip(why)
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def s3s_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if why_no_s3s():
        pytest.skip(why_no_s3s())
    with running_s3(tmp_path_factory.mktemp("s3s"), kind="s3s") as server:
        yield server


@pytest.fixture
def moto(moto_process: S3Server) -> S3Server:
    """Give the S3-compatible server that knows the most, with an empty bucket."""
    return moto_process.fresh_bucket()


@pytest.fixture(params=["moto", "s3s"])
def s3(request: pytest.FixtureRequest) -> S3Server:
    """Give each real S3-compatible server with an empty bucket."""
    process: S3Server = request.getfixturevalue(f"{request.param}_process")
    return process.fresh_bucket()
