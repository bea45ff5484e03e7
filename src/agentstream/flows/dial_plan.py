"""Whom a Connect dials, and how: what settings and customers' servers agree on."""

import re
from collections.abc import Iterable
from typing import Final

from agentstream.base.values import dataclass
from agentstream.calls.commands import Prompt, RecordingSpec, StreamSpec

OPERATOR_TONE: Final = "builtin:operator_tone"  # what a telephone network plays while it rings
BEEP: Final = "builtin:beep"

TARGETS_LIMIT: Final = 50  # of one answer or document
PARALLEL_LIMIT: Final = 10  # legs that ring at once
RING_LIMIT_S: Final = 300
TALK_LIMIT_S: Final = 14_400  # AS-49
RETRIES_LIMIT: Final = 5

_SEPARATORS: Final = re.compile(r"[,\r\n]")
_PUNCTUATION: Final = re.compile(r"[ \t().-]")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{2,32}")
_CALLER_ID: Final = re.compile(r"\+?[A-Za-z0-9*#_]{1,64}")
# No URI headers ("?"): an answer must not choose what else stands in the INVITE.
_ADDRESS: Final = re.compile(r"sips?:[A-Za-z0-9_.!~*'()&=+$;/%:@\[\]-]{1,250}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """One party to dial: a number, a sip address, or `sip:TRUNK` with the number it is given."""

    destination: str
    to_number: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # of the INVITE (AP-42)


@dataclass(frozen=True, slots=True)
class Whisper:
    """What is said after the answer and before the two hear each other (AP-43)."""

    prompt: Prompt
    is_for_both: bool = False


@dataclass(frozen=True, slots=True)
class DialPlan:
    """Everything that one round of dialling needs."""

    targets: tuple[Target, ...] = ()
    caller_id: str = ""
    trunk: str = ""
    ring_ms: int = 30_000  # AP-47
    talk_ms: int = TALK_LIMIT_S * 1000
    parallel: int = 1
    retries: int = 0  # how often those who were busy or did not answer are tried again
    asks_again: bool = False  # the URL decides after each attempt who is next (AP-44)
    recording: RecordingSpec | None = None
    fork: StreamSpec | None = None  # a bot that listens once the two hear each other (CC-40)
    music: str = OPERATOR_TONE  # the source of a sound file
    whisper: Whisper | None = None
    language: str = "en-IN"  # of texts that an answer brings
    voice: str = ""
    event_url: str = ""  # AP-48
    reason: str = ""  # why there is nobody to dial


def is_dialable(text: str) -> bool:
    """Tell whether this is a number, a `sip:` or `sips:` address, or `sip:TRUNK`."""
    return bool(_NUMBER.fullmatch(_PUNCTUATION.sub("", text)) or _ADDRESS.fullmatch(text))


def caller_id_of(text: str) -> str:
    """Return what a callee may be shown: a number or one word; "" when this is neither."""
    caller_id = _PUNCTUATION.sub("", text)
    return caller_id if _CALLER_ID.fullmatch(caller_id) else ""


def targets_of(texts: Iterable[str], to_number: str) -> tuple[tuple[Target, ...], str]:
    """Return the parties that these texts name, separated by commas, and what is wrong with them.

    What cannot be dialled is left out, for one mistyped number must not cost the others their
    call. `to_number` is what a trunk without a number is given.
    """
    names = [name.strip() for text in texts for name in _SEPARATORS.split(text)]
    named = [name for name in names if name]
    good = [name for name in named if is_dialable(name)]
    if len(good) > TARGETS_LIMIT:
        return (), f"there are {len(good)} numbers, at most {TARGETS_LIMIT} are taken"
    wrong = [name for name in named if name not in good]
    if wrong:
        return _targets(good, to_number), f"'{wrong[0][:40]}' is neither a number nor a sip address"
    return _targets(good, to_number), "" if good else "the list of numbers is empty"


def _targets(names: list[str], to_number: str) -> tuple[Target, ...]:
    return tuple(_target(name, to_number) for name in names)


def _target(name: str, to_number: str) -> Target:
    if not _ADDRESS.fullmatch(name):
        return Target(_PUNCTUATION.sub("", name))
    return Target(name) if "@" in name else Target(name, to_number)


def recording_of(is_dual: bool) -> RecordingSpec:
    """Return how the caller's leg is recorded; of two channels the agent's is the left (RC-2)."""
    return RecordingSpec("mirrored" if is_dual else "mono")
