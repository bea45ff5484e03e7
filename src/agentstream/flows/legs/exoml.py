"""Shape B: an ExoML document, root `<Flow>`, as a list of verbs (EX-1 to EX-4)."""

from typing import Final, Literal

from agentstream.flows.given import BadActionError, Given
from agentstream.flows.legs.reading import NAMES, read_verb
from agentstream.flows.legs.verbs import Verb
from agentstream.flows.markup import Grammar, read_markup

# The root, a verb, a prompt inside it; which verbs take which is theirs to say.
GRAMMAR: Final = Grammar("exoml", "Flow", lambda name: NAMES, depth=3)


def read_exoml(document: str, absent_loop: Literal["once", "endless"] = "once") -> tuple[Verb, ...]:
    """Return the verbs of a document; raises BadActionError that names line and element."""
    return tuple(read_verb(given, absent_loop) for given in read_document(document))


def read_document(document: str) -> list[Given]:
    """Return the elements of a document, not yet understood; raises BadActionError."""
    root = read_markup(document, GRAMMAR)
    if not root.inside:
        raise BadActionError(f"{root.place} holds no verb")
    return [verb.given() for verb in root.inside]
