"""Who answered a call that we placed: the words for it, and what tells a person from a machine."""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final, Literal

from agentstream.base.values import dataclass, replace
from agentstream.calls.checks import check_range

Answerer = Literal["human", "machine", "unknown"]
ANSWERERS: Final[tuple[Answerer, ...]] = ("human", "machine", "unknown")
# pause: a short greeting, then nothing; greeting: a long one; silence: nothing was said; time:
# nothing decided it in time; gone: the call ended before.
AnswerReason = Literal["pause", "greeting", "words", "beep", "silence", "time", "gone"]
AnswerMode = Literal["off", "sync", "async"]  # sync: the flow begins with the verdict

SYNC_LIMIT_MS: Final = 4_000  # EV-6: so long a flow waits for the verdict
GRACE_MS: Final = 200  # the audio path ends its own analysis; this is the net below it

NOT_JUDGED: Final = "NA"
_WORDS: Final[Mapping[Answerer, str]] = MappingProxyType(
    {"human": "Human", "machine": "Machine", "unknown": "NotSure"}
)
# The least and the most of each criterion.
CRITERIA_LIMITS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "initial_silence_ms": (200, 30_000),
        "greeting_ms": (200, 30_000),
        "after_greeting_silence_ms": (200, 10_000),
        "total_analysis_ms": (1_000, 30_000),
        "min_word_ms": (20, 1_000),
        "between_words_silence_ms": (20, 1_000),
        "maximum_words": (1, 100),
        "silence_threshold_dbov": (-70, -30),
        "beep_wait_ms": (0, 120_000),
    }
)


@dataclass(frozen=True, slots=True)
class AnswerCriteria:
    """What tells a person from a machine; the names are those that Asterisk's AMD() made usual.

    Times are milliseconds of what the far end says, in steps of 20.
    """

    initial_silence_ms: int = 3_000  # without a word for so long: unknown
    greeting_ms: int = 2_000  # a greeting that lasts so long: machine
    after_greeting_silence_ms: int = 800  # so long nothing behind a greeting: human
    total_analysis_ms: int = SYNC_LIMIT_MS - GRACE_MS  # undecided for so long: unknown
    min_word_ms: int = 100  # of sound in a row
    between_words_silence_ms: int = 60
    maximum_words: int = 5  # more: machine
    silence_threshold_dbov: int = -42  # below it is silence, however quiet the line
    beep_wait_ms: int = 30_000  # after the analysis

    def check(self) -> None:
        """Raise CommandError naming what is out of bounds."""
        for name, (least, most) in CRITERIA_LIMITS.items():
            check_range(getattr(self, name), least, most, name)

    def in_time_for(self, mode: AnswerMode) -> "AnswerCriteria":
        """Return these, shortened where a flow waits for the verdict."""
        limit_ms = SYNC_LIMIT_MS - GRACE_MS
        is_long = mode == "sync" and self.total_analysis_ms > limit_ms
        return replace(self, total_analysis_ms=limit_ms) if is_long else self


@dataclass(frozen=True, slots=True)
class AskWho:
    """That a call is to find out who answers it."""

    mode: Literal["sync", "async"]
    criteria: AnswerCriteria = field(default_factory=AnswerCriteria)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who answered, and when that was known, from the answer on."""

    answerer: Answerer
    elapsed_ms: int
    reason: AnswerReason
    beep_ms: int | None = None  # when a machine's beep ended; None: none was heard


def answered_by(answerer: Answerer | None) -> str:
    """Return the word of CB-5 (KX-12); of None, a party that is not judged, NA."""
    return NOT_JUDGED if answerer is None else _WORDS[answerer]
