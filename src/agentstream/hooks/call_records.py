"""Call records: what a call and its streams leave behind becomes rows.

Notes about a call (counters, connect times, failed attempts) come while it lives; its last event is
CallEnded, and then everything is written at once, with the webhook that tells of the end.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from agentstream.base.ids import CallSid, StreamSid
from agentstream.calls import record as calls
from agentstream.calls.events import CallEnded, CallStarted
from agentstream.store.values import CallRecord, LegRecord, StreamRecord, Webhook, Written
from agentstream.switch import feed
from agentstream.switch.call_view import DIRECTIONS

_LEGS_LIMIT = 256  # of one call whose counters are kept; the first ones
_CALLS_LIMIT = 10_000  # calls that broke off without their last event; the oldest goes


class Write(Protocol):
    """What takes the rows of a call, a CallWriter's `write`; it must return at once."""

    def __call__(self, *rows: Written) -> None:
        """Take rows that belong in one transaction."""


# What is told of a call's end (Callbacks.ended).
TellEnd = Callable[[calls.CallRecord, datetime], Sequence[Webhook]]


@dataclass(slots=True)
class _Notes:
    first_leg_sid: str = ""
    legs: dict[str, feed.LegCounted] = field(default_factory=dict)
    connected: dict[StreamSid, feed.StreamConnected] = field(default_factory=dict)
    failed: dict[StreamSid, feed.StreamAttemptFailed] = field(default_factory=dict)
    counted: dict[StreamSid, feed.StreamCounted] = field(default_factory=dict)


class CallRecords:
    """Hears the feed and hands the rows of each call to `write`, with what `tell_end` makes."""

    KINDS = (
        CallStarted,
        CallEnded,
        feed.LegCounted,
        feed.StreamConnected,
        feed.StreamAttemptFailed,
        feed.StreamCounted,
    )

    def __init__(self, write: Write, tell_end: TellEnd = lambda _record, _at: ()) -> None:
        self._write = write
        self._tell_end = tell_end
        self._notes: OrderedDict[CallSid, _Notes] = OrderedDict()

    def hear(self, fact: feed.Fact) -> None:
        """Take one fact; subscribe this to the feed."""
        match fact.event:
            case CallStarted(leg_sid=leg_sid):
                self._notes[fact.call_sid] = _Notes(leg_sid)
                if len(self._notes) > _CALLS_LIMIT:
                    self._notes.popitem(last=False)
            case CallEnded(record=record):
                known = self._notes.pop(fact.call_sid, None)
                self._write(*rows_of(record, known), *self._tell_end(record, fact.at))
            case note:
                notes = self._notes.get(fact.call_sid)
                if notes is not None:
                    _take(notes, note)


def _take(notes: _Notes, note: object) -> None:
    match note:
        case feed.LegCounted(leg_sid=leg_sid):
            if len(notes.legs) < _LEGS_LIMIT or leg_sid == notes.first_leg_sid:
                notes.legs[leg_sid] = note
        case feed.StreamConnected(stream_sid=sid):
            notes.connected[sid] = note
        case feed.StreamAttemptFailed(stream_sid=sid):
            notes.failed[sid] = note
        case feed.StreamCounted(stream_sid=sid):
            notes.counted[sid] = note
        case _:
            pass


def rows_of(record: calls.CallRecord, notes: _Notes | None = None) -> list[Written]:
    """Return the rows of an ended call: streams first, the call itself last."""
    notes = notes or _Notes()
    rows: list[Written] = [_stream_row(record, stream, notes) for stream in record.streams]
    rows.append(_call_row(record, notes))
    return rows


def _call_row(record: calls.CallRecord, notes: _Notes) -> CallRecord:
    leg = notes.legs.get(notes.first_leg_sid)  # the first leg stands for the call
    setup, stats = record.setup, leg.stats if leg is not None else None
    return CallRecord(
        sid=setup.call_sid,
        account_sid=setup.account_sid,
        direction=DIRECTIONS[setup.direction],
        from_number=setup.from_number,
        to_number=setup.to_number,
        status=record.status,
        cause=record.cause.value,
        ended_by=record.ended_by.value,
        created_at=setup.started_at,
        ended_at=record.ended_at,
        answered_at=record.answered_at,
        flow_sid=setup.flow_sid,
        flow_version=setup.flow_version or None,
        sip_call_id=leg.sip_call_id if leg else "",
        sip_status=leg.sip_status if leg else 0,
        q850=leg.q850 if leg else 0,
        source=record.legs[0].remote if record.legs else "",
        detail=record.text,
        setup_ms=record.answered_ms,
        duration_ms=record.talk_ms,
        codec=stats.codec if stats else "",
        mos=stats.mos if stats and stats.packets_received else None,
        packets_received=stats.packets_received if stats else 0,
        packets_sent=stats.packets_sent if stats else 0,
        packets_lost=stats.packets_lost if stats else 0,
        packets_late=stats.packets_late if stats else 0,
        jitter_ms=stats.jitter_ms if stats else 0.0,
        round_trip_ms=stats.round_trip_ms if stats else 0.0,
        remote_loss=stats.remote_loss if stats else 0.0,
        custom_field=setup.custom_field,
        phone_number=setup.account_number,
        legs=tuple(
            _leg_row(leg, place, notes.legs.get(leg.leg_sid))
            for place, leg in enumerate(record.legs)
        ),
    )


def _leg_row(leg: calls.LegRecord, place: int, counted: feed.LegCounted | None) -> LegRecord:
    verdict, stats = leg.verdict, counted.stats if counted is not None else None
    is_later = leg.direction == "outbound" and place > 0
    return LegRecord(
        sid=leg.leg_sid,
        direction="outbound-dial" if is_later else DIRECTIONS[leg.direction],
        status=leg.status,
        cause=leg.cause.value if leg.cause else "",
        ended_by=leg.ended_by.value if leg.ended_by else "",
        destination=leg.destination,
        started_ms=leg.started_ms,
        rang_ms=leg.rang_ms,
        answered_ms=leg.answered_ms,
        talk_ms=leg.talk_ms,
        answered_by=verdict.answerer if verdict else "",
        judged_ms=verdict.elapsed_ms if verdict else None,
        beep_ms=verdict.beep_ms if verdict else None,
        sip_call_id=counted.sip_call_id if counted else "",
        sip_status=counted.sip_status if counted else 0,
        q850=counted.q850 if counted else 0,
        codec=stats.codec if stats else "",
        srtp=stats.srtp if stats else "",
        packets_received=stats.packets_received if stats else 0,
        packets_sent=stats.packets_sent if stats else 0,
        packets_lost=stats.packets_lost if stats else 0,
        jitter_ms=stats.jitter_ms if stats else 0.0,
        round_trip_ms=stats.round_trip_ms if stats else 0.0,
        mos=stats.mos if stats and stats.packets_received else None,
        first_in_ms=counted.first_in_ms if counted else None,
        first_out_ms=counted.first_out_ms if counted else None,
    )


def _stream_row(
    record: calls.CallRecord, stream: calls.StreamRecord, notes: _Notes
) -> StreamRecord:
    sid, outcome, began = stream.stream_sid, stream.outcome, record.setup.started_at
    connected, failed = notes.connected.get(sid), notes.failed.get(sid)
    attempts = [note.attempt for note in (connected, failed) if note is not None]
    counted = notes.counted.get(sid)
    counters = {} if counted is None else counted.stats.as_dict()
    known = {name: counters[name] for name in _COUNTERS if name in counters}
    first_audio_ms = counters.get("first_audio_ms", -1)
    return StreamRecord(
        sid=sid,
        call_sid=record.setup.call_sid,
        account_sid=record.setup.account_sid,
        bot_url=outcome.url,
        status=outcome.status,
        disconnected_by=outcome.disconnected_by,
        started_at=began + timedelta(milliseconds=stream.requested_ms),
        ended_at=began + timedelta(milliseconds=stream.ended_ms),
        error=outcome.error,
        detailed_status=outcome.detailed_status,
        close_code=counted.close_code if counted else 0,
        http_status=failed.http_status if failed and not connected else 0,
        attempts=max(attempts, default=0),
        duration_ms=0 if stream.opened_ms is None else stream.ended_ms - stream.opened_ms,
        resolve_ms=connected.dns_ms if connected else None,
        tcp_ms=connected.tcp_ms if connected else None,
        tls_ms=connected.tls_ms if connected else None,
        upgrade_ms=connected.upgrade_ms if connected else None,
        first_audio_ms=int(first_audio_ms) if int(first_audio_ms) >= 0 else None,
        **known,  # type: ignore[arg-type]  # the same names and kinds in both, a test compares them
    )


_COUNTERS = (
    "media_sent",
    "media_received",
    "bytes_sent",
    "bytes_received",
    "played_ms",
    "clears",
    "marks",
    "underruns",
    "messages_ignored",
    "media_dropped_in_ms",
    "media_dropped_out",
    "rtp_to_ws_p99_ms",
    "ws_to_rtp_p99_ms",
    "clear_to_silence_max_ms",
)
