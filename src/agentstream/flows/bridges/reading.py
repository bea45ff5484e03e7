"""What a bridge is told to do, from either shape of request to values (BR-6, EX-28)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from agentstream.flows.bridges.values import BridgeVerb, Refer
from agentstream.flows.given import BadActionError, Given
from agentstream.flows.legs.exoml import read_document
from agentstream.flows.legs.json_actions import given_of
from agentstream.flows.legs.reading import read_verb
from agentstream.flows.legs.verbs import StartRecording

ENDPOINT_CHARS: Final = 2_048
ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "refer": "Refer",
        "start_play": "StartPlay",
        "stop_play": "StopPlay",
        "start_say": "StartSay",
        "stop_say": "StopSay",
        "play_sequence": "PlaySequence",
        "start_recording": "StartRecording",
        "stop_recording": "StopRecording",
    }
)
VERBS: Final = frozenset(ACTIONS.values()) | {"Play", "Say"}


def read_bridge_exoml(
    document: str, absent_loop: Literal["once", "endless"] = "once"
) -> tuple[BridgeVerb, ...]:
    """Return the verbs of a document; raises BadActionError that names line and element."""
    return tuple(_read(given, absent_loop) for given in read_document(document))


def read_bridge_action(action: str, body: Mapping[str, object]) -> BridgeVerb:
    """Return the verb of a JSON body; raises BadActionError that names the field."""
    verb = ACTIONS.get(action)
    if verb is None:
        raise BadActionError(f"there is no action {action[:40]!r}; there are {', '.join(ACTIONS)}")
    return _read(given_of(verb, action, body))


def _read(given: Given, absent_loop: Literal["once", "endless"] = "once") -> BridgeVerb:
    if given.verb == "Refer":
        return Refer(given.content("bridgeEventEndpoint", limit=ENDPOINT_CHARS))
    if given.verb not in VERBS:
        known = ", ".join(sorted(VERBS))
        raise given.wrong(given.verb, f"is for legs; a bridge can be told {known}")
    verb = read_verb(given, absent_loop)
    if isinstance(verb, StartRecording) and verb.message is not None:
        raise given.wrong(given.verb, "with a prompt, a silence, a key or a time is for legs")
    return verb
