from dataclasses import dataclass, field
from pathlib import Path

from agentstream.base.ids import LegSid, RecordingSid
from agentstream.calls.events import CallAnswered, RecordingFinished
from agentstream.hooks.recording_facts import RecordingFacts
from agentstream.store.values import Recording
from agentstream.switch import feed
from agentstream.testing.calls import CALL, LEG, STARTED_AT
from agentstream.testing.facts import fact
from agentstream.testing.shelves import FolderShelf

R1 = RecordingSid("r1")


@dataclass(frozen=True, slots=True)
class NotingShelf(FolderShelf):
    noted: list[object] = field(default_factory=list)

    def begun(self, recording: Recording) -> None:
        self.noted.append(recording)

    def finished(self, sid: RecordingSid, duration_ms: int, error: str) -> None:
        self.noted.append((sid, duration_ms, error))


def test_a_shelf_hears_of_each_recordings_beginning_and_end() -> None:
    shelf = NotingShelf(Path("kept"))
    facts = RecordingFacts(shelf)
    facts.hear(fact(feed.RecordingBegan(LegSid(LEG), R1, "stereo")))
    facts.hear(fact(RecordingFinished(CALL, LEG, R1, 41_000, "http://x", "")))
    facts.hear(fact(CallAnswered(CALL, LEG)))
    row, end = shelf.noted
    assert isinstance(row, Recording)
    assert (row.call_sid, row.account_sid, row.leg_sid) == (CALL, "greenleaf1", LEG)
    assert (row.state, row.channels, row.created_at) == ("recording", "stereo", STARTED_AT)
    assert row.path == "kept/r1.wav"
    assert end == (R1, 41_000, "")
    assert {feed.RecordingBegan, RecordingFinished} == set(RecordingFacts.KINDS)
