"""A call in the terms of the documented API: words, times and numbers as programs read them.

Pure, and of a CallView alone, so that whoever tells of a call tells the same.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from agentstream.base.phone import AS_THEY_ARE, NumberStyle
from agentstream.base.values import dataclass
from agentstream.calls.answering import answered_by
from agentstream.calls.causes import CallStatus
from agentstream.calls.record import CallSetup
from agentstream.switch.call_view import DIRECTIONS, CallView, LegView

FINAL_STATUSES: Final[frozenset[CallStatus]] = frozenset(
    {"completed", "busy", "failed", "no-answer", "canceled"}
)
LEGS_LIMIT: Final = 10  # parties that are told of; a flow may dial many more

Item = Mapping[str, str | int | None]
Fields = Mapping[str, str | int | list[Item] | None]


@dataclass(frozen=True, slots=True)
class Terms:
    """How times and numbers are written."""

    zone: tzinfo
    numbers: NumberStyle = AS_THEY_ARE

    def moment(self, at: datetime | None) -> str | None:
        """Return a time as callbacks have it."""
        return None if at is None else moment(at, self.zone)


def is_two_number(setup: CallSetup) -> bool:
    """Whether the call connects two parties that were both named when it was asked for (CC-20)."""
    return setup.direction == "outbound" and setup.to_number != setup.account_number


def short_callback(view: CallView, terms: Terms) -> Fields:
    """Return what is told of a call once, at its end (CB-2)."""
    return {
        "CallSid": view.setup.call_sid,
        "DateUpdated": terms.moment(view.updated_at),
        "Status": view.status,
        "RecordingUrl": view.recording_url,
    }


def callback(view: CallView, event: str, terms: Terms) -> Fields:
    """Return what is told of a call when something happens in it (CB-3)."""
    setup, ended_at = view.setup, view.ended_at
    lasted_s = None if ended_at is None else int((ended_at - setup.started_at).total_seconds())
    return {
        "CallSid": setup.call_sid,
        "EventType": event,
        "DateCreated": terms.moment(setup.started_at),
        "DateUpdated": terms.moment(view.updated_at),
        "Status": view.status,
        "To": terms.numbers.show(setup.to_number),
        "From": terms.numbers.show(setup.from_number),
        "PhoneNumberSid": terms.numbers.show(setup.account_number),
        "StartTime": terms.moment(setup.started_at),
        "EndTime": terms.moment(ended_at),
        "Duration": lasted_s,
        "ConversationDuration": seconds(view.talk_ms),
        "Direction": DIRECTIONS[setup.direction],
        "CustomField": setup.custom_field,
        "RecordingUrl": view.recording_url,
        "Legs": _legs(view),
    }


def moment(at: datetime, zone: tzinfo) -> str:
    """Return a time as `YYYY-MM-DD HH:mm:ss`, which does not name its zone (CC-47)."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def seconds(duration_ms: int) -> int:
    """Return whole seconds, begun ones counted."""
    return -(-duration_ms // 1000)


def _legs(view: CallView) -> list[Item]:
    legs = [_leg(number, leg) for number, leg in enumerate(view.legs[:LEGS_LIMIT])]
    # Who reads the second leg of two-number calls reads it before it is dialled (CB-7).
    while len(legs) < (2 if is_two_number(view.setup) else 1):
        legs.append({"OnCallDuration": 0, "Status": None, "AnsweredBy": "NA"})
    return legs


def _leg(number: int, leg: LegView) -> Item:
    is_told = leg.status in FINAL_STATUSES or leg.status == "in-progress"
    answerer = leg.answered_by
    if number > 0 and leg.status in {"in-progress", "completed"}:
        answerer = answerer or "unknown"  # CB-5: NA is of the first leg
    return {
        "OnCallDuration": seconds(leg.talk_ms),
        "Status": leg.status if is_told else None,
        "AnsweredBy": answered_by(answerer),
    }
