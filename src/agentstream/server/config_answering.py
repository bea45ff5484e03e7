"""What tells a person from a machine where a call asks who answered.

[machine_detection]
greeting_ms = 2000
after_greeting_silence_ms = 800
"""

from typing import Self

from pydantic import model_validator

from agentstream.base.errors import CommandError
from agentstream.calls.answering import AnswerCriteria
from agentstream.server.config_section import Section

_SHIPPED = AnswerCriteria()


class MachineDetectionConfig(Section):
    """The criteria of `calls.answering.AnswerCriteria`, under their names."""

    initial_silence_ms: int = _SHIPPED.initial_silence_ms
    greeting_ms: int = _SHIPPED.greeting_ms
    after_greeting_silence_ms: int = _SHIPPED.after_greeting_silence_ms
    total_analysis_ms: int = _SHIPPED.total_analysis_ms
    min_word_ms: int = _SHIPPED.min_word_ms
    between_words_silence_ms: int = _SHIPPED.between_words_silence_ms
    maximum_words: int = _SHIPPED.maximum_words
    silence_threshold_dbov: int = _SHIPPED.silence_threshold_dbov
    beep_wait_ms: int = _SHIPPED.beep_wait_ms

    @model_validator(mode="after")
    def _are_in_bounds(self) -> Self:
        try:
            self.criteria().check()
        except CommandError as error:
            raise ValueError(str(error)) from error
        return self

    def criteria(self) -> AnswerCriteria:
        """Return them as calls take them."""
        return AnswerCriteria(**self.model_dump())
