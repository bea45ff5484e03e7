"""What a bridge lets a leg know; the leg answers by what it tells, and by BridgeAsked.

bridge ─Invited─▶ leg ─BridgeAsked─▶ bridge ─Admitted─▶ leg: leg_joined_bridge
                   └── of its own, by JoinBridge ─┘  └─Refused─▶ leg: leg_failed_to_join_bridge
"""

from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.calls.events import MonitorMode


@dataclass(frozen=True, slots=True)
class Invited:
    """A bridge that is being made wants this leg: it asks to join, or declines."""

    leg_sid: LegSid
    bridge_sid: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """The leg is in from now on."""

    leg_sid: LegSid
    bridge_sid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The leg cannot be in; `why` is a sentence."""

    leg_sid: LegSid
    bridge_sid: str
    why: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The bridge stops: the leg leaves it, and stays up."""

    leg_sid: LegSid
    bridge_sid: str


@dataclass(frozen=True, slots=True)
class Watching:
    """The leg hears a bridge without being in it (EX-27)."""

    leg_sid: LegSid
    bridge_sid: str
    mode: MonitorMode


@dataclass(frozen=True, slots=True)
class WatchRefused:
    """The leg cannot hear the bridge that it asked for."""

    leg_sid: LegSid
    why: str


@dataclass(frozen=True, slots=True)
class WatchOver:
    """The bridge that the leg heard has ended."""

    leg_sid: LegSid
    bridge_sid: str


BridgeSign = Invited | Admitted | Refused | Dismissed | Watching | WatchRefused | WatchOver
