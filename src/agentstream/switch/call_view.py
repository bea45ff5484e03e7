"""What a live call looks like to those who ask for it, or are called back about it."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.base.values import dataclass, replace
from agentstream.calls.answering import Answerer, Verdict
from agentstream.calls.causes import Cause, status_word
from agentstream.calls.events import (
    AnswerJudged,
    BeepHeard,
    CallAnswered,
    CallEnded,
    CallStarted,
    LegDialled,
    LegGone,
    LegRinging,
    LegUp,
    RecordingFinished,
)
from agentstream.calls.record import CallRecord, CallSetup, Direction
from agentstream.store.call_query import CallQuery, chosen
from agentstream.switch.feed import Fact

# The words of CC-56.
DIRECTIONS: Final[Mapping[Direction, str]] = {"inbound": "inbound", "outbound": "outbound-api"}
LIVE_LIMIT: Final = 10_000  # calls that broke off without their last event; the oldest goes
ENDED_LIMIT: Final = 2_000  # of calls whose rows may not be written yet


@dataclass(frozen=True, slots=True)
class LegView:
    """One party, in the order of dialling (CB-5)."""

    leg_sid: LegSid
    status: str  # "queued", "ringing", "in-progress", and at the end those of CallStatus
    talk_ms: int = 0  # so far
    cause: Cause | None = None  # once it has ended
    verdict: Verdict | None = None  # who answered, once that is known

    @property
    def answered_by(self) -> Answerer | None:
        """Who answered; None: nobody asked, or it is not known yet."""
        return None if self.verdict is None else self.verdict.answerer


class _OfSetup:
    """What may be asked of any call, and does not change (`store.call_query.Queried`)."""

    __slots__ = ()
    setup: CallSetup

    @property
    def sid(self) -> CallSid:
        """Its sid."""
        return self.setup.call_sid

    @property
    def account_sid(self) -> AccountSid:
        """Whose it is."""
        return self.setup.account_sid

    @property
    def created_at(self) -> datetime:
        """When it began."""
        return self.setup.started_at

    @property
    def from_number(self) -> str:
        """Who calls, or is dialled first."""
        return self.setup.from_number

    @property
    def to_number(self) -> str:
        """Who is called."""
        return self.setup.to_number

    @property
    def account_number(self) -> str:
        """Return the account's own number in the call."""
        return self.setup.account_number

    @property
    def direction(self) -> str:
        """Which way it goes, in the words of CC-56."""
        return DIRECTIONS[self.setup.direction]


@dataclass(frozen=True, slots=True)
class CallView(_OfSetup):
    """A call as it stands."""

    setup: CallSetup
    status: str  # "queued", "ringing", "in-progress", and at the end those of CallStatus
    updated_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    legs: tuple[LegView, ...] = ()
    talk_ms: int = 0  # both parties heard each other (CD-3); of a call with one party, its talk
    cause: Cause | None = None
    text: str = ""  # one sentence for a person: why it ended
    recording_url: str = ""

    @property
    def duration_ms(self) -> int:
        """From the answer; of a live call, until it was heard of last."""
        return _since(self.answered_at, self.ended_at or self.updated_at)


def view_of(record: CallRecord) -> CallView:
    """Return how a call that has ended looks."""
    whole = [recording.url for recording in record.recordings if not recording.error]
    return CallView(
        setup=record.setup,
        status=record.status,
        updated_at=record.ended_at,
        answered_at=record.answered_at,
        ended_at=record.ended_at,
        legs=tuple(
            LegView(leg.leg_sid, leg.status, leg.talk_ms, leg.cause, leg.verdict)
            for leg in record.legs
        ),
        talk_ms=record.conversation_ms,
        cause=record.cause,
        text=record.text,
        recording_url=whole[-1] if whole else "",
    )


@dataclass(slots=True)
class _Party:
    leg_sid: LegSid
    status: str
    answered_ms: int | None = None
    gone_ms: int | None = None  # once it has ended
    cause: Cause | None = None
    verdict: Verdict | None = None

    def view(self, now_ms: int) -> LegView:
        return LegView(self.leg_sid, self.status, self.talked_ms(now_ms), self.cause, self.verdict)

    def talked_ms(self, until_ms: int) -> int:
        """Return how long it has talked."""
        if self.answered_ms is None:
            return 0
        return max(0, min(until_ms, self.gone_ms or until_ms) - self.answered_ms)


@dataclass(slots=True)
class _Live(_OfSetup):
    """What is known of a call that has not ended."""

    setup: CallSetup
    updated_at: datetime
    parties: dict[LegSid, _Party]
    answered_at: datetime | None = None
    recording_url: str = ""

    @property
    def status(self) -> str:
        """That of its first leg, until it has ended; while others talk on, the call goes on."""
        first = next(iter(self.parties.values()))
        return first.status if first.cause is None else "in-progress"

    @property
    def duration_ms(self) -> int:
        """From the answer, until it was heard of last."""
        return _since(self.answered_at, self.updated_at)

    def view(self, now_ms: int) -> CallView:
        first, *others = self.parties.values()
        until_ms = first.gone_ms or now_ms
        talks_ms = [party.talked_ms(until_ms) for party in others or [first]]
        return CallView(
            setup=self.setup,
            status=self.status,
            updated_at=self.updated_at,
            answered_at=self.answered_at,
            legs=tuple(party.view(now_ms) for party in self.parties.values()),
            talk_ms=sum(talks_ms),
            recording_url=self.recording_url,
        )


class CallViews:
    """Subscribe `hear` to the feed: before those who ask for views of what they hear.

    A call that has ended can be found for a while, the latest 2,000 of them, and is among those
    that have ended until its row is written.
    """

    KINDS = (
        CallStarted,
        CallAnswered,
        LegDialled,
        LegRinging,
        LegUp,
        LegGone,
        AnswerJudged,
        BeepHeard,
        RecordingFinished,
        CallEnded,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._live: OrderedDict[CallSid, _Live] = OrderedDict()
        self._ended: OrderedDict[CallSid, CallView] = OrderedDict()
        self._unwritten: dict[CallSid, CallView] = {}  # of them, those without a row

    def find(self, call_sid: CallSid) -> CallView | None:
        """Return how a call stands, also one that has just ended; None for any other."""
        live = self._live.get(call_sid)
        return self._ended.get(call_sid) if live is None else live.view(self._clock.now_ms())

    def live(self, account_sid: AccountSid) -> list[CallView]:
        """Return an account's calls that have not ended, in the order in which they began."""
        return list(self._of(account_sid))

    def without_row(self, query: CallQuery) -> tuple[list[CallView], int]:
        """Return the calls that are meant and whose rows may be missing, and how many there are.

        At most `limit` of them, in the wanted order: the live ones, and some that have ended.
        """
        kept: list[_Live | CallView] = [*self._live.values(), *self._unwritten.values()]
        found, now_ms = chosen(kept, query), self._clock.now_ms()
        shown = [
            call if isinstance(call, CallView) else call.view(now_ms)
            for call in found[: query.limit]
        ]
        return shown, len(found)

    def written(self, call_sids: Iterable[CallSid]) -> None:
        """Take note of calls whose rows can be read now."""
        for call_sid in call_sids:
            self._unwritten.pop(call_sid, None)

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        match fact.event:
            case CallStarted(leg_sid=leg_sid, setup=setup):
                status = "ringing" if setup.direction == "inbound" else "queued"
                self._live[fact.call_sid] = _Live(
                    setup, fact.at, {leg_sid: _Party(leg_sid, status)}
                )
                if len(self._live) > LIVE_LIMIT:
                    self._live.popitem(last=False)
            case CallEnded(record=record):
                self._live.pop(fact.call_sid, None)
                view = view_of(record)
                self._ended[fact.call_sid] = self._unwritten[fact.call_sid] = view
                if len(self._ended) > ENDED_LIMIT:
                    oldest, _ = self._ended.popitem(last=False)
                    self._unwritten.pop(oldest, None)
            case _:
                call = self._live.get(fact.call_sid)
                if call is not None:
                    call.updated_at = fact.at
                    _take(call, fact)

    def _of(self, account_sid: AccountSid) -> Iterator[CallView]:
        now_ms = self._clock.now_ms()
        for call in self._live.values():
            if call.setup.account_sid == account_sid:
                yield call.view(now_ms)


def _since(start: datetime | None, end: datetime) -> int:
    return 0 if start is None else max(0, round((end - start).total_seconds() * 1000))


def _take(call: _Live, fact: Fact) -> None:
    match fact.event:
        case LegDialled(leg_sid=leg_sid):
            call.parties[leg_sid] = _Party(leg_sid, "queued")
        case LegRinging(leg_sid=leg_sid):
            call.parties[leg_sid].status = "ringing"
        case CallAnswered(leg_sid=leg_sid) | LegUp(leg_sid=leg_sid):
            party = call.parties[leg_sid]
            party.status, party.answered_ms = "in-progress", fact.at_ms
            if isinstance(fact.event, CallAnswered):
                call.answered_at = fact.at
        case LegGone(leg_sid=leg_sid, cause=cause, talk_ms=talk_ms):
            party = call.parties[leg_sid]
            party.status = status_word(cause, party.answered_ms is not None)
            party.cause = cause
            party.gone_ms = None if party.answered_ms is None else party.answered_ms + talk_ms
        case AnswerJudged(leg_sid=leg_sid, result=result, elapsed_ms=ms, reason=reason):
            call.parties[leg_sid].verdict = Verdict(result, ms, reason)
        case BeepHeard(leg_sid=leg_sid, elapsed_ms=beep_ms):
            party = call.parties[leg_sid]
            party.verdict = party.verdict and replace(party.verdict, beep_ms=beep_ms)
        case RecordingFinished(url=url, error=""):
            call.recording_url = url
        case _:
            pass
