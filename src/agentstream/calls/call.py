"""A call: one writer, from the first leg to the last end.

    NEW ──LegOffered, LegPlaced──▶ RINGING ──LegAnswered──▶ TALKING
     │                                │                        │
     └──── anybody ends it: HangUp, Reject, LegEnded, MediaLost, a time limit ────▶ CLOSING
                                                                                       │
                 ENDED ◀── every leg, prompt, stream and recording has ended, ─────────┘
                           nobody waits for an answer, and the flow has let go;
                           or the closing time is over

While the call closes nothing more can be asked of it, but the flow may still tell the customer's
server how it went (PT-22). Ringing, talking and ending are those of the first leg: it rings here,
or, in a call that we place, where we call. Where it is to be known first who answered (EV-6), the
call rings on until AnswerJudged. What the legs do that are dialled later is in `legs`.

A call that outlives its first leg (BR-9) goes on while any leg talks: once it talks the first leg
is one among others, whose end LegGone tells, and the last one ends the call.
"""

from typing import Final, cast, get_args

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.calls import commands, reports
from agentstream.calls.answering import AskWho
from agentstream.calls.attached import Attached, Output, Wish, Word
from agentstream.calls.causes import Cause, Party, explain
from agentstream.calls.digits import DIGITS, press, relayed
from agentstream.calls.effects import EndLeg, RejectLeg, ReleaseLeg
from agentstream.calls.events import (
    BotAsked,
    CallAnswered,
    CallEnded,
    CallHungUp,
    CallStarted,
    DigitReceived,
    Event,
    MediaStopped,
)
from agentstream.calls.ledger import Ledger
from agentstream.calls.legs import Legs, LegWish
from agentstream.calls.record import CallLimits, CallRecord, CallSetup
from agentstream.calls.requests import Requests
from agentstream.calls.state import MOVES, CallMove, CallState
from agentstream.calls.transferring import Transfers

# Most happenings are of a kind far down the union; a look into a set is ten times as fast.
COMMANDS: Final = frozenset(get_args(commands.Command))


class Call:
    """A Machine[Report | Command, Event | Effect].

    `awaits_flow` says that a flow will send ReleaseCall; without one the call ends as soon as
    nothing of it runs. `recording` is that of the whole call: it begins with the answer (AF-6), and
    so does the listening for who answered.
    """

    def __init__(
        self,
        setup: CallSetup,
        limits: CallLimits,
        now_ms: int,
        *,
        awaits_flow: bool = True,
        recording: commands.StartRecording | None = None,
        asks_who: AskWho | None = None,
    ) -> None:
        self.setup = setup
        self.state = CallState.NEW
        self.ledger = Ledger(setup, now_ms)
        self.record: CallRecord | None = None  # once the call has ended
        self._limits = limits
        self._attached = Attached(self.ledger, limits.stream_close_ms)
        self._legs = Legs(self.ledger, self._attached, limits.leg_close_ms)
        self._transfers = Transfers(setup.call_sid, self._legs, self._attached)
        self._requests = Requests(setup.call_sid)
        self._awaits_flow = awaits_flow
        self._recording = recording
        self._asks_who = asks_who
        self._holds_answer = False  # it is answered, and the verdict is awaited before all else
        self._deadline_ms: int | None = now_ms + limits.setup_ms

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self._deadline_ms, self._attached.wake_at_ms, self._legs.wake_at_ms)

    @property
    def has_ended(self) -> bool:
        """Whether CallEnded was told."""
        return self.state is CallState.ENDED

    def receive(self, happening: reports.Report | commands.Command, now_ms: int) -> list[Output]:
        """Take a report or a command; raises CommandError for an impossible command."""
        if type(happening) in COMMANDS:
            outputs = self._obey(cast("commands.Command", happening), now_ms)
        else:
            heard = self._hear(cast("reports.Report", happening), now_ms)
            if heard is None:
                self.ledger.stray_reports += 1
            outputs = heard or []
        return outputs + self._settle(now_ms)

    def wake(self, now_ms: int) -> list[Output]:
        """Let the time limits that are due take effect."""
        outputs = self._attached.wake(now_ms) + self._legs.wake(now_ms)
        if self._deadline_ms is not None and self._deadline_ms <= now_ms:
            outputs += self._expire(now_ms)
        return outputs + self._settle(now_ms)

    def break_off(self, now_ms: int) -> list[Event]:
        """End now, waiting for nothing: whoever runs the call cannot go on. Returns what to tell.

        For a call that has ended that is its end once more: it may have been lost on the way.
        """
        if self.record is not None:
            return [CallEnded(self.setup.call_sid, self.record)]
        outputs: list[Output] = []
        if not self._is_closing:
            outputs += self._hang_up(Cause.INTERNAL, Party.SYSTEM, "", now_ms)
        outputs += self._write_off(now_ms)
        return [output for output in outputs if isinstance(output, Event)]

    # What is wanted

    def _obey(self, command: commands.Command, now_ms: int) -> list[Output]:
        if self._is_closing:
            return self._obey_while_closing(command)
        if isinstance(command, LegWish | commands.TransferLeg):
            return self._obey_for_legs(command, now_ms)
        match command:
            case commands.Ring(leg_sid) | commands.Answer(leg_sid):
                return [*self._legs.found(leg_sid).receive(command, now_ms)]
            case commands.Reject(leg_sid, cause, party):
                effects = self._legs.found(leg_sid).receive(command, now_ms)
                return [*effects, *self._hang_up(cause, party, "", now_ms)]
            case commands.HangUp(cause, party, text):
                return self._hang_up(cause, party, text, now_ms)
            case commands.SendDigits(leg_sid):
                self._legs.check_talking(leg_sid)
                return [press(command)]
            case commands.StartOver(party):
                return self._start_over(party, now_ms)
            case commands.ReleaseCall():
                return self._release()
            case commands.Fetch() | commands.SendMail():
                return self._requests.order(command)
            case _:
                return self._obey_for_attached(command, now_ms)

    def _obey_while_closing(self, command: commands.Command) -> list[Output]:
        """PT-22: while the flow holds the call it may still ask the customer's server."""
        match command:
            case commands.ReleaseCall():
                return self._release()
            case commands.Fetch() | commands.SendMail() if (
                self._awaits_flow and self.record is None
            ):
                return self._requests.order(command)
            case _:
                raise CommandError("the call has ended")

    def _obey_for_legs(self, command: LegWish | commands.TransferLeg, now_ms: int) -> list[Output]:
        if isinstance(command, commands.TransferLeg):
            return self._transfers.order(command)
        if isinstance(command, commands.HangUpLeg) and self._limits.outlives_first:
            return self._end_leg(command, now_ms)
        return self._legs.order(command, now_ms)

    def _obey_for_attached(self, command: Wish, now_ms: int) -> list[Output]:
        match command:
            case commands.OpenStream() if command.spec.two_way and self._may_be_early(
                command.leg_sid
            ):
                return self._attached.open(command, now_ms, is_early=True)
            case commands.Play() | commands.OpenStream() | commands.StartRecording():
                self._legs.check_talking(command.leg_sid)
            case _:
                pass
        return self._attached.order(command, now_ms)

    def _may_be_early(self, leg_sid: LegSid) -> bool:
        """Tell whether a bot is connected ahead of the answer (OP-6), or of the verdict on it."""
        is_held = self._holds_answer and self._legs.found(leg_sid) is self._legs.first
        return is_held or self._legs.may_be_early(leg_sid)

    def _start_over(self, party: Party, now_ms: int) -> list[Output]:
        if self.state is not CallState.TALKING:
            raise CommandError("the call is not answered yet")
        kept = self._recording.recording_sid if self._recording else None
        outputs = self._legs.part_all() + self._legs.hang_up_dialled(party, now_ms)
        return outputs + self._attached.start_over(kept, now_ms)

    def _release(self) -> list[Output]:
        if not self._awaits_flow:
            raise CommandError("no flow holds this call")
        self._awaits_flow = False
        return []

    # What has happened; None: nothing that concerns this call

    def _hear(self, report: reports.Report, now_ms: int) -> list[Output] | None:
        if self.state is CallState.ENDED:
            return None
        match report:
            case reports.LegOffered() | reports.LegPlaced():
                return self._begins(report, now_ms)
            case (
                reports.LegRang()
                | reports.LegAnswered()
                | reports.LegEnded()
                | reports.MediaFlowing()
            ):
                return self._leg_told(report, now_ms)
            case reports.MediaLost():
                return self._media_lost(report, now_ms)
            case reports.DigitPressed(leg_sid, digit, duration_ms):
                leg = self._legs.get(leg_sid)
                if leg is None or not leg.is_talking or digit not in DIGITS:
                    return None
                self.ledger.digits += 1
                event = DigitReceived(self.setup.call_sid, leg_sid, digit, duration_ms)
                return [
                    event,
                    *relayed(report, self._legs),
                    *(self._attached.hear(report, now_ms) or []),
                ]
            case reports.WentSilent() | reports.AnswererKnown() | reports.Beeped():
                return self._legs.overhear(report)
            case reports.TransferAsked() | reports.TransferTold() | reports.LegReplaces():
                return self._transfers.hear(report, now_ms, self._end_leg)
            case _:
                return self._hear_attached(report, now_ms)

    def _hear_attached(
        self, report: reports.BotWished | reports.Fetched | Word, now_ms: int
    ) -> list[Output] | None:
        match report:
            case reports.BotWished():
                return self._bot_wished(report, now_ms)
            case reports.Fetched():
                return self._requests.hear(report)
            case _:
                return self._attached.hear(report, now_ms)

    def _begins(
        self, report: reports.LegOffered | reports.LegPlaced, now_ms: int
    ) -> list[Output] | None:
        leg_sid = report.leg_sid
        if self._legs.known(leg_sid):
            return None
        if self.state is not CallState.NEW:  # nobody asked for one more leg; it must not hang
            self.ledger.stray_reports += 1
            is_ours = isinstance(report, reports.LegPlaced)
            end = EndLeg(leg_sid, Cause.CANCELED) if is_ours else RejectLeg(leg_sid, Cause.BUSY)
            return [end, ReleaseLeg(leg_sid)]
        self._legs.begin(report, now_ms)
        return self._move(CallStarted(self.setup.call_sid, leg_sid, self.setup))

    def _leg_told(
        self,
        report: reports.LegRang | reports.LegAnswered | reports.LegEnded | reports.MediaFlowing,
        now_ms: int,
    ) -> list[Output] | None:
        leg = self._legs.get(report.leg_sid)
        if leg is None or not leg.accepts(report):
            return None
        outputs = self._transfers.leg_heard(leg, report, now_ms, self._end_leg)
        if leg is not self._legs.first:
            return outputs
        match report:
            case reports.LegAnswered() if self.state is not CallState.TALKING:
                outputs += self._answered(leg.leg_sid, now_ms)
            case reports.LegEnded(text=text) if not (
                self._is_closing or self._legs.go_on_without_first
            ):
                outputs += self._hang_up(leg.cause or report.cause, report.party, text, now_ms)
            case _:
                pass
        return outputs

    def _answered(self, leg_sid: LegSid, now_ms: int) -> list[Output]:
        """Begin the talk, or (EV-6) first let it be known with whom."""
        self._deadline_ms = now_ms + self._limits.call_ms
        outputs: list[Output] = []
        if self._asks_who is not None:
            outputs += self._legs.order(
                commands.WatchAnswer(leg_sid, self._asks_who.criteria), now_ms
            )
            self._holds_answer = self._asks_who.mode == "sync"
        if not self._holds_answer:
            outputs += self._begin_talk(leg_sid)
        if self._recording is not None:
            outputs += self._attached.order(self._recording, now_ms)
        return outputs

    def _begin_talk(self, leg_sid: LegSid) -> list[Output]:
        self._holds_answer = False
        self._legs.outlive_first = self._limits.outlives_first
        told = self._move(CallAnswered(self.setup.call_sid, leg_sid))
        return told + self._attached.leg_answered(leg_sid)

    def _media_lost(self, report: reports.MediaLost, now_ms: int) -> list[Output] | None:
        leg = self._legs.get(report.leg_sid)
        if leg is None or leg.is_ending or self._is_closing:
            return None
        if leg.is_early:
            return None
        call_sid, silent_ms = self.setup.call_sid, report.silent_ms
        outputs: list[Output] = [MediaStopped(call_sid, leg.leg_sid, silent_ms, report.ever_flowed)]
        if not self._limits.ends_without_media:
            return outputs
        lost = commands.HangUpLeg(leg.leg_sid, Cause.NO_MEDIA, Party.NETWORK)
        return outputs + self._end_leg(lost, now_ms)

    def _bot_wished(self, wish: reports.BotWished, now_ms: int) -> list[Output] | None:
        """OP-1: hang-ups and keys are carried out here, a transfer is the flow's."""
        leg_sid = self._attached.leg_of(wish.stream_sid)
        if leg_sid is None or self._is_closing:
            return None
        carried_out: list[Output] = []
        if wish.action == "send_dtmf":
            try:
                self._legs.check_talking(leg_sid)
                carried_out = [press(commands.SendDigits(leg_sid, wish.value))]
            except CommandError:
                return None
        elif wish.action == "hangup" and self._limits.outlives_first:
            carried_out = self._end_leg(
                commands.HangUpLeg(leg_sid, Cause.NORMAL, Party.BOT), now_ms
            )
        elif wish.action == "hangup":
            carried_out = self._hang_up(Cause.NORMAL, Party.BOT, "", now_ms)
        asked = BotAsked(self.setup.call_sid, leg_sid, wish.stream_sid, wish.action, wish.value)
        return [asked, *carried_out]

    # How it ends

    @property
    def _is_closing(self) -> bool:
        return self.state in (CallState.CLOSING, CallState.ENDED)

    def _end_leg(self, wish: commands.HangUpLeg, now_ms: int) -> list[Output]:
        """End one leg, and with it the call where nobody stays."""
        if self._is_closing:
            return []
        is_first = self._legs.found(wish.leg_sid) is self._legs.first
        if is_first and not self._legs.go_on_without_first:
            return self._hang_up(wish.cause, wish.party, wish.text, now_ms)
        return self._legs.hang_up(wish, now_ms)

    def _hang_up(self, cause: Cause, party: Party, text: str, now_ms: int) -> list[Output]:
        text = text or explain(cause, party)
        self.ledger.note_hang_up(cause, party, text, now_ms)
        self._deadline_ms = now_ms + self._limits.closing_ms
        self._holds_answer = False
        outputs = self._legs.stop_judging(now_ms)
        outputs += self._move(CallHungUp(self.setup.call_sid, cause, party, text))
        outputs += self._transfers.end_all()
        outputs += self._legs.part_all() + self._attached.end_all(cause, party, now_ms)
        return outputs + self._legs.end_all(commands.HangUp(cause, party, text), now_ms)

    def _expire(self, now_ms: int) -> list[Output]:
        match self.state:
            case CallState.NEW | CallState.RINGING if not self._holds_answer:
                return self._hang_up(Cause.NO_ANSWER, Party.SYSTEM, "", now_ms)
            case CallState.NEW | CallState.RINGING | CallState.TALKING:
                return self._hang_up(Cause.TIME_LIMIT, Party.SYSTEM, "", now_ms)
            case _:  # what has not ended by now never will; the call does not wait for it
                return self._write_off(now_ms)

    def _write_off(self, now_ms: int) -> list[Output]:
        outputs = self._attached.write_off(now_ms) + self._requests.write_off()
        return outputs + self._legs.write_off(now_ms) + self._end(now_ms)

    def _settle(self, now_ms: int) -> list[Output]:
        outputs = self._legs.settle()
        if self.state is CallState.TALKING and (end := self._legs.end_of_last) is not None:
            outputs += self._hang_up(*end, now_ms)
        if self._holds_answer and not self._legs.awaits_verdict:
            assert self._legs.first is not None, "somebody answered"
            outputs += self._begin_talk(self._legs.first.leg_sid)
        if self.state is not CallState.CLOSING or self._awaits_flow or not self._requests.is_idle:
            return outputs
        if self._legs.are_released and self._attached.is_empty:
            outputs += self._end(now_ms)
        return outputs

    def _end(self, now_ms: int) -> list[Output]:
        self._deadline_ms = None
        self.record = self.ledger.close(self._legs.all, self._legs.first, now_ms)
        return self._move(CallEnded(self.setup.call_sid, self.record))

    def _move(self, event: CallMove) -> list[Output]:
        self.state = MOVES[self.state, type(event)]
        return [event]
