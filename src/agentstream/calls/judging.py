"""Listens who answered the legs of a call: each is asked about at most once, and told once.

WatchAnswer ──▶ listening ──AnswererKnown──▶ human, unknown
                    │     └────────────────▶ machine ──Beeped──▶ its beep is known
                    └── nothing came in time, or the leg ends ──▶ unknown
"""

from dataclasses import replace

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid
from agentstream.base.machine import earliest
from agentstream.calls.answering import GRACE_MS, AnswerReason, Verdict
from agentstream.calls.commands import WatchAnswer
from agentstream.calls.effects import Effect, ListenForAnswer
from agentstream.calls.events import AnswerJudged, BeepHeard, Event
from agentstream.calls.leg import Leg
from agentstream.calls.reports import AnswererKnown, Beeped


class Judging:
    """A machine inside that of the legs."""

    def __init__(self, call_sid: CallSid) -> None:
        self._call_sid = call_sid
        self._asked: dict[LegSid, tuple[Leg, int, int]] = {}  # since when, until when

    @property
    def wake_at_ms(self) -> int | None:
        """When the first verdict must be there."""
        if not self._asked:
            return None
        return earliest(*[until_ms for _, _, until_ms in self._asked.values()])

    def awaits(self, leg: Leg) -> bool:
        """Tell whether a verdict on this leg is still to come."""
        return leg.leg_sid in self._asked

    def begin(self, leg: Leg, wish: WatchAnswer, now_ms: int) -> list[Event | Effect]:
        """Listen to a leg that talks; raises CommandError."""
        if self.awaits(leg) or leg.verdict is not None:
            raise CommandError("who answered this leg is asked once")
        wish.criteria.check()
        until_ms = now_ms + wish.criteria.total_analysis_ms + GRACE_MS
        self._asked[leg.leg_sid] = (leg, now_ms, until_ms)
        return [ListenForAnswer(leg.leg_sid, wish.criteria)]

    def hear(self, leg: Leg, report: AnswererKnown | Beeped) -> list[Event | Effect] | None:
        """Take what the audio path found; None when nobody asked, or it came too late."""
        if isinstance(report, Beeped):
            return self._beeped(leg, report.elapsed_ms)
        if self._asked.pop(leg.leg_sid, None) is None:
            return None
        leg.verdict = Verdict(report.answerer, report.elapsed_ms, report.reason)
        return [self._judged(leg.leg_sid, leg.verdict)]

    def wake(self, now_ms: int) -> list[Event | Effect]:
        """Give up what was not decided in time; nobody listens any more."""
        outputs: list[Event | Effect] = []
        for leg, _, until_ms in list(self._asked.values()):
            if until_ms <= now_ms:
                outputs += [ListenForAnswer(leg.leg_sid, None), *self.end(leg, now_ms, "time")]
        return outputs

    def end(self, leg: Leg, now_ms: int, reason: AnswerReason = "gone") -> list[Event | Effect]:
        """Take it that a leg is over, or its time; nothing when its answerer is known."""
        asked = self._asked.pop(leg.leg_sid, None)
        if asked is None:
            return []
        leg.verdict = Verdict("unknown", now_ms - asked[1], reason)
        return [self._judged(leg.leg_sid, leg.verdict)]

    def end_all(self, now_ms: int) -> list[Event | Effect]:
        """Take it that every leg is over: the call ends."""
        legs = [leg for leg, _, _ in self._asked.values()]
        return [output for leg in legs for output in self.end(leg, now_ms)]

    def _beeped(self, leg: Leg, elapsed_ms: int) -> list[Event | Effect] | None:
        verdict = leg.verdict
        if verdict is None or verdict.answerer != "machine" or verdict.beep_ms is not None:
            return None
        leg.verdict = replace(verdict, beep_ms=elapsed_ms)
        return [BeepHeard(self._call_sid, leg.leg_sid, elapsed_ms)]

    def _judged(self, leg_sid: LegSid, verdict: Verdict) -> AnswerJudged:
        result, elapsed_ms, reason = verdict.answerer, verdict.elapsed_ms, verdict.reason
        return AnswerJudged(self._call_sid, leg_sid, result, elapsed_ms, reason)
