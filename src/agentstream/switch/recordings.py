"""The recordings of one call: begun on a leg, and named where a Passthru finds their address."""

from collections.abc import Callable
from dataclasses import replace

from agentstream import _media
from agentstream.base.ids import RecordingSid, StreamSid
from agentstream.calls import effects, reports
from agentstream.calls.commands import AudioKind
from agentstream.media.engine import MediaLeg
from agentstream.media.plan import RecordPlan
from agentstream.switch import feed
from agentstream.switch.ports import Shelf


class CallRecordings:
    """What of a call is recorded; a call may begin a thousand recordings at most."""

    def __init__(self, shelf: Shelf, note: Callable[[feed.Note], None]) -> None:
        self._shelf = shelf
        self._note = note
        self._promised: dict[StreamSid, RecordingSid] = {}  # recorded from their start on
        self._begun: dict[RecordingSid, AudioKind] = {}  # and not failed

    def promise(self, start: effects.StartStream) -> None:
        """Take note of the recording that a stream will have once it is open."""
        if start.recording_sid is not None:
            self._promised[start.stream_sid] = start.recording_sid

    def begin(self, order: effects.RecordLeg, leg: MediaLeg) -> None:
        """Record a leg."""
        sid, spec = order.recording_sid, order.spec
        self._begun[sid] = spec.kind
        channels = "mono" if spec.channels == "mono" else "stereo"
        self._note(feed.RecordingBegan(order.leg_sid, sid, channels))
        if spec.storage is not None:  # not by the feed: it holds secrets, and stories are kept
            self._shelf.promise(sid, spec.kind, spec.storage)
        path = self._shelf.path_for(sid)
        leg.record(RecordPlan(sid, str(path), channels=spec.channels, max_ms=spec.max_ms))

    def report(
        self, event: _media.RecordingReady | _media.RecordingFailed
    ) -> reports.RecordingReady | reports.RecordingFailed:
        """Say what became of a recording, and where it can be had."""
        sid = RecordingSid(event.recording_sid)
        if isinstance(event, _media.RecordingFailed):
            self._begun.pop(sid, None)
            return reports.RecordingFailed(sid, event.error)
        url = self._shelf.url_for(sid, self._begun.get(sid, "mp3"))
        return reports.RecordingReady(sid, event.duration_ms, event.path, url)

    def named(self, told: list[reports.Report]) -> list[reports.Report]:
        """Return reports with the recording's address in a stream's outcome (PT-20)."""
        if not self._promised:
            return told
        return [
            self._named(report) if isinstance(report, reports.StreamEnded) else report
            for report in told
        ]

    def _named(self, ended: reports.StreamEnded) -> reports.StreamEnded:
        sid = self._promised.pop(ended.stream_sid, None)
        if sid is None or sid not in self._begun:
            return ended
        outcome = replace(ended.outcome, recording_url=self._shelf.url_for(sid, self._begun[sid]))
        return replace(ended, outcome=outcome)
