"""Legs that are steered from outside: how they are shown, and how their events are told.

[legs]
allow_plain_http = true
keep_days = 7
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid
from agentstream.flows.legs.settings import LegSettings as ControlSettings
from agentstream.hooks.leg_delivery import DeliveryRules
from agentstream.hooks.leg_queue import Patience
from agentstream.server.config_grpc import GrpcConfig
from agentstream.server.config_leg_storage import LegStorageConfig
from agentstream.server.config_section import Section, numbers
from agentstream.switch.leg_style import SOCKET, LegStyle, StateWords, check_endpoint


class LegsConfig(Section):
    """The Legs API and the events of legs."""

    flat_response: bool = True  # LG-10
    infer_network_type: bool = True  # LG-38
    time_limit_seconds: int = Field(default=14_400, ge=1, le=86_400)  # LG-39: the longest
    state_words: StateWords = "as_documented"  # LG-52
    flat_event_data: bool = False  # EV-9
    history_timestamp: Literal["object", "string"] = "object"  # LG-71
    exoml_loop_absent: Literal["once", "endless"] = "once"  # LC-5
    requests_per_minute: int = Field(default=0, ge=0)  # LG-13, of each account; 0: no limit
    allow_plain_http: bool = False  # EV-37: http:// as an event endpoint
    timeout_ms: int = Field(default=1_000, ge=50, le=30_000)  # EV-32, of one attempt
    attempts: int = Field(default=3, ge=1, le=10)  # EV-33
    retry_ms: Annotated[
        tuple[Annotated[int, Field(ge=1, le=60_000)], ...], BeforeValidator(numbers)
    ] = Field(default=(200, 500), min_length=1, max_length=10)  # EV-36
    ordering: Literal["per_leg", "none"] = "per_leg"  # EV-39
    user_agent: str = Field(default="AgentStream", pattern=r"^[!-~][ -~]{0,199}$")  # EV-35
    concurrency: int = Field(default=512, ge=1, le=1_000)  # attempts at once
    per_host: int = Field(default=128, ge=1, le=1_000)
    socket_hold_ms: int = Field(default=30_000, ge=0, le=60_000)  # LD-8: waiting for ws:// to open
    # LD-10: where events go that their endpoint did not take; "": nowhere.
    fallback_endpoint: str = Field(default="", repr=False)
    fallback_endpoints: Mapping[str, str] = Field(default_factory=dict, repr=False)  # by account
    grpc: GrpcConfig = GrpcConfig()
    storage: LegStorageConfig = LegStorageConfig()
    keep_days: int = Field(default=7, ge=0, le=36_500)  # LG-72; 0: for ever
    unwritten: int = Field(default=20_000, ge=1_000)  # rows waiting for the database

    auto_answer_ms: int = Field(default=1_500, ge=0, le=30_000)  # LG-112
    manual_answer_seconds: int = Field(default=30, ge=1, le=600)  # LG-112
    greeting_overlap: Literal["yield", "mix", "queue"] = "yield"  # LG-123
    exoml_continue_on_error: bool = False  # EX-2
    dtmf_received: bool = False  # EV-7: tell of keys outside a gather

    @model_validator(mode="after")
    def _falls_back_somewhere(self) -> Self:
        for url in filter(None, (self.fallback_endpoint, *self.fallback_endpoints.values())):
            try:
                checked = check_endpoint(url, self.settings())
            except CommandError as error:
                raise ValueError(f"the fallback endpoint {error}") from error
            if checked == SOCKET:
                raise ValueError(f"the fallback endpoint must be an address: {SOCKET} is nobody's")
        return self

    def control(self) -> ControlSettings:
        """Return the settings as calls take them."""
        return ControlSettings(
            auto_answer_ms=self.auto_answer_ms,
            manual_answer_ms=self.manual_answer_seconds * 1_000,
            greeting_overlap=self.greeting_overlap,
            continues_on_error=self.exoml_continue_on_error,
            tells_keys=self.dtmf_received,
        )

    def settings(self) -> LegStyle:
        """Return the settings as the API takes them."""
        return LegStyle(
            flat_response=self.flat_response,
            infer_network_type=self.infer_network_type,
            time_limit_s=self.time_limit_seconds,
            state_words=self.state_words,
            flat_event_data=self.flat_event_data,
            history_timestamp=self.history_timestamp,
            exoml_loop_absent=self.exoml_loop_absent,
            allow_plain_http=self.allow_plain_http,
            has_grpc=find_spec("grpc") is not None,
        )

    def fallback(self, account_sid: AccountSid) -> str:
        """Return where an account's events go that their endpoint did not take (LD-10)."""
        own = {sid.lower(): url for sid, url in self.fallback_endpoints.items()}
        return own.get(account_sid.lower(), self.fallback_endpoint)

    def rules(self) -> DeliveryRules:
        """Return how events are sent."""
        return DeliveryRules(
            timeout_ms=self.timeout_ms,
            patience=Patience(self.attempts, self.retry_ms),
            at_once=self.concurrency,
            per_host=self.per_host,
            user_agent=self.user_agent,
            keeps_order=self.ordering == "per_leg",
        )
