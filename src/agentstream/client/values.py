"""What the calls API answers, with types. Times have the zone of the server's `[api] timezone`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Leg:
    """One party of a call, in the order of dialling."""

    number: int  # from 1
    talk_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call (CC-45, CD-2); what comes with details only is empty without them."""

    sid: str
    account_sid: str
    from_number: str  # who was dialled first, of a call that was placed (CC-23)
    to_number: str | None
    account_number: str  # the account's own number in this call
    status: str  # "queued", "in-progress", "completed", "failed", "busy", "no-answer", "canceled"
    direction: str  # "inbound", "outbound-api"
    created_at: datetime  # without a zone
    ended_at: datetime | None = None
    duration_s: int | None = None  # from the answer; None until the end
    recording_url: str | None = None
    custom_field: str = ""
    first_leg: str | None = None  # what became of each party: the words of `status`
    second_leg: str | None = None
    conversation_s: int = 0
    legs: tuple[Leg, ...] = ()
    reason: str = ""  # one sentence: why it ended

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Calls:
    """One page of a list."""

    calls: tuple[Call, ...]
    total: int
    next_page: str | None  # for `ListCalls.page`


def read_call(told: Mapping[str, Any]) -> Call:
    """Read the call object of an answer."""
    details: Mapping[str, Any] = told.get("Details") or {}
    return Call(
        sid=told["Sid"],
        account_sid=told["AccountSid"],
        from_number=told["From"],
        to_number=told["To"],
        account_number=told["PhoneNumberSid"],
        status=told["Status"],
        direction=told["Direction"],
        created_at=datetime.fromisoformat(told["DateCreated"]),
        ended_at=datetime.fromisoformat(told["EndTime"]) if told["EndTime"] else None,
        duration_s=int(told["Duration"]) if told["Duration"] else None,
        recording_url=told["RecordingUrl"],
        custom_field=told.get("CustomField", ""),
        first_leg=details.get("Leg1Status"),
        second_leg=details.get("Leg2Status"),
        conversation_s=details.get("ConversationDuration", 0),
        legs=tuple(
            Leg(each["Leg"]["Id"], each["Leg"]["OnCallDuration"])
            for each in details.get("Legs", ())
        ),
        reason=(details.get("Cause") or {}).get("Text") or "",
    )


def read_calls(told: Mapping[str, Any]) -> Calls:
    """Read a page of a list."""
    about = told["Metadata"]
    calls = tuple(read_call(each) for each in told["Calls"])
    return Calls(calls, about["Total"], about["NextPageUri"])
