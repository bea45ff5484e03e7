"""What tells a person from a machine, set by the operator."""

import pytest

from agentstream.base.errors import ConfigError
from agentstream.calls.answering import AnswerCriteria
from agentstream.server.config import Config
from agentstream.server.config_sources import load_config

NAME = "AGENTSTREAM_MACHINE_DETECTION__GREETING_MS"


def test_the_criteria_that_are_shipped_are_those_of_calls() -> None:
    assert Config().machine_detection.criteria() == AnswerCriteria()


def test_a_criterion_may_be_set() -> None:
    config = load_config(environ={NAME: "2400"})
    assert config.machine_detection.criteria() == AnswerCriteria(greeting_ms=2_400)


def test_a_criterion_out_of_its_bounds_is_a_mistake_that_names_them() -> None:
    with pytest.raises(ConfigError, match="greeting_ms is 200 to 30000, not 5"):
        load_config(environ={NAME: "5"})
