"""How recordings of legs are sent to storage of a customer's own (EX-46).

[legs.storage]
auth = "headers"
key_header = "X-Acme-Key"
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from agentstream.hooks.recording_uploads import UploadRules
from agentstream.server.config_section import Section, numbers

_NAME = r"^[A-Za-z0-9-]{1,64}$"


class LegStorageConfig(Section):
    """What `storageURL` of StartRecording is sent, and how patiently."""

    auth: Literal["basic", "headers"] = "basic"  # how https has key and token
    key_header: str = Field(default="X-Storage-Key", pattern=_NAME)
    token_header: str = Field(default="X-Storage-Token", pattern=_NAME)
    retry_ms: Annotated[
        tuple[Annotated[int, Field(ge=1, le=600_000)], ...], BeforeValidator(numbers)
    ] = Field(default=(1_000, 5_000, 30_000), min_length=1, max_length=10)
    timeout_seconds: int = Field(default=60, ge=1, le=3_600)  # of one attempt
    max_mb: int = Field(default=512, ge=1, le=4_096)
    concurrency: int = Field(
        default=8, ge=1, le=100
    )  # attempts at once; half of them of one account
    waiting: int = Field(default=1_000, ge=1, le=100_000)

    def rules(self) -> UploadRules:
        """Return the rules as they are followed."""
        return UploadRules(
            auth=self.auth,
            header_names=(self.key_header, self.token_header),
            retry_ms=self.retry_ms,
            timeout_ms=self.timeout_seconds * 1_000,
            max_bytes=self.max_mb * 1_048_576,
            at_once=self.concurrency,
            waiting=self.waiting,
        )
