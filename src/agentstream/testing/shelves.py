"""A shelf of recordings that is only a folder, for calls whose recordings nobody asks for."""

from dataclasses import dataclass
from pathlib import Path

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import AudioKind
from agentstream.calls.storage import CustomerStorage


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """See `switch.ports.Shelf`."""

    folder: Path

    def path_for(self, recording_sid: RecordingSid) -> Path:
        """Return the WAV file to write."""
        return self.folder / f"{recording_sid}.wav"

    def url_for(self, recording_sid: RecordingSid, kind: AudioKind = "mp3") -> str:
        """Return a link."""
        return f"http://127.0.0.1:8080/recordings/{recording_sid}.{kind}"

    def promise(
        self, recording_sid: RecordingSid, kind: AudioKind, storage: CustomerStorage
    ) -> None:
        """Send nothing."""
