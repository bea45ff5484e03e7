"""Status callbacks: how they are written, and how hard we try to deliver them.

[callbacks]
retry_seconds = [300, 900]
keep_days = 30
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from agentstream.server.config_section import Section, numbers, split

ExtraEvent = Literal["initiated", "recording-available"]
_WEEK_S = 604_800


class CallbacksConfig(Section):
    """Webhooks that tell how placed calls go."""

    form_type: Literal["multipart", "urlencoded"] = "multipart"  # KX-11; JSON is the call's wish
    extra_events: Annotated[tuple[ExtraEvent, ...], BeforeValidator(split)] = ()  # OC-4
    retry_seconds: Annotated[
        tuple[Annotated[int, Field(ge=1, le=_WEEK_S)], ...], BeforeValidator(numbers)
    ] = Field(default=(300, 900), max_length=50)  # CB-11: after the first failure, the second ...
    timeout_ms: int = Field(default=15_000, ge=100, le=120_000)  # of one attempt
    concurrency: int = Field(default=32, ge=1, le=500)  # attempts at once
    per_host: int = Field(default=8, ge=1, le=500)
    keep_days: int = Field(default=30, ge=0, le=36_500)  # what is dead; 0: for ever
    keep_delivered: bool = False  # for as many days, to be looked at
