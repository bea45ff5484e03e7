"""A call that still lives, in the shape of one that has ended: what its server tells of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentstream.base.ids import AccountSid, CallSid, FlowSid, LegSid, SipCallId
from agentstream.server.explain.cast import Body, number, text
from agentstream.sip.kept import Address, KeptCall, KeptDialog, KeptMessage
from agentstream.store.call_events import CallEvent
from agentstream.store.values import CallRecord


@dataclass(frozen=True, slots=True)
class Living:
    """A live call: its row, as far as it can be written yet, and its events so far."""

    call: CallRecord
    events: Sequence[CallEvent]


def living(told: Mapping[str, Any]) -> Living:
    """Read what `GET /v1/live/SID` answered."""
    sid = CallSid(told["call_sid"])
    events = [
        CallEvent(
            sid,
            seq,
            each["at_ms"],
            datetime.fromisoformat(each["at"]),
            each["kind"],
            json.dumps(each["body"]),
        )
        for seq, each in enumerate(told["events"])
    ]
    answered = next((each for each in events if each.kind == "call_answered"), None)
    return Living(_row(events[0], told["events"][0]["body"], answered, told["age_ms"]), events)


def kept_of(sid: CallSid, told: Mapping[str, Any]) -> KeptCall:
    """Read what `GET .../Calls/SID/Sip` answered."""
    dialogs: dict[tuple[str, str], list[KeptMessage]] = {}
    for each in told["messages"]:
        messages = dialogs.setdefault((each["leg_sid"], each["sip_call_id"]), [])
        messages.append(
            KeptMessage(
                each["at_us"],
                each["is_ours"],
                each["transport"],
                _address(each["local"]),
                _address(each["remote"]),
                each["message"].replace("\n", "\r\n").encode(),
                each["bytes"],
            )
        )
    return KeptCall(
        sid,
        tuple(
            KeptDialog(LegSid(leg_sid), SipCallId(sip_call_id), tuple(messages))
            for (leg_sid, sip_call_id), messages in dialogs.items()
        ),
    )


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _row(first: CallEvent, body: Body, answered: CallEvent | None, age_ms: int) -> CallRecord:
    return CallRecord(
        sid=first.call_sid,
        account_sid=AccountSid(text(body, "account_sid")),
        direction="outbound-api" if text(body, "direction") == "outbound" else "inbound",
        from_number=text(body, "from"),
        to_number=text(body, "to"),
        status="ringing" if answered is None else "in-progress",  # the words of PT-10
        cause="",
        ended_by="",
        created_at=first.at,
        ended_at=first.at + timedelta(milliseconds=age_ms),  # now
        answered_at=None if answered is None else answered.at,
        flow_sid=FlowSid(text(body, "flow_sid")) if text(body, "flow_sid") else None,
        flow_version=number(body, "flow_version") or None,
        setup_ms=None if answered is None else answered.at_ms,
        duration_ms=0 if answered is None else age_ms - answered.at_ms,
    )
