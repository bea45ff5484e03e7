"""The store on SQL: opens the database, brings its tables up to date, and holds the doors."""

from pathlib import Path

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.ids import RandomTokens, Tokens
from agentstream.store import revisions
from agentstream.store.call_events import SqlCallEvents
from agentstream.store.database import BUSY_TIMEOUT_MS, Database, open_database
from agentstream.store.files import DATABASE_FILE, NODE_FILE, SECRET_FILE
from agentstream.store.key_hash import link_key, load_secret, operator_token
from agentstream.store.secret_text import SecretTexts
from agentstream.store.sip_traces import SqlSipTraces
from agentstream.store.sql_accounts import SqlAccounts
from agentstream.store.sql_audit import SqlAudit
from agentstream.store.sql_calls import SqlCalls
from agentstream.store.sql_first_results import SqlFirstResults
from agentstream.store.sql_flows import SqlFlows
from agentstream.store.sql_legs import SqlLegs
from agentstream.store.sql_numbers import SqlNumbers
from agentstream.store.sql_outbox import SqlOutbox
from agentstream.store.sql_placed_calls import SqlPlacedCalls, load_node
from agentstream.store.sql_recordings import SqlRecordings
from agentstream.store.sql_trunks import SqlTrunks


class SqlStore:
    """All the doors of one database; make it with `open_store`."""

    def __init__(
        self,
        database: Database,
        secret: bytes,
        node: str,
        *,
        country_code: str = "",
        clock: Clock | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        clock, tokens = clock or SystemClock(), tokens or RandomTokens()
        self._database = database
        self.operator_token = operator_token(secret)
        self.link_key = link_key(secret)
        self.accounts = SqlAccounts(database, secret, clock, tokens)
        self.numbers = SqlNumbers(database, clock, country_code)
        self.flows = SqlFlows(database, clock, tokens)
        self.calls = SqlCalls(database)
        self.recordings = SqlRecordings(database)
        self.call_events = SqlCallEvents(database)
        self.sip_traces = SqlSipTraces(database)
        self.legs = SqlLegs(database)
        self.outbox = SqlOutbox(database)
        self.audit = SqlAudit(database)
        self.first_results = SqlFirstResults(database)
        self.trunks = SqlTrunks(database, SecretTexts(secret))
        self.placed = SqlPlacedCalls(database, node, tokens.hex(), clock)

    async def revision(self) -> int:
        """Return a number that grows whenever what the directory holds changes."""
        async with self._database.read() as connection:
            return await revisions.current(connection)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._database.close()


async def open_store(
    data_dir: Path,
    database_url: str = "",
    *,
    country_code: str = "",
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
) -> SqlStore:
    """Open the store in a folder, migrated and ready; `database_url` "" is SQLite in that folder.

    Raises ConfigError for a wrong URL or secret file, StoreError when the database does not answer.
    """
    secret = load_secret(data_dir / SECRET_FILE, RandomTokens())
    node = load_node(data_dir / NODE_FILE, RandomTokens())
    url = database_url or f"sqlite+aiosqlite:///{(data_dir / DATABASE_FILE).absolute()}"
    database = open_database(url, busy_timeout_ms)
    try:
        await database.migrate()
    except BaseException:
        await database.close()
        raise
    return SqlStore(database, secret, node, country_code=country_code)
