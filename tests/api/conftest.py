"""The application over the memory store, and a client with the right key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from agentstream.api.app import create_app
from agentstream.api.doors import Doors
from agentstream.api.live import LiveHub
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.commands import Command
from agentstream.store.call_events import Story
from agentstream.store.values import NewKey
from agentstream.switch.feed import Feed
from agentstream.testing.memory_store import MemoryStore


@dataclass
class LiveCalls:
    """Live calls that do what they are asked, unless there is a `refusal`."""

    owners: dict[str, AccountSid] = field(default_factory=dict)
    asked: list[tuple[CallSid, Command]] = field(default_factory=list)
    refusal: str = ""

    def owner(self, call_sid: CallSid) -> AccountSid | None:
        return self.owners.get(call_sid)

    async def ask(self, call_sid: CallSid, command: Command) -> None:
        if self.refusal:
            raise CommandError(self.refusal)
        self.asked.append((call_sid, command))


@dataclass
class Site:
    """What a test of the HTTP interface needs."""

    client: httpx.AsyncClient
    store: MemoryStore
    feed: Feed
    hub: LiveHub
    key: NewKey
    stories: list[Story] = field(default_factory=list)
    calls: LiveCalls = field(default_factory=LiveCalls)
    streams: dict[str, int] = field(default_factory=dict)
    why_not_ready: str = ""

    def told(self, account_sid: AccountSid | None, beginning: str) -> list[Story]:
        mine = self.stories if account_sid in (None, "GreenLeaf1") else []
        return [story for story in mine if story.sid.startswith(beginning)]

    @property
    def auth(self) -> tuple[str, str]:
        return self.key.key, self.key.token


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    store, feed = MemoryStore(), Feed()
    account = await store.accounts.create("Green Leaf", sid="GreenLeaf1")
    key = await store.accounts.create_key(account.sid)
    hub, calls = LiveHub(feed, watchers_limit=2), LiveCalls()
    doors = Doors(
        accounts=store.accounts,
        live=hub,
        why_not_ready=lambda: made.why_not_ready,
        metrics=lambda: b"agentstream_calls_active 0.0\n",
        active_streams=lambda sid: made.streams.get(sid, 0),
        operator_token="op-token",
        stories=lambda sid, beginning: made.told(sid, beginning),
        calls=calls,
        outbox=store.outbox,
    )
    transport = httpx.ASGITransport(create_app(doors), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
        made = Site(client, store, feed, hub, key, calls=calls)
        yield made
    hub.close()
