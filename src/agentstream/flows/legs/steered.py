"""One leg that is steered: its life, its requests, and everything that runs on it.

connecting ──it rings──▶ ringing ──it answers──▶ up ──▶ over: leg_terminated
     └────── it never rang ─────────────────────────▶ over: leg_failed_to_create   (EV-4)
"""

from collections import deque
from enum import Enum

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid, PromptId, RecordingSid, StreamSid, Tokens
from agentstream.base.machine import earliest
from agentstream.calls import commands
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    AnswerJudged,
    BeepHeard,
    DigitReceived,
    LegsBridged,
    LegsUnbridged,
    LegUp,
)
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.acting import failure_name
from agentstream.flows.legs.bridge_signs import Admitted, Invited
from agentstream.flows.legs.bridging import Bridging
from agentstream.flows.legs.gathering import Gathering
from agentstream.flows.legs.last_word import last_word
from agentstream.flows.legs.pairing import Pairing
from agentstream.flows.legs.playback import Kind, Playback, word_of
from agentstream.flows.legs.pressing import Pressing
from agentstream.flows.legs.quieting import Quieting
from agentstream.flows.legs.requests import Requests
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.streaming import Streaming
from agentstream.flows.legs.taping import Taping
from agentstream.flows.legs.told import (
    IMPOSSIBLE,
    NOBODY,
    BotSpeaks,
    LegInput,
    LegOutput,
    Origin,
    Over,
    Step,
    Teller,
    who_answered,
)
from agentstream.flows.legs.transferring import Transferring
from agentstream.flows.legs.verbs import (
    Act,
    Answer,
    Dial,
    Gather,
    Hangup,
    Hold,
    JoinBridge,
    LeaveBridge,
    Mute,
    PlaySequence,
    SendDigits,
    StartMonitoring,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopMonitoring,
    StopPlay,
    StopRecording,
    StopSay,
    StopStream,
    Transfer,
    UnHold,
    UnMute,
    Verb,
)


class Stage(Enum):
    """Where a leg is in its life."""

    CONNECTING = "connecting"
    RINGING = "ringing"
    UP = "up"
    OVER = "over"


class SteeredLeg:
    """A machine inside that of the call."""

    def __init__(
        self,
        call_sid: CallSid,
        leg_sid: LegSid,
        tokens: Tokens,
        settings: LegSettings,
        *,
        rings_here: bool = False,
    ) -> None:
        self.leg_sid = leg_sid
        self.stage = Stage.CONNECTING
        self.pairing = Pairing(Teller(call_sid, leg_sid), tokens.hex)
        self._settings = settings
        self._rings_here = rings_here
        self._has_rung = False
        self._is_bridged = False
        self._answered_ms: int | None = None
        self._now_ms = 0
        self._answerers: list[Origin] = []  # the Answers that wait for the leg to be up
        self._is_answering = False
        self._ending: Origin = NOBODY
        self._teller = teller = Teller(call_sid, leg_sid)
        self._playback = Playback(teller, lambda: PromptId(tokens.hex()), self._is_greeting)
        self._gathering = Gathering(teller, self._playback)
        self._streaming = Streaming(teller, lambda: StreamSid(tokens.hex()))
        self._taping = Taping(teller, self._playback, lambda: RecordingSid(tokens.hex()))
        self._quieting = Quieting(teller, lambda: PromptId(tokens.hex()))
        self._pressing = Pressing(teller)
        self._bridging = Bridging(teller)
        self._transferring = Transferring(teller, tokens.hex)
        self._requests = Requests(self._begin, continues_on_error=settings.continues_on_error)

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        parts = self._gathering, self._pressing, self._taping
        return earliest(*(part.wake_at_ms for part in parts))

    @property
    def is_over(self) -> bool:
        """Whether its end was told."""
        return self.stage is Stage.OVER

    # Its life

    def connects(self, **data: str) -> list[LegOutput]:
        """Tell that it begins."""
        return [self._teller.tell("leg_connecting", **data)]

    def rings(self) -> list[LegOutput]:
        """Tell once that its party is alerted."""
        if self.stage is not Stage.CONNECTING:
            return []
        self.stage, self._has_rung = Stage.RINGING, True
        return [self._teller.tell("leg_ringing")]

    def answered(self, now_ms: int) -> list[LegOutput]:
        """Tell that it is up; an Answer that waited for it is over."""
        self.stage, self._answered_ms = Stage.UP, now_ms
        answerers, self._answerers = self._answerers, []
        told = self._teller.tell("leg_answered", answerers[0] if answerers else NOBODY)
        return self._follow([told, *map(Over, answerers)], now_ms)

    def answer(self) -> list[LegOutput]:
        """Let it be answered, unless it is, or will be."""
        if self.stage is not Stage.RINGING or self._is_answering:
            return []
        self._is_answering = True
        return [commands.Answer(self.leg_sid)]

    def ended(self, cause: Cause, party: Party, text: str, now_ms: int) -> list[LegOutput]:
        """Tell the end of everything that runs, and its own end (EV-4, EV-5)."""
        self._requests.drop()
        steps = [
            *self._gathering.end(),
            *self._playback.end(),
            *self._pressing.end(),
            *self._streaming.end(),
            *self._taping.end(),
            *self.pairing.end(now_ms),
            *self._bridging.end(),
        ]
        self.stage = Stage.OVER
        talk_ms = None if self._answered_ms is None else now_ms - self._answered_ms
        ending = cause, party, text
        told = last_word(self._teller, ending, talk_ms, self._ending, has_rung=self._has_rung)
        return [*(one for one in steps if not isinstance(one, Over)), told]

    # What is wanted

    def act(self, act: Act, now_ms: int) -> list[LegOutput]:
        """Work on a request; raises CommandError for one that cannot even begin."""
        if self.stage is Stage.OVER:
            raise CommandError("the leg has ended")
        self._now_ms = now_ms
        self._check(act.verbs)
        self._requests.check_room()
        return self._follow(self._requests.add(act), now_ms)

    def _check(self, verbs: tuple[Verb, ...]) -> None:
        # Those after the first find the leg in another state.
        why = self._why_not(verbs[0]) if verbs else "the action has no verb"
        if why:
            raise CommandError(why)

    def _why_not(self, verb: Verb) -> str:
        """Return why a verb cannot be done now; "" when it can."""
        match verb:
            case _ if self._ending != NOBODY:
                return "" if isinstance(verb, Hangup) else "the leg is being hung up"
            case Hangup() | Answer():
                is_theirs = self.stage is not Stage.UP and not self._rings_here
                is_wrong = is_theirs and isinstance(verb, Answer)
                return "this leg is answered by the party that was called" if is_wrong else ""
            case _ if self.stage is not Stage.UP:
                return "the leg is not answered yet"  # LG-106
            case Dial() | Hold() | UnHold():
                return self._why_not_pair(verb)
            case JoinBridge() | LeaveBridge() | StartMonitoring():
                return self._why_not_bridge(verb)
            case StartStream(two_way=True) if self._bridging.is_taken:
                return "the leg is in a bridge, where no bot speaks"  # BR-10
            case Gather() if self._gathering.is_active:
                return "a gather runs on this leg already"
            case StartStream(two_way=True) if self._streaming.has_speaker:
                return "a bot already speaks to this leg"
            case StartRecording() if self._taping.is_running:
                return "this leg is being recorded already"
            case _:
                return ""

    def _why_not_pair(self, verb: Dial | Hold | UnHold) -> str:
        match verb:
            case Dial() if self._is_bridged or self._bridging.is_taken or self.pairing.pair:
                return "this leg dials or talks with another one already"
            case Hold() if self._quieting.is_held:
                return "the leg is on hold already"
            case UnHold() if not self._quieting.is_held:
                return "the leg is not on hold"
            case _:
                return ""

    def _why_not_bridge(self, verb: JoinBridge | LeaveBridge | StartMonitoring) -> str:
        """BR-9: a leg belongs to one bridge."""
        if isinstance(verb, LeaveBridge):
            return "" if self._bridging.is_inside else "the leg is in no bridge that it could leave"
        if self._bridging.is_taken or self._is_bridged or self.pairing.pair is not None:
            return "the leg is in a bridge already; it belongs to one at a time"
        if self._bridging.listens and isinstance(verb, JoinBridge):
            return "the leg listens to a bridge; stop_monitoring ends that"
        if self._bridging.asks_to_listen:
            return "the leg is about to listen to a bridge"
        return ""

    def _begin(self, verb: Verb, origin: Origin) -> list[Step]:
        why = self._why_not(verb)
        if why:
            return self._teller.fail(failure_name(verb), origin, IMPOSSIBLE, why)
        match verb:
            case Answer():
                return self._answer(origin)
            case Hangup():
                return self._hang_up(origin)
            case StartPlay() | StartSay():
                return self._playback.start(origin, (verb,), word_of(verb))
            case PlaySequence(items):
                return self._playback.start(origin, items, "sequence")
            case StopPlay() | StopSay():
                stopped: Kind = "play" if isinstance(verb, StopPlay) else "say"
                return self._playback.interrupt(frozenset({stopped, "sequence"}))
            case Gather():
                return self._gathering.start(origin, verb, self._now_ms)
            case SendDigits():
                return self._pressing.start(origin, verb, self._now_ms)
            case _:
                return self._begin_more(verb, origin)

    def _begin_more(self, verb: Verb, origin: Origin) -> list[Step]:
        match verb:
            case StartStream():
                return self._stream(verb, origin)
            case StopStream(stream_sid):
                return self._streaming.stop(stream_sid)
            case StartRecording():
                return self._taping.start(origin, verb, self._now_ms)
            case StopRecording():
                return self._taping.stop()
            case Hold() | UnHold() | Mute() | UnMute():
                return self._quieting.begin(origin, verb, is_bridged=self._is_bridged)
            case Dial():
                return self.pairing.start(origin, verb)
            case Transfer():
                return self._transferring.start(origin, verb)
            case JoinBridge() | LeaveBridge() | StartMonitoring() | StopMonitoring():
                return self._bridging.begin(origin, verb)
            case _:
                raise AssertionError(f"{verb} is begun before")

    def _stream(self, verb: StartStream, origin: Origin) -> list[Step]:
        steps, greeting = self._streaming.start(origin, verb), verb.greeting
        if greeting is not None:
            steps += self._playback.start(origin, (greeting,), word_of(greeting))
        return steps

    def _answer(self, origin: Origin) -> list[Step]:
        """LG-112: once; on a leg that is up, or about to be, it is harmless."""
        if self.stage is Stage.UP:
            return [Over(origin)]
        self._answerers.append(origin)
        return [*self.answer()]

    def _hang_up(self, origin: Origin) -> list[Step]:
        if self._ending != NOBODY:
            return [Over(origin)]
        self._ending = origin
        return [commands.HangUpLeg(self.leg_sid, Cause.NORMAL, Party.OPERATOR)]

    # What happens

    def receive(self, happening: LegInput, now_ms: int) -> list[LegOutput]:
        """Take what happens in the call; what is of another leg changes nothing."""
        self._now_ms = now_ms
        steps = self._heard(happening, now_ms)
        for part in (self._playback, self._streaming, self._taping, self._pressing, self._quieting):
            steps += part.receive(happening)
        steps += [*self.pairing.receive(happening, now_ms), *self._bridging.receive(happening)]
        steps += self._transferring.receive(happening)
        return self._follow(steps, now_ms)

    def wake(self, now_ms: int) -> list[LegOutput]:
        """Let the timers that are due fire."""
        self._now_ms = now_ms
        parts = self._gathering, self._pressing, self._taping
        return self._follow([step for part in parts for step in part.wake(now_ms)], now_ms)

    def _heard(self, happening: LegInput, now_ms: int) -> list[Step]:
        match happening:
            case DigitReceived(leg_sid=self.leg_sid):
                return self._pressed(happening, now_ms)
            case BotSpeaks() if self._streaming.is_first_word(happening):
                return self._first_word()
            case AnswerJudged(leg_sid=self.leg_sid) | BeepHeard(leg_sid=self.leg_sid):
                return [who_answered(self._teller, happening)]
            case Invited(leg_sid=self.leg_sid) | Admitted(leg_sid=self.leg_sid):
                return self._called(happening)
            case LegUp() if self.pairing.pair and happening.leg_sid == self.pairing.pair.second_sid:
                return self._part_from_others()
            case LegsBridged() if self.leg_sid in (happening.leg_sid, happening.other_sid):
                self._is_bridged = True
                return []
            case LegsUnbridged() if self.leg_sid in (happening.leg_sid, happening.other_sid):
                self._is_bridged = False
                self._quieting.parted()
                return []
            case CommandRefused(command=commands.Answer(self.leg_sid), text=text):
                return self._answer_failed(text)
            case _:
                return []

    def _pressed(self, key: DigitReceived, now_ms: int) -> list[Step]:
        if self._gathering.is_active:
            return self._gathering.press(key.digit, now_ms)
        ends = self._taping.press(key.digit)
        if ends or not self._settings.tells_keys:
            return ends
        return [self._teller.tell("dtmf_received", digits=key.digit, duration_ms=key.duration_ms)]

    def _is_greeting(self) -> bool:
        """LG-123: with `queue` what is played before a bot's first word comes first."""
        return self._settings.greeting_overlap == "queue" and not self._streaming.has_spoken

    def _first_word(self) -> list[Step]:
        overlap = self._settings.greeting_overlap
        if overlap == "queue":  # what is heard now lets the bot wait; the rest comes too late
            return self._playback.interrupt_unheard()
        return self._playback.interrupt() if overlap == "yield" else []

    def _called(self, sign: Invited | Admitted) -> list[Step]:
        if isinstance(sign, Admitted):
            return self._part_from_others() if self._bridging.is_taken else []
        return self._bridging.invited(sign.bridge_sid, self._why_not(JoinBridge(sign.bridge_sid)))

    def _part_from_others(self) -> list[Step]:
        """BR-10: whoever is bridged talks with a person, and neither with a bot nor to music."""
        return [*self._streaming.part_from_speaker(), *self._playback.interrupt()]

    def _answer_failed(self, why: str) -> list[Step]:
        answerers, self._answerers = self._answerers, []
        fails = [self._teller.fail("action_failed", one, IMPOSSIBLE, why) for one in answerers]
        return [step for steps in fails for step in steps]

    def _follow(self, steps: list[Step], now_ms: int) -> list[LegOutput]:
        """Let whoever waits for an end go on, until nobody does."""
        outputs: list[LegOutput] = []
        todo = deque(steps)
        while todo:
            step = todo.popleft()
            if not isinstance(step, Over):
                outputs.append(step)
            elif self._gathering.waits_for(step):
                todo.extendleft(reversed(self._gathering.prompt_over(step, now_ms)))
            elif self._taping.waits_for(step):
                todo.extendleft(reversed(self._taping.prompt_over(now_ms)))
            else:
                todo.extendleft(reversed(self._requests.over(step)))
        return outputs
