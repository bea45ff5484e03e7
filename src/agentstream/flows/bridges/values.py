"""What happens to a bridge, what is wanted of it, and what it says."""

from dataclasses import field
from typing import Literal

from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.calls.events import Mishap, MonitorMode
from agentstream.flows.bridges.links import Link
from agentstream.flows.bridges.settings import PARTICIPANTS_LIMIT
from agentstream.flows.legs.bridge_signs import BridgeSign
from agentstream.flows.legs.verbs import Act, Verb

BridgeState = Literal["created", "active", "terminal"]  # BR-4


@dataclass(frozen=True, slots=True)
class BridgeTerms:
    """How a bridge was ordered, and may be changed (BR-1 to BR-5)."""

    event_endpoint: str = field(default="", repr=False)  # may hold credentials; "": its legs'
    absorbs_keys: bool = False  # of legs that join from now on (`absorb_dtmf`)
    max_participants: int = PARTICIPANTS_LIMIT
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Refer:
    """EX-28: let the events of the bridge go elsewhere; nothing is transferred."""

    event_endpoint: str = field(repr=False)


BridgeVerb = Verb | Refer


@dataclass(frozen=True, slots=True)
class BridgeAct:
    """One request to a bridge: verbs, in their order (BR-6)."""

    action_sid: str
    bridge_sid: str
    verbs: tuple[BridgeVerb, ...]
    custom: str = ""


# What happens


@dataclass(frozen=True, slots=True)
class Asked:
    """A leg wants to be in, of its own or because it was invited."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class Declined:
    """A leg that was invited cannot come."""

    leg_sid: LegSid
    why: str


@dataclass(frozen=True, slots=True)
class Joined:
    """A leg that was admitted has told that it is in."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class Left:
    """A leg has told that it is in no more, or has ended."""

    leg_sid: LegSid
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class WatchAsked:
    """A leg wants to hear the bridge without being in it; `other_sid` is whom it whispers to."""

    leg_sid: LegSid
    mode: MonitorMode
    other_sid: LegSid


@dataclass(frozen=True, slots=True)
class WatchLeft:
    """A leg does not want to hear it any more, or has ended."""

    leg_sid: LegSid


@dataclass(frozen=True, slots=True)
class RecordingRefused:
    """The leg on which the bridge was to be recorded cannot be recorded."""

    leg_sid: LegSid


# What is wanted


@dataclass(frozen=True, slots=True)
class Begin:
    """Be made, of legs that are up, or waiting for the first one."""

    leg_sids: tuple[LegSid, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """End; its legs stay up, or (`hangs_up`) end too (BR-5a)."""

    hangs_up: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Be otherwise for legs that join later."""

    terms: BridgeTerms


# What it says


@dataclass(frozen=True, slots=True)
class Connect:
    """Let legs hear each other."""

    link: Link


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Let them not hear each other any more."""

    link: Link


@dataclass(frozen=True, slots=True)
class BridgeTold:
    """A stage of a bridge's life, in the words of BR-7."""

    name: str
    error: Mishap | None = None


BridgeInput = (
    Begin
    | Asked
    | Declined
    | Joined
    | Left
    | WatchAsked
    | WatchLeft
    | RecordingRefused
    | Stop
    | Change
    | BridgeAct
)
BridgeOutput = BridgeSign | Connect | Disconnect | Act | BridgeTold
