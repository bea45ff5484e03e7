"""Ten thousand callbacks, a receiver that is dead for a while, and what that costs."""

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentstream.base.errors import AgentStreamError
from agentstream.calls.commands import HttpRequest
from agentstream.hooks.webhooks import Deliverer, DeliveryRules
from agentstream.store.outbox import Census
from agentstream.store.sql_store import open_store
from agentstream.testing.board import Page
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.records import a_webhook
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
CALLS, EACH = 5_000, 2
BODY = "x" * 8_192  # all of them together are 80 MB
FAILURES = 1_000


@dataclass
class Receiver:
    """One that refuses connections until it lives again."""

    is_dead: bool = True
    got: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def send(self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str) -> Page:
        await asyncio.sleep(0)
        if self.is_dead:
            raise AgentStreamError("connection refused")
        self.got[message_id.partition("-")[0]].append(message_id)
        return Page(200)


class Lateness:
    """How long the loop's thread worked at most without letting others have their turn.

    Its own processor time, as the wall's also counts what the machine does beside.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.worst_ms = max(self.worst_ms, (now - before) * 1_000)
            before = now


@pytest.fixture
def _settled_heap() -> Iterator[None]:
    """Keep what other tests left out of the collector's way, as a server does after its start."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096 / 1_048_576


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("_settled_heap")
async def test_ten_thousand_wait_outside_of_memory_and_come_in_order(tmp_path: Path) -> None:
    store, clock, receiver = await open_store(tmp_path), ManualClock(), Receiver()
    clock.advance(1_000)
    for start in range(0, CALLS, 500):
        await store.calls.write(
            [
                a_webhook(f"c{number}-{k}", f"c{number}", body=BODY)
                for number in range(start, start + 500)
                for k in range(EACH)
            ]
        )
    rules = DeliveryRules(per_host=32)
    deliverer = Deliverer(store.outbox, receiver, lambda _: (), clock, rules)
    lateness, before_mb = Lateness(), resident_mb()
    running = asyncio.create_task(deliverer.run())
    watching = asyncio.create_task(lateness.watch())
    await until(lambda: deliverer.counts.failed_attempts >= FAILURES, 30_000)
    receiver.is_dead = False
    clock.advance(5 * 60_000)
    deliverer.wake()
    await until(lambda: deliverer.counts.delivered == CALLS * EACH, 50_000)
    await deliverer.stop()
    await running
    watching.cancel()
    assert (await store.outbox.census()) == Census()
    assert len(receiver.got) == CALLS
    assert all(
        names == [f"{call}-{k}" for k in range(EACH)] for call, names in receiver.got.items()
    )
    assert resident_mb() - before_mb < 20
    assert lateness.worst_ms < 50
    await store.close()
