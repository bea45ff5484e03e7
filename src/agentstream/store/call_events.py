"""What happened in calls, event by event: written once when a call has ended, forgotten in time."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, NamedTuple, Protocol

from sqlalchemy import select

from agentstream.base.ids import CallSid
from agentstream.base.values import dataclass
from agentstream.store.call_rows import FORGET_CALLS, forget_calls, insert_new
from agentstream.store.call_writer import BatchWriter
from agentstream.store.database import Database
from agentstream.store.tables import call_stories


class CallEvent(NamedTuple):
    """One event, read back. `at_ms` counts from the call's first event; `at` is for people.

    `body` is a JSON object.
    """

    call_sid: CallSid
    seq: int
    at_ms: int
    at: datetime
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is kept of one call, in order, as its row has it."""

    sid: CallSid
    at: datetime  # of the first event
    count: int
    text: str  # a JSON list of [milliseconds since `at`, kind, body]

    @property
    def events(self) -> tuple[CallEvent, ...]:
        """Its events, read from the text."""
        return tuple(_events(self.sid, self.at, self.text))


class CallEvents(Protocol):
    """The door; see `protocols` for its errors."""

    async def write(self, rows: Sequence[Story]) -> int:
        """Write stories in one transaction, return how many events; a known call is left alone."""

    async def of(self, call_sid: CallSid) -> Sequence[CallEvent]:
        """Return the events of a call, in order."""

    async def forget(self, before: datetime, calls: int = FORGET_CALLS) -> int:
        """Drop the events of some calls that began before this time; return how many calls."""


class StoryWriter(BatchWriter[Story]):
    """Writes stories; its bound counts their events."""

    def __init__(self, shelf: CallEvents, queue_limit: int) -> None:
        super().__init__(shelf, queue_limit, rows_of=lambda story: story.count)


class SqlCallEvents:
    """See `CallEvents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[Story]) -> int:
        """Write stories in one transaction, return how many events; a known call is left alone."""
        if not rows:
            return 0
        fresh = await insert_new(self._database, call_stories, [_row(story) for story in rows])
        return sum(story.count for story in compress(rows, fresh))

    async def of(self, call_sid: CallSid) -> Sequence[CallEvent]:
        """Return the events of a call, in order."""
        query = select(call_stories.c.at, call_stories.c.events)
        async with self._database.read() as connection:
            found = await connection.execute(query.where(call_stories.c.call_sid == call_sid))
            row = found.one_or_none()
        return [] if row is None else _events(call_sid, row.at, row.events)

    async def forget(self, before: datetime, calls: int = FORGET_CALLS) -> int:
        """Drop the events of some calls that began before this time; return how many calls."""
        return await forget_calls(self._database, call_stories, before, calls)


def _row(story: Story) -> dict[str, Any]:
    return {"call_sid": story.sid, "at": story.at, "events": story.text}


def _events(call_sid: CallSid, start: datetime, events: str) -> list[CallEvent]:
    return [
        CallEvent(call_sid, seq, at_ms, start + timedelta(milliseconds=at_ms), kind, _text(body))
        for seq, (at_ms, kind, body) in enumerate(json.loads(events))
    ]


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
