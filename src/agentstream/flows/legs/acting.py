"""What of a request can be done, and what its failures are called."""

from types import MappingProxyType
from typing import Final

from agentstream.flows.legs.verbs import (
    Answer,
    Dial,
    Gather,
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
    UnHold,
    UnMute,
    Verb,
)

_LATER: Final = "cannot be done here yet: legs are bridged by Dial only"
NEVER: Final[MappingProxyType[type[Verb], str]] = MappingProxyType(
    {
        JoinBridge: f"JoinBridge {_LATER}",
        LeaveBridge: f"LeaveBridge {_LATER}",
        StartMonitoring: f"StartMonitoring {_LATER}",
        StopMonitoring: f"StopMonitoring {_LATER}",
    }
)
_FAILURES: Final[MappingProxyType[type[Verb], str]] = MappingProxyType(  # EX-47
    {
        StartPlay: "play_failed_to_start",
        PlaySequence: "play_failed_to_start",
        StartSay: "say_failed_to_start",
        Gather: "gather_failed_to_start",
        SendDigits: "digits_failed_to_send",
        StartStream: "stream_failed_to_start",
        Dial: "dial_failed",
        StartRecording: "recording_failed_to_start",
        Hold: "leg_failed_to_hold",
        UnHold: "leg_failed_to_hold",
        Mute: "leg_failed_to_mute",
        UnMute: "leg_failed_to_mute",
    }
)


def never(verb: Verb) -> str:
    """Return why a verb can never be done here; "" for one that can."""
    return NEVER.get(type(verb), "")


def is_awaited(verb: Verb) -> bool:
    """Tell whether the next verb waits for the end of this one (EX-2)."""
    if isinstance(verb, StartPlay | StartSay):
        return verb.is_awaited
    return isinstance(verb, Answer | Gather | Dial | PlaySequence)


def failure_name(verb: Verb) -> str:
    """Return the event that tells that a verb could not be begun."""
    return _FAILURES.get(type(verb), "action_failed")
