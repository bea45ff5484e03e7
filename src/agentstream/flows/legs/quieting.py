"""What a leg's party says and hears while it is muted or on hold (EX-24, EX-25).

A leg that talks with another one is held by its bridge; any other is cut off from whoever hears it.
"""

from collections.abc import Callable

from agentstream.base.ids import PromptId
from agentstream.calls.commands import Hold as HoldBridged
from agentstream.calls.commands import MuteLeg, Play, StopPlaying
from agentstream.calls.commands import Unhold as UnholdBridged
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import IMPOSSIBLE, LegInput, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import Direction, Hold, Mute, UnHold, UnMute


class Quieting:
    """Mute and hold of one leg."""

    def __init__(self, teller: Teller, new_prompt_id: Callable[[], PromptId]) -> None:
        self.is_held = False
        self._teller = teller
        self._new_prompt_id = new_prompt_id
        self._music: PromptId | None = None
        self._is_bridged_hold = False
        self._origin = Origin()
        self._is_muted: dict[Direction, bool] = {"in": False, "out": False}

    def mute(self, origin: Origin, verb: Mute | UnMute) -> list[Step]:
        """Silence a direction, or let it be heard again."""
        mutes = isinstance(verb, Mute)
        for side in ("in", "out"):
            if verb.direction in (side, "both"):
                self._is_muted[side] = mutes
        name = "mute_success" if mutes else "unmute_success"
        told = self._teller.tell(name, origin, direction=verb.direction)
        return [self._order(), told, Over(origin)]

    def begin(
        self, origin: Origin, verb: Hold | UnHold | Mute | UnMute, *, is_bridged: bool
    ) -> list[Step]:
        """Begin what an action asks for."""
        match verb:
            case Hold():
                return self.hold(origin, verb, is_bridged=is_bridged)
            case UnHold():
                return self.unhold(origin)
            case Mute() | UnMute():
                return self.mute(origin, verb)

    def hold(self, origin: Origin, verb: Hold, *, is_bridged: bool) -> list[Step]:
        """Let the party hear music, and nobody hear it."""
        leg_sid = self._teller.leg_sid
        self.is_held, self._is_bridged_hold, self._origin = True, is_bridged, origin
        self._music = self._new_prompt_id()
        told = self._teller.tell("hold_success", origin)
        if is_bridged:
            return [HoldBridged(self._music, leg_sid, verb.music), told, Over(origin)]
        play = Play(leg_sid, self._music, verb.music, loops=0)
        return [self._order(), play, told, Over(origin)]

    def unhold(self, origin: Origin) -> list[Step]:
        """End that."""
        told = self._teller.tell("unhold_success", origin)
        steps: list[Step] = [told, Over(origin)]
        if self._is_bridged_hold:
            self._forget()
            return [UnholdBridged(self._teller.leg_sid), *steps]
        music = self._music
        self._forget()
        stop: list[Step] = [StopPlaying(music)] if music else []
        return [*stop, self._order(), *steps]

    def parted(self) -> None:
        """Take it that the bridge has ended, and a hold of it too."""
        if self._is_bridged_hold:
            self._forget()

    def receive(self, happening: LegInput) -> list[Step]:
        """Take that the call does not want to hold."""
        match happening:
            case CommandRefused(command=HoldBridged(prompt_id=self._music), text=text):
                self._forget()
                return self._teller.fail("leg_failed_to_hold", self._origin, IMPOSSIBLE, text)
            case _:
                return []

    def _order(self) -> MuteLeg:
        is_held = self.is_held and not self._is_bridged_hold
        heard, said = self._is_muted["in"], self._is_muted["out"]
        return MuteLeg(self._teller.leg_sid, heard or is_held, said or is_held, prompts=said)

    def _forget(self) -> None:
        self.is_held = self._is_bridged_hold = False
        self._music = None
