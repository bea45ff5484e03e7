"""A bridge between legs that answer it, in virtual time: what was said, and who hears whom.

world = BridgeWorld()
world.make(A, B)
world.stop()
assert world.told() == ["bridge_created", "bridge_terminal"]
"""

from agentstream.base.ids import LegSid
from agentstream.flows.bridges.bridge import Bridge
from agentstream.flows.bridges.links import Link
from agentstream.flows.bridges.settings import USUAL, BridgeSettings
from agentstream.flows.bridges.values import (
    Asked,
    Begin,
    BridgeInput,
    BridgeOutput,
    BridgeTerms,
    BridgeTold,
    Connect,
    Declined,
    Disconnect,
    Joined,
    Left,
    Stop,
)
from agentstream.flows.legs import bridge_signs as signs
from agentstream.flows.legs.verbs import Act, Hangup
from agentstream.testing.script import Script

BRIDGE = "bridge-1"


class BridgeWorld:
    """Legs answer at once, but for those in `deaf`."""

    def __init__(self, terms: BridgeTerms | None = None, settings: BridgeSettings = USUAL) -> None:
        self.bridge = Bridge(BRIDGE, terms or BridgeTerms(), 0, settings)
        self.script = Script[BridgeInput, BridgeOutput](self.bridge)
        self.said: list[BridgeOutput] = []
        self.links: set[Link] = set()
        self.deaf: set[LegSid] = set()
        self.dead: set[LegSid] = set()
        self._seen = 0

    def feed(self, *happenings: BridgeInput) -> None:
        """Let things happen, and the legs answer until nothing follows."""
        for happening in happenings:
            self.script.feed(happening)
            self._settle()

    def make(self, *leg_sids: LegSid) -> None:
        """Begin."""
        self.feed(Begin(leg_sids))

    def stop(self, *, hangs_up: bool = False) -> None:
        """Stop it."""
        self.feed(Stop(hangs_up))

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.script.wait(ms)
        self._settle()

    def end(self, leg_sid: LegSid) -> None:
        """Let a leg end."""
        self.dead.add(leg_sid)
        self.feed(Left(leg_sid, has_ended=True))

    def told(self) -> list[str]:
        """Return the names of what was told."""
        return [one.name for one in self.said if isinstance(one, BridgeTold)]

    def fresh(self) -> list[BridgeOutput]:
        """Return what was said since the last time."""
        fresh, self._seen = self.said[self._seen :], len(self.said)
        return fresh

    def _settle(self) -> None:
        while outputs := self.script.take_all():
            for output in outputs:
                self.said.append(output)
                self._take(output)

    def _take(self, output: BridgeOutput) -> None:
        match output:
            case Connect(link):
                assert link not in self.links
                self.links.add(link)
            case Disconnect(link):
                self.links.remove(link)
            case BridgeTold():
                pass
            case Act(verbs=(Hangup(),), leg_sid=leg_sid):
                self.dead.add(leg_sid)
                self.script.feed(Left(leg_sid, has_ended=True))
            case _:
                if output.leg_sid not in self.deaf:
                    self._answer(output)

    def _answer(self, sign: signs.BridgeSign | Act) -> None:
        leg_sid = sign.leg_sid
        match sign:
            case signs.Invited() if leg_sid in self.dead:
                self.script.feed(Declined(leg_sid, "it has ended"))
            case signs.Invited():
                self.script.feed(Asked(leg_sid))
            case signs.Admitted():
                self.script.feed(Joined(leg_sid))
            case signs.Dismissed():
                self.script.feed(Left(leg_sid))
            case _:
                pass
