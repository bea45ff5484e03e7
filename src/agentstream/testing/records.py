"""Made-up records, for tests that need some and do not care which."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agentstream.base.ids import AccountSid, CallSid, LegSid, RecordingSid, StreamSid
from agentstream.store.bridges import BridgeRow
from agentstream.store.call_events import CallEvent, Story
from agentstream.store.legs import LegEventRow, LegRow
from agentstream.store.values import CallRecord, Recording, StreamRecord, Webhook

_START = datetime(2027, 1, 12, 10, 4, 5, 250_000, tzinfo=UTC)
_END = datetime(2027, 1, 12, 10, 5, 5, 500_000, tzinfo=UTC)


def a_call(sid: str, **changes: Any) -> CallRecord:  # noqa: ANN401  (any field of the record)
    """Return the record of an ordinary call."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "direction": "inbound",
        "from_number": "+919876500001",
        "to_number": "+918040000002",
        "status": "completed",
        "cause": "normal",
        "ended_by": "caller",
        "created_at": _START,
        "ended_at": _END,
        "answered_at": _START,
        "codec": "PCMU",
        "mos": 4.2,
    }
    return CallRecord(sid=CallSid(sid), **(fields | changes))


def a_stream(sid: str, call_sid: str, **changes: Any) -> StreamRecord:  # noqa: ANN401  (as above)
    """Return the record of an ordinary stream."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "bot_url": "wss://bots.example.net/ws",
        "status": "completed",
        "disconnected_by": "bot",
        "started_at": _START,
        "ended_at": _END,
        "tcp_ms": 3,
    }
    return StreamRecord(sid=StreamSid(sid), call_sid=CallSid(call_sid), **(fields | changes))


def a_recording(sid: str, call_sid: str, **changes: Any) -> Recording:  # noqa: ANN401  (as above)
    """Return the row of an ordinary recording."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "path": "recordings/one.wav",
        "created_at": _END,
        "duration_ms": 60_250,
    }
    return Recording(sid=RecordingSid(sid), call_sid=CallSid(call_sid), **(fields | changes))


def a_leg(sid: str, **changes: Any) -> LegRow:  # noqa: ANN401  (any field of the row)
    """Return the row of a leg that was dialled."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "call_sid": CallSid(f"call-{sid}"),
        "contact_uri": "+912240000017",
        "exophone": "+918040000002",
        "network_type": "pstn",
        "direction": "outbound",
        "state": "created",
        "created_at": _START,
        "updated_at": _START,
    }
    return LegRow(sid=LegSid(sid), **(fields | changes))


def a_bridge(sid: str, **changes: Any) -> BridgeRow:  # noqa: ANN401  (as above)
    """Return the row of a bridge that has just begun."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "max_participants": 12,
        "state": "active",
        "created_at": _START,
        "updated_at": _START,
    }
    return BridgeRow(sid=sid, **(fields | changes))


def a_leg_event(sequence: int, **changes: Any) -> LegEventRow:  # noqa: ANN401  (as above)
    """Return the row of an event that is to be told."""
    fields: dict[str, Any] = {
        "sid": f"ev{sequence}",
        "leg_sid": LegSid("leg00001"),
        "account_sid": AccountSid("greenleaf1"),
        "type": "leg_action_event",
        "name": "say_started",
        "at": _START,
        "updated_at": _START,
        "body": '{"event_data":{"data":{}}}',
        "endpoint": "https://hooks.example.test/legs",
    }
    return LegEventRow(sequence=sequence, **(fields | changes))


def a_webhook(sid: str, subject: str = "c1", **changes: Any) -> Webhook:  # noqa: ANN401  (as above)
    """Return a webhook that waits for its first attempt."""
    fields: dict[str, Any] = {
        "account_sid": AccountSid("greenleaf1"),
        "kind": "callback.terminal",
        "url": "https://shop.example/status",
        "host": "shop.example",
        "content_type": "application/json",
        "body": '{"CallSid":"c1"}',
        "created_at": _START,
        "next_at": _START,
    }
    return Webhook(sid=sid, subject=subject, **(fields | changes))


def a_story(events: Sequence[CallEvent]) -> Story:
    """Return the story of some events of one call, at least one."""
    told = ",".join(f'[{event.at_ms},"{event.kind}",{event.body}]' for event in events)
    return Story(events[0].call_sid, events[0].at, len(events), f"[{told}]")
