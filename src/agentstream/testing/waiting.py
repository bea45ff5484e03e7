"""Waiting in tests: until something holds, with a deadline, without guessing how long it takes."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], timeout_ms: int = 15_000) -> None:
    """Let the loop turn until `holds()` is true; TimeoutError when it never becomes so."""
    async with asyncio.timeout(timeout_ms / 1000):
        while not holds():  # noqa: ASYNC110  (what is waited for need not be able to wake us)
            await asyncio.sleep(0.001)
