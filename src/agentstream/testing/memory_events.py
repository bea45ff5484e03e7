"""The events of calls in memory: the same door as the database's."""

from collections.abc import Sequence
from datetime import datetime

from agentstream.base.ids import CallSid
from agentstream.store.call_events import CallEvent, Story
from agentstream.store.call_rows import FORGET_CALLS


class MemoryCallEvents:
    """See `call_events.CallEvents`."""

    def __init__(self) -> None:
        self.stories: dict[CallSid, Story] = {}

    async def write(self, rows: Sequence[Story]) -> int:
        """Write stories, return how many events; a known call is left alone."""
        fresh = {story.sid: story for story in rows if story.sid not in self.stories}
        self.stories.update(fresh)
        return sum(story.count for story in fresh.values())

    async def of(self, call_sid: CallSid) -> Sequence[CallEvent]:
        """Return the events of a call, in order."""
        story = self.stories.get(call_sid)
        return [] if story is None else story.events

    async def forget(self, before: datetime, calls: int = FORGET_CALLS) -> int:
        """Drop the events of some calls that began before this time; return how many calls."""
        old = [sid for sid, story in self.stories.items() if story.at < before]
        for sid in old[:calls]:
            del self.stories[sid]
        return len(old[:calls])
