"""Exoml: documents of the customer's server say what the call does, verb by verb (XR-1).

The machine is `exoml/run.py`; what a document may hold is `exoml/reading.py`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from agentstream.flows.applet import Applet, Onward, wired
from agentstream.flows.asking import TIMEOUT_S, FallbackUrl, HttpUrl, TimeoutSeconds
from agentstream.flows.context import Context
from agentstream.flows.exoml.run import Documents
from agentstream.flows.exoml.verbs import Ask


class ExomlSettings(Onward):
    """Do what ExoML documents say, with the root `<Response>`."""

    kind: ClassVar[str] = "exoml"
    finishes_after_call: ClassVar[bool] = True
    is_reported: ClassVar[bool] = True
    may_end_call: ClassVar[bool] = True

    url: HttpUrl = Field(
        description="The server that answers with the first document; its own query is kept."
    )
    method: Literal["POST", "GET"] = Field(
        default="POST",
        description="How it is asked: the call's fields as a form, or in the query.",
    )
    fallback_url: FallbackUrl = None
    timeout_seconds: TimeoutSeconds = TIMEOUT_S
    lower_case_digits: bool = Field(
        default=False, description="A `Gather` tells the keys as `digits` too (XR-20)."
    )
    on_failure: str | None = Field(
        default=None,
        description=(
            "The applet that follows when a document cannot be had or read; without one, `next`."
        ),
    )

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(next=self.next, on_failure=self.on_failure)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Documents(
            context,
            Ask(self.url, self.method),
            fallback_url=self.fallback_url or "",
            timeout_ms=self.timeout_seconds * 1000,
            says_digits=self.lower_case_digits,
        )
