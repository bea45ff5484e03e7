"""Forgets what is older than it may be: a little at a time, so that nobody waits long for it."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from agentstream.base.clock import Clock
from agentstream.store.protocols import StoreError

FORGET_EVERY_S = 3_600
_log = structlog.get_logger("forgetting")


class Forgetful(Protocol):
    """Rows that have their time."""

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""


async def forget_old(rows: Forgetful, what: str, keep_days: int, clock: Clock) -> None:
    """Forget what is older than so many days, once an hour; the task of whoever owns it."""
    while True:
        before = clock.wall() - timedelta(days=keep_days)
        forgotten = 0
        try:
            while count := await rows.forget(before):
                forgotten += count
                await asyncio.sleep(0)  # those who write have their turn between two transactions
        except StoreError as error:
            _log.warning("not_forgotten", what=what, error=str(error))
        if forgotten:
            _log.info("forgotten", what=what, count=forgotten)
        await asyncio.sleep(FORGET_EVERY_S)
