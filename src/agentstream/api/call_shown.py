"""A call in the words of the v1 API (CC-45 to CC-56, CD-2, CD-3)."""

from typing import Any, Final

from agentstream.api.call_facts import CallFacts, LegFacts
from agentstream.api.settings import ApiSettings
from agentstream.calls.answering import answered_by
from agentstream.store.values import LegRecord
from agentstream.switch.call_terms import seconds

# Nothing is charged here; clients read a number out of this text (CD-2).
NO_PRICE: Final = "0.000"


def call_object(
    facts: CallFacts, settings: ApiSettings, *, details: bool = False
) -> dict[str, Any]:
    """Return the call object; `details` adds the block of CD-3."""
    began = settings.moment(facts.created_at)
    is_over = facts.ended_at is not None
    shown: dict[str, Any] = {
        "Sid": facts.sid,
        "ParentCallSid": None,
        "DateCreated": began,
        "DateUpdated": settings.moment(facts.updated_at),
        "AccountSid": facts.account_sid,
        "To": _to(facts, settings),
        "From": settings.show(facts.from_number),
        "PhoneNumberSid": settings.show(facts.account_number),
        "Status": facts.status,
        "StartTime": began,
        "EndTime": settings.moment(facts.ended_at) if facts.ended_at else None,
        "Duration": str(seconds(facts.duration_ms)) if is_over else None,
        "Price": NO_PRICE if is_over else None,
        "Direction": facts.direction,
        "AnsweredBy": _answered_by(facts),
        "ForwardedFrom": facts.forwarded_from or None,
        "CallerName": None,
        # In this odd order (CC-48); it can be asked for like that.
        "Uri": f"/v1/Accounts/{facts.account_sid}/Calls.json/{facts.sid}",
        "RecordingUrl": facts.recording_url or None,
    }
    if facts.custom_field:
        shown["CustomField"] = facts.custom_field
    if details:
        shown["Details"] = _details(facts)
    return shown


def _answered_by(facts: CallFacts) -> str | None:
    """Return who the first party is (OC-5), null where nobody asked."""
    answerer = facts.legs[0].answered_by if facts.legs else None
    return None if answerer is None else answered_by(answerer)


def _leg(number: int, leg: LegFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {"Id": number, "OnCallDuration": seconds(leg.talk_ms)}
    if leg.answered_by is not None:  # ours
        shown["AnsweredBy"] = answered_by(leg.answered_by)
        shown["JudgedAfterMs"], shown["BeepAfterMs"] = leg.judged_ms, leg.beep_ms
    if leg.row is not None and leg.row.sip_call_id:
        shown["Sip"] = _dialog(leg.row)
    return shown


def _dialog(leg: LegRecord) -> dict[str, Any]:
    """Tell of a leg's dialog and audio (SD-6); ours. Times count from the call's beginning."""
    return {
        "LegSid": leg.sid,
        "CallId": leg.sip_call_id,
        "Status": leg.sip_status or None,
        "Q850": leg.q850 or None,
        "EndedBy": leg.ended_by or None,
        "Codec": leg.codec or None,
        "Srtp": leg.srtp or None,
        "PacketsReceived": leg.packets_received,
        "PacketsSent": leg.packets_sent,
        "PacketsLost": leg.packets_lost,
        "JitterMs": round(leg.jitter_ms, 1),
        "RoundTripMs": round(leg.round_trip_ms, 1),
        "Mos": None if leg.mos is None else round(leg.mos, 2),
        "FirstAudioInMs": leg.first_in_ms,
        "FirstAudioOutMs": leg.first_out_ms,
    }


def _to(facts: CallFacts, settings: ApiSettings) -> str | None:
    if not facts.has_second_party and settings.flow_call_to == "null":  # KX-3
        return None
    return settings.show(facts.to_number)


def _details(facts: CallFacts) -> dict[str, Any]:
    first, second = (*(leg.status for leg in facts.legs[:2]), None, None)[:2]
    return {
        "ConversationDuration": seconds(facts.talk_ms),
        "Leg1Status": first,
        "Leg2Status": second,
        "Legs": [{"Leg": _leg(number, leg)} for number, leg in enumerate(facts.legs, 1)],
        "Cause": {  # UP-3: ours
            "Reason": facts.cause or None,
            "Text": facts.text or None,
            "SipStatus": facts.sip_status or None,
            "Q850": facts.q850 or None,
        },
    }
