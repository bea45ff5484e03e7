"""The live feed: facts of calls as JSON, for whoever watches; a slow watcher loses facts, not us.

Feed ─▶ LiveHub ─▶ one bounded queue for each watcher ─▶ server-sent events
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.events import CallAnswered, CallEnded, CallStarted
from agentstream.switch.feed import Fact, Feed

QUEUE_LIMIT = 2_000  # facts that one watcher may be behind; more are dropped, counted and told
_CALLS_LIMIT = 10_000
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Watcher:
    """One who watches; read it until it ends."""

    def __init__(self, account_sid: AccountSid | None) -> None:
        self._account_sid = account_sid
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._lost = 0
        self.is_closed = False

    def is_meant(self, fact: Fact) -> bool:
        """Whether this watcher may see the fact; None watches every account."""
        return self._account_sid in (None, fact.account_sid)

    def tell(self, text: str) -> None:
        """Queue one fact; drop it when the watcher is too far behind."""
        if self._waiting.qsize() >= QUEUE_LIMIT:
            self._lost += 1
        else:
            self._waiting.put_nowait(text)

    def close(self) -> None:
        """Let the reading end after what is queued."""
        if not self.is_closed:
            self.is_closed = True
            self._waiting.put_nowait(None)

    async def next(self, timeout_ms: int) -> str | None:
        """Return the next fact as JSON text, "" when none came in time, None at the end."""
        if self._lost:
            lost, self._lost = self._lost, 0
            return json.dumps({"event": "facts_lost", "count": lost})
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await self._waiting.get()
        except TimeoutError:
            return ""


class LiveHub:
    """Hears every fact; writes it down once, and only when somebody watches."""

    def __init__(self, feed: Feed, watchers_limit: int = 64) -> None:
        self._watchers: set[Watcher] = set()
        self._watchers_limit = watchers_limit
        # How the live calls began, for those who come later.
        self._live: OrderedDict[CallSid, list[Fact]] = OrderedDict()
        self._feed = feed
        self._leave = feed.subscribe(self._keep, (CallStarted, CallAnswered, CallEnded))
        self._stop_telling: Callable[[], None] | None = None  # set while somebody watches

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def check_room(self) -> None:
        """Raise BusyError when as many watch as may."""
        if len(self._watchers) >= self._watchers_limit:
            raise BusyError("too many are watching")

    def watch(self, account_sid: AccountSid | None) -> Watcher:
        """Let one more watch (None: every account), from the live calls' beginnings on."""
        watcher = Watcher(account_sid)
        for facts in self._live.values():
            for fact in facts:
                if watcher.is_meant(fact):
                    watcher.tell(fact_text(fact))
        self._watchers.add(watcher)
        if self._stop_telling is None:
            self._stop_telling = self._feed.subscribe(self._tell)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._watchers.discard(watcher)
        if not self._watchers and self._stop_telling is not None:
            self._stop_telling()
            self._stop_telling = None

    def close(self) -> None:
        """End every watcher's reading, so that the server can stop."""
        self._leave()
        for watcher in self._watchers:
            watcher.close()

    def _keep(self, fact: Fact) -> None:
        match fact.event:
            case CallStarted():
                self._live[fact.call_sid] = [fact]
                if len(self._live) > _CALLS_LIMIT:
                    self._live.popitem(last=False)
            case CallAnswered() if fact.call_sid in self._live:
                self._live[fact.call_sid].append(fact)
            case CallEnded():
                self._live.pop(fact.call_sid, None)
            case _:
                pass

    def _tell(self, fact: Fact) -> None:
        text = fact_text(fact)
        for watcher in self._watchers:
            if watcher.is_meant(fact):
                watcher.tell(text)


async def server_sent_events(
    hub: LiveHub, account_sid: AccountSid | None, ping_ms: int = 15_000
) -> AsyncIterator[str]:
    """Watch, and write the facts as server-sent events (WHATWG HTML, section 9.2)."""
    watcher = hub.watch(account_sid)
    try:
        yield "retry: 2000\n\n"
        while (text := await watcher.next(ping_ms)) is not None:
            yield f"data: {text}\n\n" if text else ": still here\n\n"
    finally:
        hub.leave(watcher)


def fact_text(fact: Fact) -> str:
    """Return a fact as one line of JSON; its event's name is in snake case."""
    event = _plain(fact.event)
    event.pop("call_sid", None)
    return json.dumps(
        {
            "event": _WORD.sub("_", type(fact.event).__name__).lower(),
            "at": fact.at.isoformat(timespec="milliseconds"),
            "at_ms": fact.at_ms,
            "call_sid": fact.call_sid,
            "account_sid": fact.account_sid,
            **event,
        },
        ensure_ascii=False,
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  (any field of any event)
    if hasattr(value, "as_dict"):  # the audio path's counters
        return value.as_dict()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
