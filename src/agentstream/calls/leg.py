"""One party's part of a call, from ringing to its end.

ours to answer                     ours to dial
OFFERED ──Answer──▶ ANSWERING      DIALLING ──LegRang──▶ RINGING
   │                    │              │                    │
   │               LegAnswered    LegAnswered          LegAnswered
 Reject                 └──────▶ TALKING ◀──────────────────┘
 HangUp                             │
   └────────────▶ ENDING ◀──HangUp──┘       LegEnded leads to ENDED from everywhere
"""

from enum import Enum
from typing import Final, assert_never

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls.answering import Verdict
from agentstream.calls.causes import Cause, Party, explain
from agentstream.calls.commands import Answer, HangUp, Reject, Ring
from agentstream.calls.effects import AnswerLeg, EndLeg, RejectLeg, RingLeg
from agentstream.calls.record import Direction, LegRecord
from agentstream.calls.reports import LegAnswered, LegEnded, LegRang, MediaFlowing


class LegState(Enum):
    """Where a leg is in its life."""

    OFFERED = "offered"
    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERING = "answering"
    TALKING = "talking"
    ENDING = "ending"
    ENDED = "ended"


LegInput = Ring | Answer | Reject | HangUp | LegRang | LegAnswered | LegEnded | MediaFlowing
LegEnd = tuple[Cause, Party, str]  # why, by whom, and a sentence for a person
LegEffect = RingLeg | AnswerLeg | RejectLeg | EndLeg

OFFERED: Final = LegState.OFFERED
DIALLING: Final = LegState.DIALLING
RINGING: Final = LegState.RINGING
ANSWERING: Final = LegState.ANSWERING
TALKING: Final = LegState.TALKING
ENDING: Final = LegState.ENDING
ENDED: Final = LegState.ENDED

MOVES: Final[dict[tuple[LegState, type[LegInput]], LegState]] = {
    (OFFERED, Ring): OFFERED,
    (OFFERED, MediaFlowing): OFFERED,  # early media
    (OFFERED, Answer): ANSWERING,
    (OFFERED, Reject): ENDING,
    (OFFERED, HangUp): ENDING,
    (OFFERED, LegEnded): ENDED,
    (DIALLING, LegRang): RINGING,
    (DIALLING, LegAnswered): TALKING,
    (DIALLING, MediaFlowing): DIALLING,  # early media
    (DIALLING, HangUp): ENDING,
    (DIALLING, LegEnded): ENDED,
    (RINGING, LegRang): RINGING,  # its early media begins, or it rings at one more place
    (RINGING, LegAnswered): TALKING,
    (RINGING, MediaFlowing): RINGING,
    (RINGING, HangUp): ENDING,
    (RINGING, LegEnded): ENDED,
    (ANSWERING, LegAnswered): TALKING,
    (ANSWERING, MediaFlowing): ANSWERING,  # audio overtakes the acknowledgement
    (ANSWERING, HangUp): ENDING,
    (ANSWERING, LegEnded): ENDED,
    (TALKING, MediaFlowing): TALKING,
    (TALKING, HangUp): ENDING,
    (TALKING, LegEnded): ENDED,
    (ENDING, LegEnded): ENDED,
}


class Leg:
    """A Machine[LegInput, LegEffect] without timers; its call owns the time limits."""

    def __init__(
        self,
        leg_sid: LegSid,
        direction: Direction,
        remote: str,
        now_ms: int,
        destination: str = "",
    ) -> None:
        self.leg_sid = leg_sid
        self.state = OFFERED if direction == "inbound" else DIALLING
        self.had_media = False
        self.has_early_media = False
        self.is_watched = False  # for silence
        self.verdict: Verdict | None = None  # who answered
        self.answered_ms: int | None = None
        # A leg that is offered rings at once; one that we dial rings when it says so.
        self.rang_ms: int | None = now_ms if direction == "inbound" else None
        self._direction: Direction = direction
        self._remote = remote
        self._destination = destination
        self._started_ms = now_ms
        self._ended_ms: int | None = None
        self.hung_up_ms: int | None = None
        self.cause: Cause | None = None
        self.party: Party | None = None
        self.text = ""

    @property
    def is_talking(self) -> bool:
        """Whether audio may be sent to this leg."""
        return self.state is TALKING

    @property
    def is_dialled(self) -> bool:
        """Whether we called this party."""
        return self._direction == "outbound"

    @property
    def may_be_answered(self) -> bool:
        """Whether this leg waits for an answer, ours or its party's, or for its acknowledgement."""
        return self.state in (OFFERED, ANSWERING, DIALLING, RINGING)

    @property
    def is_heard(self) -> bool:
        """Whether this leg can be bridged: it talks, or its early media arrives."""
        return self.state is TALKING or (self.has_early_media and self.may_be_answered)

    @property
    def is_early(self) -> bool:
        """Whether this leg rings: its early media may come and go."""
        return self.state in (OFFERED, DIALLING, RINGING)

    @property
    def is_ending(self) -> bool:
        """Whether this leg was told to end, or has ended."""
        return self.state in (ENDING, ENDED)

    @property
    def has_ended(self) -> bool:
        """Whether the last report of this leg was received."""
        return self.state is ENDED

    def accepts(self, happening: LegInput) -> bool:
        """Whether MOVES has a move for this."""
        return (self.state, type(happening)) in MOVES

    def receive(self, happening: LegInput, now_ms: int) -> list[LegEffect]:
        """Make the move; raises CommandError where there is none (ask `accepts` for reports)."""
        before = self.state
        after = MOVES.get((before, type(happening)))
        if after is None:
            raise CommandError(
                f"the leg is {before.value}, so {type(happening).__name__} cannot be"
            )
        self.state = after
        match happening:
            case Ring() | Answer():
                return [self._greet(happening)]
            case Reject(cause=cause, party=party):
                return [self._refuse(cause, party, "", now_ms)]
            case HangUp(cause=cause, party=party, text=text) if before is OFFERED:
                return [self._refuse(cause, party, text, now_ms)]
            case HangUp(cause=cause, party=party, text=text):
                self._end_by(self._unanswered(cause), party, text, now_ms)
                return [EndLeg(self.leg_sid, cause, text)]
            case LegRang(has_early_media=has_early_media):
                self.rang_ms = now_ms if self.rang_ms is None else self.rang_ms
                self.has_early_media = self.has_early_media or has_early_media
            case LegAnswered():
                self.answered_ms = now_ms
            case MediaFlowing():
                self.had_media = True
            case LegEnded(cause=cause, party=party, text=text):
                self._ended_ms = now_ms
                self._end_by(self._unanswered(cause, at_its_end=True), party, text, now_ms)
            case _:
                assert_never(happening)
        return []

    def write_off(self) -> None:
        """Take a leg that was told to end as ended: the report of it did not come in time."""
        assert self.state is ENDING, "only what was told to end is written off"
        self.state = ENDED

    @property
    def end(self) -> LegEnd | None:
        """Why it ended, or is told to; None for a leg that is not ending."""
        if self.cause is None or self.party is None:
            return None
        return self.cause, self.party, self.text

    @property
    def talk_ms(self) -> int:
        """From the answer to the hang-up; 0 when there was no answer, or no hang-up yet."""
        if self.answered_ms is None or self.hung_up_ms is None:
            return 0
        return self.hung_up_ms - self.answered_ms

    def record(self, zero_ms: int) -> LegRecord:
        """Return the leg's part of the call record; times count from `zero_ms`."""
        return LegRecord(
            leg_sid=self.leg_sid,
            direction=self._direction,
            remote=self._remote,
            started_ms=self._started_ms - zero_ms,
            rang_ms=since(zero_ms, self.rang_ms),
            answered_ms=since(zero_ms, self.answered_ms),
            ended_ms=since(zero_ms, self._ended_ms),
            cause=self.cause,
            ended_by=self.party,
            had_media=self.had_media,
            destination=self._destination,
            talk_ms=self.talk_ms,
            verdict=self.verdict,
        )

    def _greet(self, wish: Ring | Answer) -> LegEffect:
        if isinstance(wish, Answer):
            return AnswerLeg(self.leg_sid)
        self.has_early_media = self.has_early_media or wish.with_media
        return RingLeg(self.leg_sid, wish.with_media)

    def _refuse(self, cause: Cause, party: Party, text: str, now_ms: int) -> LegEffect:
        self._end_by(cause, party, text, now_ms)
        return RejectLeg(self.leg_sid, cause, text)

    def _unanswered(self, cause: Cause, *, at_its_end: bool = False) -> Cause:
        """Return CANCELED for a leg that ends as usual before anybody answered."""
        is_early = self.answered_ms is None and (self.is_dialled or at_its_end)
        return Cause.CANCELED if cause is Cause.NORMAL and is_early else cause

    def _end_by(self, cause: Cause, party: Party, text: str, now_ms: int) -> None:
        if self.cause is None:  # the first who ends it is the one who ended it
            self.cause, self.party = cause, party
            self.text = text or explain(cause, party)
            self.hung_up_ms = now_ms


def since(zero_ms: int, time_ms: int | None) -> int | None:
    """Return `time_ms` counted from `zero_ms`, and None for what never happened."""
    return None if time_ms is None else time_ms - zero_ms
