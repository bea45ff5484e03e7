"""Which verbs are waited for, and what their failures are called."""

from types import MappingProxyType
from typing import Final

from agentstream.flows.legs.verbs import (
    Answer,
    Dial,
    Gather,
    Hold,
    JoinBridge,
    Mute,
    PlaySequence,
    SendDigits,
    StartMonitoring,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    Transfer,
    UnHold,
    UnMute,
    Verb,
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
        Transfer: "transfer_failed",
        StartRecording: "recording_failed_to_start",
        Hold: "leg_failed_to_hold",
        UnHold: "leg_failed_to_hold",
        Mute: "leg_failed_to_mute",
        UnMute: "leg_failed_to_mute",
        JoinBridge: "leg_failed_to_join_bridge",
        StartMonitoring: "monitoring_failed_to_start",
    }
)


def is_awaited(verb: Verb) -> bool:
    """Tell whether the next verb waits for the end of this one (EX-2)."""
    if isinstance(verb, StartPlay | StartSay):
        return verb.is_awaited
    if isinstance(verb, StartRecording):
        return verb.message is not None
    # A join is over within a moment, and what follows may need it.
    calls = isinstance(verb, Dial | Transfer)
    return calls or isinstance(verb, Answer | Gather | PlaySequence | JoinBridge | StartMonitoring)


def failure_name(verb: Verb) -> str:
    """Return the event that tells that a verb could not be begun."""
    return _FAILURES.get(type(verb), "action_failed")
