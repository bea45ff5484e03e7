"""How legs that are steered behave where the documents leave a choice."""

from typing import Literal

from agentstream.base.values import dataclass


@dataclass(frozen=True, slots=True)
class LegSettings:
    """Of one house, but for `answers`, which is of the number that rings."""

    answers: Literal["auto", "manual"] = "auto"  # LG-112
    auto_answer_ms: int = 1_500  # after `leg_ringing`, if it is not acknowledged sooner
    manual_answer_ms: int = 30_000  # how long a leg rings for its Answer
    greeting_overlap: Literal["yield", "mix", "queue"] = "yield"  # LG-123
    continues_on_error: bool = False  # EX-2
    tells_keys: bool = False  # EV-7: keys that no gather and no recording takes


USUAL = LegSettings()
