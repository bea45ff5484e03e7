"""Who hears whom in a bridge.

Two who talk are a Pair, which the audio path carries without a mixer. Of all else each ear has one
Hears for each voice:

    listen    the monitor hears everybody
    whisper   and one of them hears the monitor
    barge     and everybody hears the monitor
"""

from collections.abc import Mapping

from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.calls.events import MonitorMode


@dataclass(frozen=True, slots=True)
class Pair:
    """Two legs that hear each other."""

    leg_sid: LegSid
    other_sid: LegSid
    relays_keys: bool


@dataclass(frozen=True, slots=True)
class Hears:
    """One leg hears another; `relays_keys`: it is pressed that one's keys."""

    leg_sid: LegSid
    other_sid: LegSid
    relays_keys: bool = False


Link = Pair | Hears


@dataclass(frozen=True, slots=True)
class Monitor:
    """How a leg listens in; `other_sid` is whom it whispers to."""

    mode: MonitorMode
    other_sid: LegSid


def links_of(
    absorbs_keys: Mapping[LegSid, bool], monitors: Mapping[LegSid, Monitor]
) -> frozenset[Link]:
    """Return the links of those who are in, each with whether its keys stay with it."""
    members = list(absorbs_keys)
    if len(members) == 2 and not monitors and len(set(absorbs_keys.values())) == 1:
        one, other = members
        return frozenset({Pair(one, other, not absorbs_keys[one])})
    links: set[Link] = {
        Hears(ear, voice, not absorbs_keys[voice])
        for ear in members
        for voice in members
        if ear != voice
    }
    for leg_sid, monitor in monitors.items():
        links |= {Hears(leg_sid, voice) for voice in members}
        links |= {Hears(ear, leg_sid) for ear in members if _is_spoken_to(ear, monitor)}
    return frozenset(links)


def _is_spoken_to(ear: LegSid, monitor: Monitor) -> bool:
    match monitor.mode:
        case "listen":
            return False
        case "whisper":
            return ear == monitor.other_sid
        case "barge":
            return True
