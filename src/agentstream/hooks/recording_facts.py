"""Recordings begin and end: what the feed tells of them goes to the shelf."""

from typing import Protocol

from agentstream.base.ids import RecordingSid
from agentstream.calls.events import RecordingFinished
from agentstream.store.values import Recording
from agentstream.switch import feed
from agentstream.switch.ports import Shelf


class KeepingShelf(Shelf, Protocol):
    """A shelf that takes note of what is recorded."""

    def begun(self, recording: Recording) -> None:
        """Take note of a recording whose first sample comes now."""

    def finished(self, sid: RecordingSid, duration_ms: int, error: str) -> None:
        """Take note of a recording that is whole, or has broken off with an error."""


class RecordingFacts:
    """Hears the feed and tells a shelf, which must return at once."""

    KINDS = (feed.RecordingBegan, RecordingFinished)

    def __init__(self, shelf: KeepingShelf) -> None:
        self._shelf = shelf

    def hear(self, fact: feed.Fact) -> None:
        """Take one fact; subscribe this to the feed."""
        match fact.event:
            case feed.RecordingBegan(recording_sid=sid, leg_sid=leg_sid, channels=channels):
                self._shelf.begun(
                    Recording(
                        sid=sid,
                        call_sid=fact.call_sid,
                        account_sid=fact.account_sid,
                        leg_sid=leg_sid,
                        path=str(self._shelf.path_for(sid)),
                        created_at=fact.at,
                        channels=channels,
                        state="recording",
                    )
                )
            case RecordingFinished(recording_sid=sid, duration_ms=duration_ms, error=error):
                self._shelf.finished(sid, duration_ms, error)
            case _:
                pass
