"""A real PostgreSQL for tests: a process of its own on loopback, in a folder that goes with it.

with running_postgres() as postgres:
    store = await open_store(folder, await postgres.fresh_database())
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from agentstream.testing.ports import HOST, await_listener, free_port

USER = "agentstream"
# What a crash would lose does not matter here.
_SETTINGS = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "unix_socket_directories="),
    *(f"listen_addresses={HOST}", "shared_buffers=16MB", "max_connections=50"),
)


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    port: int

    def url(self, database: str) -> str:
        """Return the address of a database, as operators write it."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    async def fresh_database(self, template: str = "template1") -> str:
        """Make a database, a copy of another one; returns its URL."""
        name = f"test_{secrets.token_hex(4)}"
        address = self.url("postgres").replace("postgresql:", "postgresql+asyncpg:")
        engine = create_async_engine(address, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        await engine.dispose()
        return self.url(name)


def why_no_postgres() -> str:
    """Return why no server can be run here; "" when one can."""
    if _binaries() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return ""


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server while the block runs; what it says is in `log` of its folder."""
    binaries, account = _binaries(), _account()
    assert binaries is not None, why_no_postgres()
    # Not pytest's folder: that is closed to the user that the server must run as.
    folder = Path(tempfile.mkdtemp(prefix="agentstream-postgres-"))
    try:
        if account is not None:
            os.chown(folder, account, -1)
        _make(binaries, folder, account)
        with _process(binaries, folder, account) as port:
            yield PostgresServer(port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(binaries: Path, folder: Path, account: int | None) -> None:
    command = [str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", USER]
    command += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
    made = subprocess.run(  # noqa: S603  (our own words)
        command, user=account, cwd=folder, capture_output=True, check=False, text=True
    )
    assert made.returncode == 0, made.stderr


@contextmanager
def _process(binaries: Path, folder: Path, account: int | None) -> Iterator[int]:
    port = free_port()
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    for setting in _SETTINGS:
        command += ["-c", setting]
    with (folder / "log").open("ab") as out:
        process = subprocess.Popen(  # noqa: S603  (our own words)
            command, user=account, cwd=folder, stdout=out, stderr=out
        )
    try:
        await_listener(port, process, folder / "log")
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # a fast end: it closes its connections
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _binaries() -> Path | None:
    """Return the folder of the newest server that is installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    found = str(debian[-1]) if debian else shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def _version(binary: Path) -> int:
    number = binary.parent.parent.name
    return int(number) if number.isdecimal() else 0


def _account() -> int | None:
    """Return the user that the server runs as when we are root; None: as we do."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return None
