"""The register of live bridges: the one place where legs of different calls are linked.

feed ─▶ hear(): what legs tell and ask ─▶ inbox ─▶ Bridge ─▶ signs to legs · links in the audio path
the API ─▶ create, stop, change, act ──────────────┘   └─▶ BridgeFact to whoever tells them

What legs say is worked off behind the event in which they say it, so that a bridge's own event
comes after all that the leg tells at once (BR-11).
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from agentstream import _media
from agentstream.base.clock import Clock
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import AccountSid, LegSid, Tokens
from agentstream.calls.events import BridgeAsked, CallEnded, LegTold
from agentstream.flows.bridges.bridge import Bridge
from agentstream.flows.bridges.links import Pair
from agentstream.flows.bridges.settings import USUAL, BridgeSettings
from agentstream.flows.bridges.values import (
    Asked,
    Begin,
    BridgeAct,
    BridgeInput,
    BridgeOutput,
    BridgeTerms,
    BridgeTold,
    Change,
    Connect,
    Declined,
    Disconnect,
    Joined,
    Left,
    RecordingRefused,
    Stop,
    WatchAsked,
    WatchLeft,
)
from agentstream.flows.legs.bridge_signs import BridgeSign, Refused, WatchRefused
from agentstream.flows.legs.verbs import Act, StartRecording
from agentstream.media.engine import MediaLeg
from agentstream.switch.bridge_legs import BridgeLegs
from agentstream.switch.bridge_ports import BridgeCounts, BridgeLimits, BridgeOrder, LegLines
from agentstream.switch.bridge_view import BridgeFact, BridgeView, seen
from agentstream.switch.feed import Fact
from agentstream.switch.leg_view import ENDINGS, LegView

ENDED_LIMIT: Final = 2_000  # bridges that have ended and whose rows may not be written yet
ACTIONS_LIMIT: Final = 10_000  # whose events are told of the bridge too; the oldest goes
log = structlog.get_logger("bridges")
_Said = LegTold | tuple[BridgeAsked, AccountSid]


@dataclass(slots=True)
class _Live:
    bridge: Bridge
    view: BridgeView
    concerned: frozenset[LegSid] = field(default_factory=frozenset)
    timer: asyncio.TimerHandle | None = None


class Bridges:
    """Subscribe `hear` to the feed, behind the views of legs that `find_leg` looks into.

    `tell` must return at once.
    """

    KINDS = (LegTold, BridgeAsked, CallEnded)

    def __init__(
        self,
        find_leg: Callable[[LegSid], LegView | None],
        tell: Callable[[BridgeFact], None],
        clock: Clock,
        tokens: Tokens,
        settings: BridgeSettings = USUAL,
        limits: BridgeLimits | None = None,
    ) -> None:
        self.counts = BridgeCounts()
        self._find_leg = find_leg
        self._tell = tell
        self._clock = clock
        self._tokens = tokens
        self._settings = settings
        self._limits = limits or BridgeLimits()
        self._lines: LegLines | None = None
        self._live: dict[str, _Live] = {}
        self._ended: OrderedDict[str, BridgeView] = OrderedDict()
        self._by_account: Counter[AccountSid] = Counter()
        self._legs = BridgeLegs(find_leg)
        self._actions: OrderedDict[str, str] = OrderedDict()  # of bridges, by their sids
        self._inbox: deque[_Said] = deque()
        self._is_called = False
        self._acting: set[asyncio.Task[None]] = set()

    def attach(self, lines: LegLines) -> None:
        """Say where the calls of legs are found."""
        self._lines = lines

    @property
    def live(self) -> int:
        """How many bridges there are."""
        return len(self._live)

    def find(self, bridge_sid: str) -> BridgeView | None:
        """Return how a bridge stands, also one that has just ended; None for any other."""
        found = self._live.get(bridge_sid)
        return found.view if found else self._ended.get(bridge_sid)

    def of_action(self, action_sid: str) -> BridgeView | None:
        """Return the bridge to which an action was sent; None for that of a leg."""
        bridge_sid = self._actions.get(action_sid)
        return None if bridge_sid is None else self.find(bridge_sid)

    # What is wanted

    def create(self, order: BridgeOrder) -> BridgeView:
        """Make a bridge; what becomes of it is told (BR-7).

        Raises BusyError when a bound is reached, CommandError for legs that cannot be bridged now.
        """
        self._check_room(order.account_sid)
        for leg_sid in order.leg_sids:
            self._check_free(leg_sid)
        now_ms, at = self._clock.now_ms(), self._clock.wall()
        sid = self._tokens.hex()
        view = BridgeView(
            bridge_sid=sid,
            account_sid=order.account_sid,
            terms=order.terms,
            created_at=at,
            updated_at=at,
            leg_sids=order.leg_sids,
        )
        self._live[sid] = live = _Live(Bridge(sid, order.terms, now_ms, self._settings), view)
        self._by_account[order.account_sid] += 1
        self._remember(sid, sid)  # what it lets its legs do by itself has its sid as action
        self.counts.created += 1
        self._receive(live, Begin(order.leg_sids))
        return live.view

    def stop(self, bridge_sid: str, *, hangs_up: bool) -> BridgeView:
        """Let a bridge end (BR-5a); raises CommandError for one that has ended."""
        live = self._found(bridge_sid)
        self._receive(live, Stop(hangs_up))
        return live.view

    def change(self, bridge_sid: str, terms: BridgeTerms) -> BridgeView:
        """Let a bridge be otherwise from now on; raises CommandError for one that has ended."""
        live = self._found(bridge_sid)
        self._receive(live, Change(terms))
        return live.view

    async def act(self, act: BridgeAct) -> None:
        """Let the legs of a bridge do something; raises CommandError when none of them can."""
        live = self._found(act.bridge_sid)
        self._remember(act.action_sid, act.bridge_sid)
        outputs = live.bridge.receive(act, self._clock.now_ms())
        acts = [output for output in outputs if isinstance(output, Act)]
        self._perform(live, [output for output in outputs if not isinstance(output, Act)])
        results = await asyncio.gather(*map(self._act_on, acts), return_exceptions=True)
        for one, result in zip(acts, results, strict=True):
            self._take_result(live, one, result)
        failures = [result for result in results if isinstance(result, CommandError)]
        if failures and len(failures) == len(results):
            raise failures[0]

    # What legs say

    def hear(self, fact: Fact) -> None:
        """Take one fact; it is worked off a moment later."""
        event = fact.event
        match event:
            case BridgeAsked():
                self._inbox.append((event, fact.account_sid))
            case LegTold(leg_sid=leg_sid, name=name) if self._concerns(leg_sid, name):
                self._inbox.append(event)
            case CallEnded(call_sid=call_sid) if lost := self._legs.take_call(call_sid):
                # Its legs have told their ends, unless the call broke off.
                self._inbox.extend(LegTold(call_sid, leg_sid, "leg_terminated") for leg_sid in lost)
            case _:
                return
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._work)

    def _concerns(self, leg_sid: LegSid, name: str) -> bool:
        """Tell whether a bridge must know what a leg tells; one that asks may end meanwhile."""
        return leg_sid in self._legs or (bool(self._inbox) and name in ENDINGS)

    def _work(self) -> None:
        self._is_called = False
        while self._inbox:
            said = self._inbox.popleft()
            try:
                if isinstance(said, LegTold):
                    self._leg_told(said)
                else:
                    self._leg_asked(*said)
            except Exception:  # the top of a callback: the other bridges must go on
                leg_sid = said.leg_sid if isinstance(said, LegTold) else said[0].leg_sid
                log.exception("bridge_broke_off", leg_sid=leg_sid)

    def _leg_told(self, told: LegTold) -> None:
        leg_sid = told.leg_sid
        live = self._live.get(self._legs.bridge_of(leg_sid))
        if live is None:
            return
        about = dict(told.data).get("bridge_sid")
        if told.name in ENDINGS:
            self._receive(live, Left(leg_sid, has_ended=True))
            self._receive(live, WatchLeft(leg_sid))
        elif told.name == "monitoring_stopped":
            self._receive(self._live.get(str(about)), WatchLeft(leg_sid))
        elif about == live.bridge.bridge_sid and told.name == "leg_joined_bridge":
            self._receive(live, Joined(leg_sid))
        elif about == live.bridge.bridge_sid and told.name == "leg_left_bridge":
            self._receive(live, Left(leg_sid))

    def _leg_asked(self, asked: BridgeAsked, account_sid: AccountSid) -> None:
        leg_sid, wanted = asked.leg_sid, asked.bridge_sid
        if asked.wish == "watch" and not wanted:
            wanted = self._legs.bridge_of(asked.other_sid)
        live = self._live.get(wanted)
        if live is None or live.view.account_sid != account_sid:
            self._refuse(asked, wanted)
            return
        match asked.wish:
            case "join":
                self._receive(live, Asked(leg_sid))
            case "decline":
                self._receive(live, Declined(leg_sid, asked.text))
            case "watch":
                other_sid = asked.other_sid or LegSid("")
                self._receive(live, WatchAsked(leg_sid, asked.mode, other_sid))

    def _refuse(self, asked: BridgeAsked, wanted: str) -> None:
        why = f"there is no live bridge {wanted}" if wanted else "that leg is in no bridge"
        if asked.wish == "watch":
            self._post(WatchRefused(asked.leg_sid, why))
        elif asked.wish == "join":
            self._post(Refused(asked.leg_sid, asked.bridge_sid, why))

    # What bridges say

    def _receive(self, live: _Live | None, happening: BridgeInput) -> None:
        if live is not None:
            self._perform(live, live.bridge.receive(happening, self._clock.now_ms()))

    def _perform(self, live: _Live, outputs: list[BridgeOutput]) -> None:
        self._look(live)
        for output in outputs:
            match output:
                case BridgeTold():
                    self.counts.failed += output.name == "bridge_failed_to_create"
                    self._tell(BridgeFact(live.view, self._clock.wall(), output))
                case Connect() | Disconnect():
                    self._link(output)
                case Act(verbs=(StartRecording(),)):
                    self._soon(live, output)
                case _:
                    self._post(output)
        self._after(live)

    def _look(self, live: _Live) -> None:
        """Take note of how a bridge stands, and of which legs it must hear."""
        before = live.view
        live.view = seen(before, live.bridge, self._clock.wall())
        endpoint = live.view.terms.event_endpoint
        fresh = (endpoint,) if endpoint else self._endpoints_of(live)
        live.view = replace(live.view, endpoints=fresh)
        concerned = live.bridge.concerned
        self._legs.note(live.bridge.bridge_sid, live.concerned, concerned)
        live.concerned = concerned
        if live.view != before:
            self._tell(BridgeFact(live.view, live.view.updated_at))

    def _endpoints_of(self, live: _Live) -> tuple[str, ...]:
        """BR-3: without an endpoint of its own a bridge is told where its legs are."""
        legs = (self._find_leg(leg_sid) for leg_sid in live.concerned | live.bridge.concerned)
        here = {leg.terms.event_endpoint for leg in legs if leg is not None}
        return tuple(dict.fromkeys((*live.view.endpoints, *sorted(here))))

    def _after(self, live: _Live) -> None:
        if live.timer is not None:
            live.timer.cancel()
            live.timer = None
        wake_ms, sid = live.bridge.wake_at_ms, live.bridge.bridge_sid
        if wake_ms is not None:
            rest_ms = max(0, wake_ms - self._clock.now_ms())
            loop = asyncio.get_running_loop()
            live.timer = loop.call_later(rest_ms / 1000, self._wake, live)
        if live.view.is_over and sid in self._live:
            del self._live[sid]
            self._by_account -= Counter([live.view.account_sid])
            self._ended[sid] = live.view
            if len(self._ended) > ENDED_LIMIT:
                self._ended.popitem(last=False)

    def _wake(self, live: _Live) -> None:
        live.timer = None
        self._perform(live, live.bridge.wake(self._clock.now_ms()))

    def _post(self, sign: BridgeSign | Act) -> None:
        line = self._lines.line_of(sign.leg_sid) if self._lines else None
        if line is not None:  # a leg without a call has ended, and has told so
            line.post(sign)

    def _link(self, output: Connect | Disconnect) -> None:
        link = output.link
        one, other = self._media(link.leg_sid), self._media(link.other_sid)
        if one is None or other is None:
            return  # the end of either leg has ended the link
        try:
            match output, link:
                case Connect(), Pair(relays_keys=relays):
                    one.bridge(other, relays_digits=relays)
                case Connect(), _:
                    one.hear(other, relays_digits=link.relays_keys)
                case Disconnect(), Pair():
                    one.unbridge()
                case Disconnect(), _:
                    one.unhear(other)
        except _media.MediaError:  # no other link must be missing for it
            log.exception("legs_not_linked", leg_sid=link.leg_sid, other_sid=link.other_sid)

    def _media(self, leg_sid: LegSid) -> MediaLeg | None:
        line = self._lines.line_of(leg_sid) if self._lines else None
        return None if line is None else line.media(leg_sid)

    # Acts on legs

    async def _act_on(self, act: Act) -> None:
        if self._lines is None:
            raise CommandError("legs cannot be steered here")
        await self._lines.act(act)

    def _soon(self, live: _Live, act: Act) -> None:
        async def carry_out() -> None:
            result: BaseException | None = None
            try:
                await self._act_on(act)
            except CommandError as error:
                result = error
            self._take_result(live, act, result)

        self._spawn(carry_out())

    def _take_result(self, live: _Live, act: Act, result: BaseException | None) -> None:
        if result is None:
            return
        if not isinstance(result, CommandError):
            raise result
        log.info("bridge_act_refused", leg_sid=act.leg_sid, why=str(result))
        if any(isinstance(verb, StartRecording) for verb in act.verbs):
            self._receive(live, RecordingRefused(act.leg_sid))

    def _spawn(self, job: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(job, name="bridge act")
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    # Bounds

    def _found(self, bridge_sid: str) -> _Live:
        live = self._live.get(bridge_sid)
        if live is None:
            raise CommandError("the bridge has ended")
        return live

    def _check_room(self, account_sid: AccountSid) -> None:
        limits = self._limits
        full = ""
        if len(self._live) >= limits.bridges:
            full = f"{limits.bridges} bridges are open, which is all that there may be"
        elif self._by_account[account_sid] >= limits.bridges_per_account:
            full = f"The account has {limits.bridges_per_account} bridges open, as many as it may"
        if full:
            self.counts.refused += 1
            raise BusyError(full)

    def _check_free(self, leg_sid: LegSid) -> None:
        view = self._find_leg(leg_sid)
        if view is None or view.state != "connected":
            state = "unknown here" if view is None else view.state
            raise CommandError(f"The leg {leg_sid} is {state}: only legs that are up are bridged")
        if view.sections.bridge != "not_in_bridge" or leg_sid in self._legs:
            raise CommandError(f"The leg {leg_sid} is in a bridge already, or listens to one")

    def _remember(self, action_sid: str, bridge_sid: str) -> None:
        self._actions[action_sid] = bridge_sid
        if len(self._actions) > ACTIONS_LIMIT:
            self._actions.popitem(last=False)
