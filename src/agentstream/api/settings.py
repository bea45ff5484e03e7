"""How the calls API speaks: what hosted servers do in several ways, by setting."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal

from agentstream.base.phone import NumberStyle, normalise
from agentstream.flows.context import INDIAN_TIME
from agentstream.switch.call_terms import moment

NumberFormat = Literal["follow", "e164", "national0"]
WebStream = Literal["reject", "rewrite", "resolve"]  # what an http(s) StreamUrl is (AS-19)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """See `[api]` in docs/howto/configure.md."""

    default_format: Literal["json", "xml"] = "json"  # of paths without a suffix (KX-1)
    number_format: NumberFormat = "follow"  # KX-4
    numbers: NumberStyle = field(default_factory=NumberStyle)  # where there is nothing to follow
    zone: tzinfo = INDIAN_TIME  # CC-47: that of the hosted service
    flow_call_to: Literal["null", "exophone"] = "null"  # KX-3
    web_stream: WebStream = "reject"
    takes_document_urls: bool = False  # AF-2, KX-9: a Url that names no flow is asked for documents
    is_strict: bool = False  # CC-7, CC-27, CC-31, AF-1

    @property
    def is_xml_default(self) -> bool:
        """Whether paths without a suffix are answered in XML, as strict servers do (CC-7)."""
        return self.is_strict or self.default_format == "xml"

    @property
    def country_code(self) -> str:
        """Of numbers that are written with one 0, or without any prefix."""
        return self.numbers.country_code

    def normalised(self, number: str) -> str:
        """Return a number in its one form."""
        return normalise(number, self.country_code)

    def show(self, number: str) -> str:
        """Return a number as answers have it, when nobody has just written it."""
        if self.number_format == "follow":
            return self.numbers.show(number)
        return NumberStyle(self.number_format, self.country_code).show(number)

    def echo(self, written: str) -> str:
        """Return a number of the request as its answer has it (CC-52)."""
        return written if self.number_format == "follow" else self.show(written)

    def show_exophone(self, number: str) -> str:
        """Return an account's number as its users write it: with a leading 0 (AF-20)."""
        if self.number_format == "follow":
            form = self.numbers.form or "national0"
            return NumberStyle(form, self.country_code).show(number)
        return self.show(number)

    def moment(self, at: datetime) -> str:
        """Return a time as `YYYY-MM-DD HH:mm:ss`, in the API's zone (CC-47)."""
        return moment(at, self.zone)
