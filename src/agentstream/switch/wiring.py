"""What a switchboard is made of: its parts, its bounds, its counters."""

from collections import Counter
from collections.abc import Callable
from dataclasses import field

from agentstream.base.clock import Clock
from agentstream.base.ids import CallSid, LegSid, Tokens
from agentstream.base.phone import AS_THEY_ARE, NumberStyle
from agentstream.base.values import dataclass
from agentstream.calls.answering import AnswerCriteria
from agentstream.calls.record import CallLimits, WhichLeg
from agentstream.flows.document import FlowDocument
from agentstream.flows.legs.settings import USUAL, LegSettings
from agentstream.media.engine import MediaEngine
from agentstream.media.negotiate import LocalMedia
from agentstream.media.plan import RtpLegPlan
from agentstream.sip.signaling import SignalingEngine
from agentstream.store.directory import Directory
from agentstream.store.placed_calls import PlacedCalls
from agentstream.switch.feed import Feed
from agentstream.switch.perform import Means
from agentstream.switch.rejections import Rejections
from agentstream.switch.road_limits import RoadLimits
from agentstream.switch.road_states import ALL_UP, RoadStates
from agentstream.switch.room import Room
from agentstream.switch.routing import Roads
from agentstream.switch.trunk_load import TrunkLoad


@dataclass(frozen=True, slots=True)
class SwitchLimits:
    """Bounds of one switchboard."""

    calls: int = 2_000
    calls_per_account: int = 0  # 0: as many as the house has room for (CC-64)
    placed_per_second: int = 0  # by one account; 0: no limit
    begun_per_minute: int = 0  # by one account, also by its trunks (TR-83); 0: no limit
    call: CallLimits = field(default_factory=CallLimits)
    first_packet_timeout_ms: int = 30_000
    packet_timeout_ms: int = 60_000
    jitter_max_ms: int = 200
    inband_dtmf: bool = False
    answering: AnswerCriteria = field(default_factory=AnswerCriteria)

    def room(self) -> Room:
        """Return the places for calls."""
        return Room(self.calls, self.calls_per_account, self.placed_per_second)

    def leg_plan(self, leg_sid: LegSid, call_sid: CallSid) -> RtpLegPlan:
        """Return how the audio path opens one leg of a call."""
        return RtpLegPlan(
            leg_sid,
            jitter_max_ms=self.jitter_max_ms,
            first_packet_timeout_ms=self.first_packet_timeout_ms,
            packet_timeout_ms=self.packet_timeout_ms,
            inband_dtmf=self.inband_dtmf,
            group=call_sid,  # its legs may be bridged, which costs nothing on one thread
        )


def nobody_told(sip_call_id: str, call_sid: CallSid, leg_sid: LegSid) -> None:
    """Keep no messages."""
    del sip_call_id, call_sid, leg_sid


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything that a switchboard connects."""

    signaling: SignalingEngine
    media: MediaEngine
    directory: Directory[FlowDocument]
    means: Means
    feed: Feed
    clock: Clock
    tokens: Tokens
    local: LocalMedia  # our side of every leg; an empty address is what signalling says
    country_code: str = ""
    roads: Roads = field(default_factory=Roads)  # for the legs that calls dial
    numbers: NumberStyle = AS_THEY_ARE  # how customers' servers are shown numbers
    # Users by which calls of our registrations name us: the number is said elsewhere.
    registered_users: frozenset[str] = frozenset()
    placed: PlacedCalls | None = None  # where calls are noted before they are dialled
    legs: LegSettings = USUAL  # how legs that are steered behave
    two_leg_status: WhichLeg = "second"  # whose result a two-number call has (CC-60)
    road_states: RoadStates = ALL_UP  # which roads may be tried
    road_limits: RoadLimits = field(default_factory=RoadLimits)  # how much each carries
    trunk_load: TrunkLoad | None = None  # the gate's; None: one of the switchboard's own
    rejections: Rejections = field(default_factory=Rejections)  # the gate's: what was turned away
    # Told whose leg a Call-ID is; the leg is "" for a call that is refused before it has one.
    signalled: Callable[[str, CallSid, LegSid], None] = nobody_told


@dataclass(slots=True)
class SwitchCounts:
    """What happened to invitations and to orders of calls, for metrics."""

    admitted: int = 0
    dialled: int = 0  # legs, of all calls
    refused: Counter[str] = field(default_factory=Counter)  # by cause
    placed: int = 0  # calls
    not_placed: Counter[str] = field(default_factory=Counter)  # by cause
