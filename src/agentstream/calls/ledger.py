"""What a call writes down while it lives, so that its record is complete in any end."""

import re
from datetime import timedelta
from typing import Final

from agentstream.base.ids import LegSid
from agentstream.calls.causes import CallStatus, Cause, Party, status_word
from agentstream.calls.commands import OpenStream
from agentstream.calls.leg import Leg, since
from agentstream.calls.record import CallRecord, CallSetup, RecordingRecord, StreamRecord
from agentstream.calls.reports import RecordingFailed, RecordingReady, StreamOutcome

_CREDENTIALS: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_SIP_PASSWORD: Final = re.compile(r"^(sips?:[^:@]*):[^@]*@", re.IGNORECASE)


class Ledger:
    """The growing call record. Its lists are bounded by the limits on what a call may begin."""

    def __init__(self, setup: CallSetup, now_ms: int) -> None:
        self.setup = setup
        self.digits = 0
        self.stray_reports = 0
        self._zero_ms = now_ms
        self._streams: list[StreamRecord] = []
        self._recordings: list[RecordingRecord] = []
        self._hung_up_ms = now_ms
        self._cause = Cause.NORMAL
        self._party = Party.SYSTEM
        self._text = ""

    def note_hang_up(self, cause: Cause, party: Party, text: str, now_ms: int) -> None:
        """Write down who ended the call."""
        self._cause, self._party, self._text, self._hung_up_ms = cause, party, text, now_ms

    def note_stream(
        self,
        command: OpenStream,
        requested_ms: int,
        opened_ms: int | None,
        outcome: StreamOutcome,
        now_ms: int,
    ) -> None:
        """Write down a stream that has ended."""
        self._streams.append(
            StreamRecord(
                stream_sid=command.stream_sid,
                leg_sid=command.leg_sid,
                name=command.spec.name,
                two_way=command.spec.two_way,
                requested_ms=requested_ms - self._zero_ms,
                opened_ms=since(self._zero_ms, opened_ms),
                ended_ms=now_ms - self._zero_ms,
                outcome=outcome,
                recording_sid=command.recording_sid,
            )
        )

    def note_recording(self, leg_sid: LegSid, finished: RecordingReady | RecordingFailed) -> None:
        """Write down a recording that is whole, or broke off."""
        sid = finished.recording_sid
        if isinstance(finished, RecordingFailed):
            record = RecordingRecord(sid, leg_sid, 0, "", "", finished.error)
        else:
            duration_ms, path, url = finished.duration_ms, finished.path, finished.url
            record = RecordingRecord(sid, leg_sid, duration_ms, path, url, "")
        self._recordings.append(record)

    def close(self, legs: list[Leg], ending: Leg | None, now_ms: int) -> CallRecord:
        """Return the record; the first leg's times are the call's.

        So is its end, or that of the leg which a transfer has put in its place: `ending`.
        """
        first = legs[0] if legs else None
        if ending is not None:
            self._end_with(ending)
        rang_ms = since(self._zero_ms, first.rang_ms) if first else None
        answered_ms = since(self._zero_ms, first.answered_ms) if first else None
        hung_up_ms = self._hung_up_ms - self._zero_ms
        talk_ms = 0 if answered_ms is None else hung_up_ms - answered_ms
        began = self.setup.started_at
        return CallRecord(
            setup=self.setup,
            status=self._status(legs),
            cause=self._cause,
            ended_by=self._party,
            text=self._text,
            rang_ms=rang_ms,
            answered_ms=answered_ms,
            hung_up_ms=hung_up_ms,
            ended_ms=now_ms - self._zero_ms,
            rang_at=None if rang_ms is None else began + timedelta(milliseconds=rang_ms),
            answered_at=(
                None if answered_ms is None else began + timedelta(milliseconds=answered_ms)
            ),
            ended_at=began + timedelta(milliseconds=hung_up_ms),
            duration_ms=hung_up_ms,
            talk_ms=talk_ms,
            billable_s=-(-talk_ms // 1000),
            digits=self.digits,
            stray_reports=self.stray_reports,
            legs=tuple(leg.record(self._zero_ms) for leg in legs),
            streams=tuple(self._streams),
            recordings=tuple(self._recordings),
        )

    def _end_with(self, leg: Leg) -> None:
        """BR-9: others may have talked on for a while."""
        gone_ms = leg.hung_up_ms
        if leg.end is not None and gone_ms is not None and gone_ms < self._hung_up_ms:
            self.note_hang_up(*leg.end, gone_ms)

    def _status(self, legs: list[Leg]) -> CallStatus:
        """Return the first leg's word, or of two numbers the second's once the first is up."""
        was_answered = bool(legs) and legs[0].answered_ms is not None
        if self.setup.status_leg == "first" or not was_answered:
            return status_word(self._cause, was_answered)
        others = legs[1:]
        cause = others[-1].cause if others else None
        is_reached = any(leg.answered_ms is not None for leg in others)
        return status_word(cause or self._cause, is_reached)


def masked(url: str) -> str:
    """Return the URL with its credentials, a SIP address with its password, as `***` (AS-37)."""
    if "@" not in url:
        return url
    return _SIP_PASSWORD.sub(r"\1:***@", _CREDENTIALS.sub(r"\1***@", url))
