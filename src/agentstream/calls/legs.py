"""The legs of a call: the one that it began with, those that it dialled, and their bridges.

The first leg came in, or is the party that a call of ours is placed to. A leg that was dialled
later ends alone: its bridge is parted, what runs on it is told to end, LegGone is told, and
its media is released once nothing of it runs any more. The first leg ends the call, or, where the
call outlives it and another one talks, ends like them.
"""

from typing import Final, assert_never

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.calls.attached import Attached, Output
from agentstream.calls.bridge import Bridges
from agentstream.calls.causes import Cause, Party, explain
from agentstream.calls.checks import check_new, check_range, check_room
from agentstream.calls.commands import (
    Answer,
    Bridge,
    Dial,
    HangUp,
    HangUpLeg,
    Hold,
    MuteLeg,
    Play,
    Unbridge,
    Unhold,
    WatchAnswer,
    WatchSilence,
)
from agentstream.calls.dial_spec import check_spec
from agentstream.calls.effects import DialLeg, NoticeSilence, ReleaseLeg, SilenceLeg
from agentstream.calls.events import (
    LegDialled,
    LegGone,
    LegRinging,
    LegUp,
    MediaBegan,
    SilenceHeard,
)
from agentstream.calls.judging import Judging
from agentstream.calls.ledger import Ledger, masked
from agentstream.calls.leg import Leg, LegEnd
from agentstream.calls.reports import (
    AnswererKnown,
    Beeped,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegPlaced,
    LegRang,
    MediaFlowing,
    WentSilent,
)

LEGS_AT_ONCE: Final = 16  # the first, ten that ring, and some whose end is still being told
LEGS_PER_CALL: Final = 200  # over its life: its record is bounded
RING_GRACE_MS: Final = 5_000  # signalling ends the ringing; this is the net below it
SILENCE_LIMIT_MS: Final = 3_600_000

LegWish = (
    Dial | HangUpLeg | Bridge | Unbridge | Hold | Unhold | MuteLeg | WatchSilence | WatchAnswer
)
LegTold = LegRang | LegAnswered | LegEnded | MediaFlowing


class Legs:
    """A machine inside the call's machine."""

    def __init__(self, ledger: Ledger, attached: Attached, leg_close_ms: int) -> None:
        self.first: Leg | None = None  # also when it is gone
        self.outlive_first = False  # the call sets it
        self._setup = ledger.setup
        self._attached = attached
        self._leg_close_ms = leg_close_ms
        self._bridges = Bridges(ledger.setup.call_sid)
        self._judging = Judging(ledger.setup.call_sid)
        self._all: dict[LegSid, Leg] = {}  # of the call's whole life
        self._held: dict[LegSid, Leg] = {}  # not yet released
        self._over: list[Leg] = []  # ended, not yet released
        self._deadlines: dict[LegSid, int] = {}  # of dialled legs: to be answered, to be gone

    @property
    def wake_at_ms(self) -> int | None:
        """When the first dialled leg must have been answered, or be gone, or be judged."""
        if not self._deadlines:
            return self._judging.wake_at_ms
        return earliest(*self._deadlines.values(), self._judging.wake_at_ms)

    @property
    def are_released(self) -> bool:
        """Whether no leg is left."""
        return not self._held

    @property
    def go_on_without_first(self) -> bool:
        """Whether a leg talks that stays when the first one goes."""
        others = (leg for leg in self._held.values() if leg is not self.first)
        return self.outlive_first and any(leg.is_talking for leg in others)

    @property
    def end_of_last(self) -> LegEnd | None:
        """How a call ends of which nobody talks any more: as its last leg, or a first that ends."""
        if self.first is None or self.first.end is None or self.go_on_without_first:
            return None
        ends = [(leg.hung_up_ms or 0, leg.end) for leg in self._all.values() if leg.end]
        return max(ends, key=lambda end: end[0])[1] if self.first.has_ended else self.first.end

    def get(self, leg_sid: LegSid) -> Leg | None:
        """Return a leg that is not released."""
        return self._held.get(leg_sid)

    def known(self, leg_sid: LegSid) -> bool:
        """Tell whether this was ever a leg of the call."""
        return leg_sid in self._all

    def found(self, leg_sid: LegSid) -> Leg:
        """Return a leg; raises CommandError when it is none of this call."""
        leg = self._held.get(leg_sid)
        if leg is None:
            raise CommandError("this leg is not part of the call")
        return leg

    def check_talking(self, leg_sid: LegSid) -> Leg:
        """Return a leg to which audio may be sent; raises CommandError."""
        leg = self.found(leg_sid)
        if not leg.is_talking:
            raise CommandError(f"the leg is {leg.state.value}, not talking")
        return leg

    def may_be_early(self, leg_sid: LegSid) -> bool:
        """Tell whether a bot may be connected ahead of this leg's answer (OP-6)."""
        leg = self.found(leg_sid)
        return leg is self.first and leg.may_be_answered

    @property
    def all(self) -> list[Leg]:
        """Every leg of the call's life, the first one first."""
        return list(self._all.values())

    # What is wanted

    def begin(self, first: LegOffered | LegPlaced, now_ms: int) -> None:
        """Begin with the leg that rings here, or that rings where we call."""
        if isinstance(first, LegOffered):
            self.first = Leg(first.leg_sid, "inbound", first.remote, now_ms)
        else:
            self.first = Leg(first.leg_sid, "outbound", "", now_ms, masked(first.destination))
        self._keep(self.first)

    def order(self, wish: LegWish, now_ms: int) -> list[Output]:
        """Carry out a command; raises CommandError."""
        match wish:
            case Dial():
                return self.dial(wish, now_ms)
            case HangUpLeg():
                return self.hang_up(wish, now_ms)
            case Bridge():
                return self.bridge(wish)
            case Unbridge():
                return self.unbridge(wish)
            case Hold():
                return self.hold(wish, now_ms)
            case Unhold():
                return self.unhold(wish)
            case MuteLeg(leg_sid, heard, said, prompts):
                self.check_talking(leg_sid)
                return [SilenceLeg(leg_sid, heard, said, prompts)]
            case WatchSilence(leg_sid, timeout_ms):
                check_range(timeout_ms, 0, SILENCE_LIMIT_MS, "timeout_ms")
                self.check_talking(leg_sid).is_watched = timeout_ms > 0
                return [NoticeSilence(leg_sid, timeout_ms)]
            case WatchAnswer():
                return self._judging.begin(self.check_talking(wish.leg_sid), wish, now_ms)
            case _:
                assert_never(wish)

    def dial(self, dial: Dial, now_ms: int) -> list[Output]:
        """Call one more party."""
        spec = dial.spec
        if self.first is None:
            raise CommandError("nobody is there yet for whom to dial")
        check_new(dial.leg_sid in self._all, "leg")
        check_room(len(self._held), LEGS_AT_ONCE, "legs at once")
        check_room(len(self._all), LEGS_PER_CALL, "legs")
        check_spec(spec)
        shown = masked(spec.destination)
        self._keep(Leg(dial.leg_sid, "outbound", "", now_ms, shown))
        self._deadlines[dial.leg_sid] = now_ms + spec.ring_ms + RING_GRACE_MS
        caller_id = spec.caller_id or self._setup.account_number  # AP-47
        return [
            LegDialled(self._setup.call_sid, dial.leg_sid, shown, caller_id),
            DialLeg(dial.leg_sid, spec),
        ]

    def admit(self, leg_sid: LegSid, remote: str, now_ms: int) -> list[Output]:
        """Answer one more party, which calls to take another one's place."""
        check_room(len(self._held), LEGS_AT_ONCE, "legs at once")
        check_room(len(self._all), LEGS_PER_CALL, "legs")
        leg = Leg(leg_sid, "inbound", remote, now_ms)
        self._keep(leg)
        self._deadlines[leg_sid] = now_ms + RING_GRACE_MS
        told = LegDialled(self._setup.call_sid, leg_sid, remote, "")
        return [told, *leg.receive(Answer(leg_sid), now_ms)]

    def hang_up(self, wish: HangUpLeg, now_ms: int) -> list[Output]:
        """End one leg: a dialled one, or the first where the call goes on without it."""
        leg = self.found(wish.leg_sid)
        if leg is self.first and not self.go_on_without_first:
            raise CommandError("the first leg ends with the call: hang up the call")
        return self._hang_up(leg, wish, now_ms)

    def _hang_up(self, leg: Leg, wish: HangUpLeg, now_ms: int) -> list[Output]:
        text = wish.text or explain(wish.cause, wish.party)
        ends = leg.receive(HangUp(wish.cause, wish.party, text), now_ms)
        outputs = [*self._judging.end(leg, now_ms), *self._part(leg.leg_sid)]
        outputs += self._attached.end_leg(leg.leg_sid, wish.cause, wish.party, now_ms)
        self._deadlines[leg.leg_sid] = now_ms + self._leg_close_ms
        return [*outputs, *ends]

    def hang_up_dialled(self, party: Party, now_ms: int) -> list[Output]:
        """End every leg but the first."""
        outputs: list[Output] = []
        for leg_sid, leg in list(self._held.items()):
            wish = HangUpLeg(leg_sid, Cause.NORMAL, party)
            if leg is not self.first and leg.accepts(HangUp(wish.cause, party)):
                outputs += self.hang_up(wish, now_ms)
        return outputs

    def bridge(self, wish: Bridge) -> list[Output]:
        """Let two legs hear each other."""
        for leg_sid in (wish.leg_sid, wish.other_sid):
            leg = self.found(leg_sid)
            if not leg.is_heard:
                raise CommandError(
                    f"the leg is {leg.state.value}: it neither talks nor has early media"
                )
        return self._bridges.join(wish)

    def unbridge(self, wish: Unbridge) -> list[Output]:
        """End the bridge of a leg."""
        outputs = self._part(self.found(wish.leg_sid).leg_sid)
        if not outputs:
            raise CommandError("the leg is in no bridge")
        return outputs

    def hold(self, wish: Hold, now_ms: int) -> list[Output]:
        """Let a bridged party hear music instead of the other one."""
        leg_sid = self._named(wish.leg_sid)
        play = Play(leg_sid, wish.prompt_id, wish.music, loops=0)
        self.check_talking(leg_sid)
        self._bridges.check_hold(leg_sid)
        played = self._attached.order(play, now_ms)
        return [*self._bridges.hold(leg_sid, wish.prompt_id), *played]

    def unhold(self, wish: Unhold) -> list[Output]:
        """Let them hear each other again."""
        leg_sid = self._named(wish.leg_sid)
        music = self._bridges.music(leg_sid)
        joined = self._bridges.unhold(leg_sid)
        return [*self._attached.silence(music), *joined]

    def partner(self, leg_sid: LegSid, *, for_digits: bool = False) -> LegSid | None:
        """Return whom a leg is bridged with, or (`for_digits`) who is to have its keys."""
        return self._bridges.partner(leg_sid, for_digits=for_digits)

    def leave(self, leg_sid: LegSid) -> list[Output]:
        """End a leg's bridge, if it is in one."""
        return self._part(leg_sid)

    def put_in_place(self, old_sid: LegSid, leg_sid: LegSid) -> None:
        """Let the call end with this leg where it would have ended with that one."""
        if not self.outlive_first and self.first is self._held.get(old_sid):
            self.first = self.found(leg_sid)

    def part_all(self) -> list[Output]:
        """End every bridge: the call ends."""
        return self._bridges.part_all()

    def end_all(self, hang_up: HangUp, now_ms: int) -> list[Output]:
        """Hang up every leg that is not ending already."""
        outputs: list[Output] = []
        for leg in self._held.values():
            if leg.accepts(hang_up):
                outputs += leg.receive(hang_up, now_ms)
                if leg is not self.first:
                    self._deadlines[leg.leg_sid] = now_ms + self._leg_close_ms
        return outputs

    # What has happened

    def hear(self, leg: Leg, report: LegTold, now_ms: int) -> list[Output]:
        """Take a report that the leg accepts."""
        is_first_media = not leg.had_media
        is_first_ring = leg.rang_ms is None
        had_early_media = leg.has_early_media
        leg.receive(report, now_ms)
        call_sid, leg_sid = self._setup.call_sid, leg.leg_sid
        match report:
            case MediaFlowing():
                return [MediaBegan(call_sid, leg_sid)] if is_first_media else []
            case LegRang():
                is_news = is_first_ring or leg.has_early_media is not had_early_media
                return [LegRinging(call_sid, leg_sid, leg.has_early_media)] if is_news else []
            case LegAnswered() if self._deadlines.pop(leg_sid, None) is not None:
                return [LegUp(call_sid, leg_sid)]
            case LegEnded():
                return self._ended(leg, now_ms)
            case _:
                return []

    def overhear(self, report: WentSilent | AnswererKnown | Beeped) -> list[Output] | None:
        """Take what is to be told of how a party sounds; None when nobody asked."""
        leg = self._held.get(report.leg_sid)
        if leg is None or not leg.is_talking:
            return None
        if isinstance(report, AnswererKnown | Beeped):
            return self._judging.hear(leg, report)
        if not leg.is_watched:
            return None
        return [SilenceHeard(self._setup.call_sid, leg.leg_sid, report.silent_ms)]

    @property
    def awaits_verdict(self) -> bool:
        """Whether it is not yet known who answered the first leg."""
        return self.first is not None and self._judging.awaits(self.first)

    def stop_judging(self, now_ms: int) -> list[Output]:
        """Take it that nobody will know who answered: the call ends."""
        return [*self._judging.end_all(now_ms)]

    def wake(self, now_ms: int) -> list[Output]:
        """Give up what has rung too long; write off what should be gone by now."""
        outputs: list[Output] = [*self._judging.wake(now_ms)]
        for leg_sid, at_ms in list(self._deadlines.items()):
            if at_ms > now_ms:
                continue
            leg = self._held[leg_sid]
            if leg.may_be_answered:
                late = HangUpLeg(leg_sid, Cause.NO_ANSWER, Party.SYSTEM)
                outputs += self._hang_up(leg, late, now_ms)
                continue
            del self._deadlines[leg_sid]
            if not leg.has_ended:
                leg.write_off()
                outputs += self._ended(leg, now_ms)
            outputs += self._attached.write_off(now_ms, leg_sid)
        return outputs

    def write_off(self, now_ms: int) -> list[Output]:
        """Take every leg as ended and release it; what runs on them was written off before."""
        outputs: list[Output] = []
        for leg in list(self._held.values()):
            if not leg.has_ended and leg is not self.first:
                leg.write_off()
                outputs += self._ended(leg, now_ms)
        return outputs + self._release(list(self._held.values()))

    def settle(self) -> list[Output]:
        """Release the legs that have ended and on which nothing runs any more."""
        if not self._over:
            return []
        return self._release([leg for leg in self._over if self._attached.is_leg_free(leg.leg_sid)])

    def _named(self, leg_sid: LegSid | None) -> LegSid:
        """Return the leg of this sid, or the first one; raises CommandError."""
        if leg_sid is None and self.first is not None:
            leg_sid = self.first.leg_sid
        return self.found(leg_sid or LegSid("")).leg_sid

    def _part(self, leg_sid: LegSid) -> list[Output]:
        """End a leg's bridge, and the music of the one that was held in it."""
        music = self._bridges.music(leg_sid)
        return [*self._bridges.part(leg_sid), *self._attached.silence(music)]

    def _keep(self, leg: Leg) -> None:
        self._all[leg.leg_sid] = self._held[leg.leg_sid] = leg

    def _ended(self, leg: Leg, now_ms: int) -> list[Output]:
        self._over.append(leg)
        if leg is self.first and not self.go_on_without_first:
            return []  # the end of the call tells it
        assert leg.cause is not None, "a leg that has ended says why"
        assert leg.party is not None, "a leg that has ended says who"
        leg_sid, cause, party = leg.leg_sid, leg.cause, leg.party
        outputs = [*self._judging.end(leg, now_ms), *self._part(leg_sid)]
        outputs += self._attached.end_leg(leg_sid, cause, party, now_ms)
        outputs.append(LegGone(self._setup.call_sid, leg_sid, cause, party, leg.talk_ms, leg.text))
        self._deadlines[leg_sid] = now_ms + self._leg_close_ms
        return outputs

    def _release(self, legs: list[Leg]) -> list[Output]:
        for leg in legs:
            del self._held[leg.leg_sid]
            self._deadlines.pop(leg.leg_sid, None)
        if legs:
            self._over = [leg for leg in self._over if leg.leg_sid in self._held]
        return [ReleaseLeg(leg.leg_sid) for leg in legs]
