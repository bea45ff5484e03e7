"""How the calls API answers, and how often it may be asked.

[api]
default_format = "json"
calls_per_minute = 200
"""

from typing import Literal

from pydantic import Field, field_validator

from agentstream.api.rate_limit import RateLimits
from agentstream.api.settings import ApiSettings, NumberFormat, WebStream
from agentstream.base.phone import NumberStyle
from agentstream.flows.hours import read_zone
from agentstream.server.config_section import Section


class ApiConfig(Section):
    """The calls API."""

    default_format: Literal["json", "xml"] = "json"  # KX-1: of paths without .json or .xml
    number_format: NumberFormat = "follow"  # KX-4: as written, and else as `number_format` above
    timezone: str = "Asia/Kolkata"  # CC-47: of times in answers and callbacks, which name none
    flow_call_to: Literal["null", "exophone"] = "null"  # KX-3: `To` of a call without a second one
    stream_url_https: WebStream = "reject"  # AS-19: http(s) as a StreamUrl
    document_urls: bool = False  # AF-2, KX-9: a Url that is no flow's is a server of documents
    strict: bool = False  # CC-7, CC-27, CC-31, AF-1: refuse what hosted servers refuse
    duplicate_http_status: Literal[200, 409] = 200  # TR-29, SC-1: HTTP's, of a trunk's duplicate
    unknown_trunk_status: Literal[404, 403] | None = None  # SC-2; None: strict is 403
    calls_per_minute: int = Field(default=200, ge=0)  # ER-7, of each account; 0: no limit
    reads_per_minute: int = Field(default=300, ge=0)
    numbers_per_minute: int = Field(default=50, ge=0)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        read_zone(name)  # raises ValueError
        return name

    def settings(self, numbers: NumberStyle) -> ApiSettings:
        """Return the settings as the API takes them; `numbers` is how numbers are shown else."""
        return ApiSettings(
            default_format=self.default_format,
            number_format=self.number_format,
            numbers=numbers,
            zone=read_zone(self.timezone),
            flow_call_to=self.flow_call_to,
            web_stream=self.stream_url_https,
            takes_document_urls=self.document_urls,
            is_strict=self.strict,
        )

    def rate_limits(self) -> RateLimits:
        """Return how many requests an account may make."""
        return RateLimits(self.calls_per_minute, self.reads_per_minute, self.numbers_per_minute)
