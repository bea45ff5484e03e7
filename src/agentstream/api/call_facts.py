"""A call as the API tells it, whether it lives or has ended."""

from dataclasses import dataclass
from datetime import datetime

from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.answering import ANSWERERS, Answerer
from agentstream.store.values import CallRecord, LegRecord
from agentstream.switch.call_view import CallView, LegView


@dataclass(frozen=True, slots=True)
class LegFacts:
    """One party, in the order of dialling."""

    status: str
    talk_ms: int
    answered_by: Answerer | None = None  # None: nobody asked, or it is not known yet
    judged_ms: int | None = None  # from its answer until that was known
    beep_ms: int | None = None  # the same, until a machine's beep was over
    row: LegRecord | None = None  # its dialog and its audio (SD-6), once the call has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is known of a call; numbers in the form of `phone.normalise`, durations so far."""

    sid: CallSid
    account_sid: AccountSid
    direction: str  # in the words of CC-56
    from_number: str
    to_number: str
    account_number: str  # the account's own
    status: str  # in the words of CC-50
    created_at: datetime
    updated_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int = 0  # from the answer
    talk_ms: int = 0  # in which both parties heard each other (CD-3)
    legs: tuple[LegFacts, ...] = ()
    forwarded_from: str = ""
    custom_field: str = ""
    recording_url: str = ""
    is_recorded: bool = False
    cause: str = ""  # why it ended: a word, a sentence, and what the far end's network said
    text: str = ""
    sip_status: int = 0
    q850: int = 0

    @property
    def has_second_party(self) -> bool:
        """Whether the call connects two numbers, besides the account's own (CC-20)."""
        return self.direction == "inbound" or self.to_number != self.account_number


def facts_of_view(view: CallView) -> CallFacts:
    """Return what is known of a live call."""
    setup = view.setup
    return CallFacts(
        sid=setup.call_sid,
        account_sid=setup.account_sid,
        direction=view.direction,
        from_number=setup.from_number,
        to_number=setup.to_number,
        account_number=setup.account_number,
        status=view.status,
        created_at=setup.started_at,
        updated_at=view.updated_at,
        answered_at=view.answered_at,
        ended_at=view.ended_at,
        duration_ms=view.duration_ms,
        talk_ms=view.talk_ms,
        legs=tuple(_leg_of_view(leg) for leg in view.legs),
        forwarded_from=setup.forwarded_from,
        custom_field=setup.custom_field,
        recording_url=view.recording_url,
        is_recorded=bool(view.recording_url),
        cause=view.cause.value if view.cause else "",
        text=view.text,
    )


def facts_of_record(row: CallRecord, recording_url: str = "") -> CallFacts:
    """Return what is known of a call that has ended."""
    legs = tuple(_leg_of_record(leg) for leg in row.legs)
    return CallFacts(
        sid=row.sid,
        account_sid=row.account_sid,
        direction=row.direction,
        from_number=row.from_number,
        to_number=row.to_number,
        account_number=row.account_number,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.ended_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        talk_ms=row.conversation_ms,
        legs=legs or (LegFacts(row.status, row.duration_ms),),
        custom_field=row.custom_field,
        recording_url=recording_url,
        is_recorded=bool(recording_url),
        cause=row.cause,
        text=row.detail,
        sip_status=row.sip_status,
        q850=row.q850,
    )


def _leg_of_view(leg: LegView) -> LegFacts:
    verdict = leg.verdict
    if verdict is None:
        return LegFacts(leg.status, leg.talk_ms)
    facts = verdict.answerer, verdict.elapsed_ms, verdict.beep_ms
    return LegFacts(leg.status, leg.talk_ms, *facts)


def _leg_of_record(leg: LegRecord) -> LegFacts:
    answerer = next((one for one in ANSWERERS if one == leg.answered_by), None)
    return LegFacts(leg.status, leg.talk_ms, answerer, leg.judged_ms, leg.beep_ms, leg)
