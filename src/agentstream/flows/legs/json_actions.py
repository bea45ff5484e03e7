"""Shape A: one JSON endpoint for each action (LG-80 to LG-88)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agentstream.flows.given import TORN, BadActionError, Given, Scalar, is_torn, plain
from agentstream.flows.legs.reading import CUSTOM_CHARS, read_verb
from agentstream.flows.legs.verbs import Verb

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(  # LG-85: the last part of the path
    {
        "answer": "Answer",
        "hangup": "Hangup",
        "start_stream": "StartStream",
        "stop_stream": "StopStream",
        "start_say": "StartSay",
        "stop_say": "StopSay",
        "start_play": "StartPlay",
        "stop_play": "StopPlay",
        "play_sequence": "PlaySequence",
        "gather": "Gather",
        "send_digits": "SendDigits",
        "dial": "Dial",
        "transfer": "Transfer",
        "start_recording": "StartRecording",
        "stop_recording": "StopRecording",
        "hold": "Hold",
        "unhold": "UnHold",
        "mute": "Mute",
        "unmute": "UnMute",
        "join_bridge": "JoinBridge",
        "leave_bridge": "LeaveBridge",
        "start_monitoring": "StartMonitoring",
        "stop_monitoring": "StopMonitoring",
    }
)
_INSIDE: Final = frozenset(
    {"prompt", "music", "items", "greeting"}
)  # the fields that hold plays and says
_CUSTOM: Final = ("action_custom_param", "action_custom_parameter")  # LC-13


def read_action(action: str, body: Mapping[str, object]) -> Verb:
    """Return the verb of a JSON body, which is empty where none was sent (LG-86).

    Raises BadActionError that names the field.
    """
    verb = ACTIONS.get(action)
    if verb is None:
        raise BadActionError(f"there is no action {action[:40]!r}; there are {', '.join(ACTIONS)}")
    return read_verb(given_of(verb, action, body))


def read_custom(body: Mapping[str, object]) -> str:
    """Return `action_custom_param` (LG-88, LG-90); raises BadActionError."""
    for name in _CUSTOM:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise BadActionError(f"{name} must be a text")
        if is_torn(value):
            raise BadActionError(f"{name} {TORN}")
        if len(value.encode()) > CUSTOM_CHARS:
            raise BadActionError(f"{name} is longer than {CUSTOM_CHARS} bytes")
        return value
    return ""


def given_of(verb: str, place: str, body: Mapping[str, object]) -> Given:
    """Return the fields of one verb, not yet understood; raises BadActionError."""
    fields: dict[str, Scalar] = {}
    inside: list[Given] = []
    for name, value in body.items():
        if plain(name) in _INSIDE:
            several = value if isinstance(value, list) else [value]
            inside += [_inner(f"{place}: {name}", one) for one in several]
        elif value is None or isinstance(value, str | int | float | bool):
            # The first of two spellings of one name counts.
            fields.setdefault(plain(name), value)
        else:
            raise BadActionError(f"{place}: {name[:40]} must be a text, a number, true or false")
    return Given(verb, place, "json", fields, inside=inside)


def _inner(place: str, body: object) -> Given:
    """Read a prompt in another action: `{"text": ...}` is said, `{"url": ...}` is played."""
    if not isinstance(body, dict) or not all(isinstance(name, str) for name in body):
        raise BadActionError(f"{place} must be an object with text or url")
    names = {plain(name) for name in body}
    if ("text" in names) == bool(names & {"url", "playurl"}):
        raise BadActionError(f"{place} must have either text or url")
    return given_of("StartSay" if "text" in names else "StartPlay", place, body)
