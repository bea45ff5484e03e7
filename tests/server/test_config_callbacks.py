from typing import Any

import pytest
from pydantic import ValidationError

from agentstream.server.config import Config
from agentstream.server.config_callbacks import CallbacksConfig


def test_as_shipped_callbacks_are_those_of_the_hosted_platform_cb_1_cb_11() -> None:
    wanted = Config().callbacks
    assert (wanted.form_type, wanted.extra_events) == ("multipart", ())
    assert (wanted.timeout_ms, wanted.retry_seconds) == (15_000, (300, 900))


def test_they_can_be_set_as_the_environment_writes_them() -> None:
    wanted = CallbacksConfig.model_validate(
        {
            "retry_seconds": "10, 60,600",
            "extra_events": "initiated,recording-available",
        }
    )
    assert wanted.retry_seconds == (10, 60, 600)
    assert wanted.extra_events == ("initiated", "recording-available")
    assert CallbacksConfig.model_validate({"retry_seconds": []}).retry_seconds == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"retry_seconds": [0]}, "greater than or equal to 1"),
        ({"retry_seconds": "soon"}, "valid integer"),
        ({"retry_seconds": [60] * 51}, "at most 50 items"),
        ({"extra_events": ["dtmf"]}, "'initiated' or 'recording-available'"),
        ({"form_type": "xml"}, "'multipart' or 'urlencoded'"),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CallbacksConfig.model_validate(values)
