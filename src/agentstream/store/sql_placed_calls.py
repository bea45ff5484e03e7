"""Placed calls in SQL, and the name by which a node finds its own after a crash."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import and_, delete, insert, or_, select, update

from agentstream.base.clock import Clock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import CallSid, Tokens
from agentstream.calls.record import CallSetup
from agentstream.store.database import Database
from agentstream.store.key_hash import make_file
from agentstream.store.placed_calls import LOST_AFTER, LOST_AT_ONCE, LostCall
from agentstream.store.tables import placed_calls

_SETUP: Final = TypeAdapter(CallSetup)
_ROW: Final = placed_calls.c
_log = structlog.get_logger("placed_calls")


class SqlPlacedCalls:
    """See `PlacedCalls`. `node` is the same in every run of a node, `run` in none."""

    def __init__(self, database: Database, node: str, run: str, clock: Clock) -> None:
        self._database = database
        self._node = node
        self._run = run
        self._clock = clock

    async def begin(self, setup: CallSetup) -> None:
        """Note a call before it is dialled; `Calls.write` of its record takes the note away."""
        row = {
            "sid": setup.call_sid,
            "node": self._node,
            "run": self._run,
            "setup": _SETUP.dump_json(setup).decode(),
            "seen_at": self._clock.wall(),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(placed_calls).values(row))

    async def forget(self, sid: CallSid) -> None:
        """Take the note of a call away that was not dialled after all, and leaves no record."""
        async with self._database.write() as connection:
            await connection.execute(delete(placed_calls).where(_ROW.sid == sid))

    async def beat(self) -> None:
        """Say that this process, and so its calls, live."""
        mine = update(placed_calls).where(_ROW.run == self._run)
        async with self._database.write() as connection:
            await connection.execute(mine.values(seen_at=self._clock.wall()))

    async def lost(self) -> Sequence[LostCall]:
        """Return some calls whose process is gone: an earlier one of this node, or another's."""
        is_before = and_(_ROW.node == self._node, _ROW.run != self._run)
        # A process that slept, as laptops do, comes back to calls that are still its own.
        is_silent = and_(_ROW.run != self._run, _ROW.seen_at < self._clock.wall() - LOST_AFTER)
        query = select(_ROW.sid, _ROW.setup, _ROW.seen_at).where(or_(is_before, is_silent))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(LOST_AT_ONCE))).all()
        found = []
        for row in rows:
            try:
                found.append(LostCall(_SETUP.validate_json(row.setup), row.seen_at))
            except ValidationError as error:  # of a release whose calls had another form
                _log.error("placed_call_unreadable", call_sid=row.sid, errors=error.error_count())
                await self.forget(CallSid(row.sid))
        return found


def load_node(path: Path, tokens: Tokens) -> str:
    """Read this node's name, or make one at the first run; raises ConfigError."""
    try:
        if not path.exists():
            make_file(path, tokens)
        return path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigError(f"node file {path}: {error.strerror}") from error
